package integration

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leavesNothing looks for leaked goroutines at the end. Called first, it looks after all other clean-up.
func leavesNothing(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

// echo answers each line with the same line; seen gets the first hundred that reached it.
type echo struct {
	ln   net.Listener
	seen chan string
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{ln: ln, seen: make(chan string, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { e.answer(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return e
}

func (e *echo) answer(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		select {
		case e.seen <- lines.Text():
		default: // more than any test looks at: it must not hold up the echo
		}
		if _, err := io.WriteString(conn, lines.Text()+"\n"); err != nil {
			return
		}
	}
}

func (e *echo) target() (string, bool) { return e.ln.Addr().String(), true }

func newLink(t *testing.T, target func() (string, bool)) *Link {
	t.Helper()
	link, err := NewLink(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	return link
}

func dial(t *testing.T, link *Link) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// say sends a line and returns the answer, or the error that came instead.
func say(conn net.Conn, line string) (string, error) {
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", err
	}
	answer := make([]byte, len(line)+1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return "", err
	}
	return string(answer[:len(line)]), nil
}

// sayAnew asks over a new connection. Where a reset is quick, the dial itself can fail of it.
func sayAnew(t *testing.T, link *Link, line string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", link.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return say(conn, line)
}

func mustAnswer(t *testing.T, conn net.Conn, line string) {
	t.Helper()
	if got, err := say(conn, line); err != nil || got != line {
		t.Fatalf("asked %q: got %q, %v", line, got, err)
	}
}

func TestLinkForwards(t *testing.T) {
	leavesNothing(t)
	link := newLink(t, newEcho(t).target)
	mustAnswer(t, dial(t, link), "hello")
}

// What is said arrives as it is spoilt, as long as that is wanted.
func TestSpoiltLink(t *testing.T) {
	leavesNothing(t)
	e := newEcho(t)
	link := newLink(t, e.target)
	conn := dial(t, link)
	link.Spoil(func(chunk []byte) {
		if chunk[0] == 'h' {
			chunk[0] = 'j'
		}
	})
	if got, err := say(conn, "hello"); err != nil || got != "jello" {
		t.Fatalf("got %q, %v", got, err)
	}
	if got := <-e.seen; got != "jello" {
		t.Fatalf("%q reached the target", got)
	}
	link.Spoil(nil)
	mustAnswer(t, conn, "hello")
}

// Only what from says is spoilt: an answer is what the target gave.
func TestSpoiltLinkLeavesAnswersAlone(t *testing.T) {
	leavesNothing(t)
	e := newEcho(t)
	link := newLink(t, e.target)
	conn := dial(t, link)
	var chunks atomic.Int32
	link.Spoil(func([]byte) { chunks.Add(1) })
	mustAnswer(t, conn, "hello")
	if n := chunks.Load(); n != 1 {
		t.Errorf("%d chunks could be spoilt, want that of the question", n)
	}
}

func TestCutResetsOldAndNewConnections(t *testing.T) {
	leavesNothing(t)
	link := newLink(t, newEcho(t).target)
	conn := dial(t, link)
	mustAnswer(t, conn, "before")
	link.Cut()
	if got, err := say(conn, "during"); err == nil {
		t.Fatalf("answered %q over a cut link", got)
	}
	if got, err := sayAnew(t, link, "new"); err == nil {
		t.Fatalf("a new connection was answered %q over a cut link", got)
	}
	link.Heal()
	mustAnswer(t, dial(t, link), "after")
}

func TestBlackholeSwallowsWithoutReset(t *testing.T) {
	leavesNothing(t)
	server := newEcho(t)
	link := newLink(t, server.target)
	old := dial(t, link)
	mustAnswer(t, old, "before")
	<-server.seen
	link.Blackhole()
	for name, conn := range map[string]net.Conn{"old": old, "new": dial(t, link)} {
		if err := conn.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		// The deadline must be what ends it: a reset or an answer would come at once.
		if got, err := say(conn, "during"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%s connection: %q, %v, want silence", name, got, err)
		}
	}
	link.Heal()
	// Bytes are missing in the middle: the connection must not go on as if nothing was.
	if err := old.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := say(old, "after"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection that lost bytes answered %q, %v, want a reset", got, err)
	}
	mustAnswer(t, dial(t, link), "after")
	if got := <-server.seen; got != "after" {
		t.Fatalf("the target heard %q through a blackhole", got)
	}
}

func TestBlackholeSparesASilentConnection(t *testing.T) {
	leavesNothing(t)
	link := newLink(t, newEcho(t).target)
	conn := dial(t, link)
	mustAnswer(t, conn, "before")
	link.Blackhole()
	link.Heal()
	mustAnswer(t, conn, "nothing was lost")
}

func TestDelayHoldsBothDirections(t *testing.T) {
	leavesNothing(t)
	link := newLink(t, newEcho(t).target)
	conn := dial(t, link)
	mustAnswer(t, conn, "fast")
	const d = 20 * time.Millisecond
	link.Delay(d)
	start := time.Now()
	mustAnswer(t, conn, "slow")
	if took := time.Since(start); took < 2*d {
		t.Fatalf("there and back took %v, less than twice %v", took, d)
	}
}

func TestDelayDoesNotOutliveTheLink(t *testing.T) {
	leavesNothing(t)
	link := newLink(t, newEcho(t).target)
	conn := dial(t, link)
	mustAnswer(t, conn, "fast")
	link.Delay(time.Hour)
	if _, err := io.WriteString(conn, "never\n"); err != nil {
		t.Fatal(err)
	}
	link.Close() // must not wait an hour; goleak sees that nothing is left
}

func TestLinkLooksItsTargetUpAnew(t *testing.T) {
	leavesNothing(t)
	addr := make(chan string, 1) // holds the address while the target lives
	link := newLink(t, func() (string, bool) {
		select {
		case a := <-addr:
			addr <- a
			return a, true
		default:
			return "", false
		}
	})
	if got, err := sayAnew(t, link, "nobody"); err == nil {
		t.Fatalf("answered %q without a target", got)
	}
	first, _ := newEcho(t).target()
	addr <- first
	mustAnswer(t, dial(t, link), "first")
	<-addr
	second := newEcho(t)
	to, _ := second.target()
	addr <- to
	mustAnswer(t, dial(t, link), "second")
	if got := <-second.seen; got != "second" {
		t.Fatalf("the new target heard %q", got)
	}
}

func TestLinkSurvivesAFloodOfCutsAndConnections(t *testing.T) {
	leavesNothing(t)
	link := newLink(t, newEcho(t).target)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				link.Cut()
				link.Heal()
			}
		}
	}()
	for range 200 {
		// An answer, a reset and a refusal are all right: the race detector and goleak are the judges.
		_, _ = sayAnew(t, link, "x")
	}
	close(stop)
	<-done
}

// A link that is half open, since a machine lost its power or something on the way forgot it, is noticed within an election timeout: before the other
// end stands for election, there is a new one.
func TestAHalfOpenLinkIsNoticedWithinAnElectionTimeout(t *testing.T) {
	c := newGrowing(t, 0, "--election-timeout", "700ms")
	ctx := bounded(t)
	start(ctx, t, c)
	from, to := c.Nodes()[0], c.Nodes()[1]
	c.Link(from, to).Blackhole()
	err := poll(ctx, "the silence to be noticed", func() (bool, error) {
		text, err := from.Printed()
		return strings.Contains(text, "link down: n2") && strings.Contains(text, "nothing was heard for 700ms"), err
	})
	if err != nil {
		t.Error(err, c.lastWords())
	}
}

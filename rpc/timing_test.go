package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// noEvent checks that no event of that kind is waiting.
func (s *server) noEvent(kind EventKind) {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			if e.Kind == kind {
				s.t.Errorf("event %q", e)
			}
		default:
			return
		}
	}
}

func TestIdleConnectionsStayUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		b := start(t, n.config("b", "a"), n.listen("b:1"), nil)
		a.await(LinkUp)
		b.await(LinkUp)
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, s := range []*server{a, b} {
			s.noEvent(LinkDown)
			if st := s.Stats()[0]; !st.Connected || !st.Incoming || st.MessagesSent != 0 || st.MessagesReceived != 0 {
				t.Errorf("%+v", st)
			} else if perSecond := st.BytesSent / 3600; perSecond < frameHeader || perSecond > 3*frameHeader {
				t.Errorf("%d bytes a second to keep a connection alive", perSecond)
			}
		}
		a.stop()
		b.stop()
	})
}

// A server that only sends must be told, too, that the other end lives; and a busy link
// needs no keepalives of its own.
func TestBusyLinksStayUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		b := start(t, n.config("b", "a"), n.listen("b:1"), nil)
		a.await(LinkUp)
		for term := consensus.Term(1); term <= 1000; term++ {
			a.link("b").Send(vote("a", "b", term))
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		a.noEvent(LinkDown)
		st := a.Stats()[0]
		perMessage := st.BytesSent / st.MessagesSent
		if st.MessagesSent != 1000 || len(b.got) != 1000 || perMessage > frameHeader+8 {
			t.Errorf("%+v, %d delivered", st, len(b.got))
		}
		a.stop()
		b.stop()
	})
}

// A peer whose machine lost its power says nothing more, not even that it is gone.
func TestASilentPeerIsNoticedByBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		ln := n.listen("b:1")
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)

		// b accepts a's link, and then takes what comes but does not answer.
		link, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readHello(link); err != nil {
			t.Fatal(err)
		}
		yes := answer{accepted: true, version: 2, cluster: "test", server: "b"}
		if _, err := link.Write(yes.append(nil)); err != nil {
			t.Fatal(err)
		}
		up := time.Now()
		io.Copy(io.Discard, link)
		if e := a.await(LinkDown); e.Reason != "nothing was heard for 2s" || time.Since(up) != 2*time.Second {
			t.Errorf("after %v: %q", time.Since(up), e)
		}
		ln.Close()

		// b opens its own link, and then says nothing.
		conn, err := n.dial(t.Context(), "a:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(goodHello().append(nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := readAnswer(conn); err != nil {
			t.Fatal(err)
		}
		up = time.Now()
		io.Copy(io.Discard, conn)
		if e := a.await(IncomingDown); e.Reason != "nothing was heard for 16s" || time.Since(up) != 16*time.Second {
			t.Errorf("after %v: %q", time.Since(up), e)
		}
		a.stop()
	})
}

// A peer that takes nothing must not hold the link's goroutine.
func TestAPeerThatReadsNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		began := time.Now()
		err := writeAll(here, make([]byte, 3*writeStep), 2*time.Second)
		if err == nil || reason(err) != "it took nothing for 2s" || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A big message on a slow line is no silence: each part that arrives counts.
func TestASlowLineIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		cfg := n.config("a", "b")
		cfg.MinFrameRate = 10
		a := start(t, cfg, n.listen("a:1"), nil)
		conn, err := n.dial(t.Context(), "a:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(goodHello().append(nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := readAnswer(conn); err != nil {
			t.Fatal(err)
		}
		payload, err := msgpackCodec{}.Append(nil, manyEntries(make([]byte, 1000)))
		if err != nil {
			t.Fatal(err)
		}
		beats := make(chan int)
		go func() {
			n, _ := io.Copy(io.Discard, conn)
			beats <- int(n) / frameHeader
		}()
		stream := frame(KindAppendEntries, 1, string(payload))
		for len(stream) > 0 { // for some 100 s
			time.Sleep(time.Second)
			if _, err := conn.Write(stream[:min(10, len(stream))]); err != nil {
				t.Fatal(err)
			}
			stream = stream[min(10, len(stream)):]
		}
		a.receive()
		a.stop()
		if got := <-beats; got < 100 {
			t.Errorf("the sender heard %d signs of life in 100 s", got)
		}
	})
}

func TestASlowHandshakeIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		conn, err := n.dial(t.Context(), "a:1")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, b := range goodHello().append(nil) { // byte by byte, never long silent
			if _, err := conn.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if e := a.await(Stranger); e.Reason != "no handshake within 2s" || time.Since(began) > 2100*time.Millisecond {
			t.Errorf("after %v: %q", time.Since(began), e)
		}
		a.stop()
	})
}

// An acceptor that does not answer, perhaps since it is paused, holds the dialer only so long.
func TestAnUnansweredHelloIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		ln := n.listen("b:1")
		began := time.Now()
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readHello(conn); err != nil {
			t.Fatal(err)
		}
		if e := a.await(DialFailed); !strings.Contains(e.Reason, "timeout") || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %q", time.Since(began), e)
		}
		a.stop()
	})
}

// dials counts the attempts to connect, and when they were made.
type dials struct {
	mu    sync.Mutex
	times []time.Time
}

func (d *dials) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.times = append(d.times, time.Now())
}

func (d *dials) all() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]time.Time(nil), d.times...)
}

func TestRedialingBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		cfg := n.config("a", "b")
		var attempts dials
		cfg.Dial = func(context.Context, string) (net.Conn, error) {
			attempts.note()
			return nil, errors.New("connection refused")
		}
		a := start(t, cfg, n.listen("a:1"), nil)
		time.Sleep(time.Minute)
		a.stop()
		times, most := attempts.all(), 10*time.Millisecond
		if len(times) < 60 {
			t.Fatalf("%d attempts in a minute", len(times))
		}
		for i := 1; i < len(times); i++ {
			if pause := times[i].Sub(times[i-1]); pause < most/2-1 || pause > most {
				t.Errorf("pause %d was %v, want up to half less than %v", i, pause, most)
			}
			most = min(2*most, time.Second)
		}
		if e := a.await(DialFailed); e.Reason != "connection refused" || e.Peer != "b" {
			t.Errorf("event %q", e)
		}
		a.noEvent(DialFailed) // the others within a minute
	})
}

// A peer that comes back dials; that it must not wait for our own pause to end makes
// a restart cost milliseconds.
func TestAPeerThatIsHeardOfIsDialedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		cfg := n.config("a", "b")
		var attempts dials
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			attempts.note()
			return n.dial(ctx, address)
		}
		cfg.MinBackoff, cfg.MaxBackoff = time.Hour, time.Hour
		a := start(t, cfg, n.listen("a:1"), nil)
		time.Sleep(time.Minute)
		came := time.Now()
		b := start(t, n.config("b", "a"), n.listen("b:1"), nil)
		a.await(LinkUp)
		if times := attempts.all(); len(times) != 2 || !times[1].Equal(came) {
			t.Errorf("b came at %v, dialed at %v", came, times)
		}
		b.stop()
		a.stop()
	})
}

// A peer that accepts and then closes, as when another server has this one's name, must not be
// dialed as fast as it closes.
func TestALinkThatDoesNotLastBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		ln := n.listen("b:1")
		ended := make(chan int)
		go func() {
			for accepted := 0; ; accepted++ {
				conn, err := ln.Accept()
				if err != nil {
					ended <- accepted
					return
				}
				if _, err := readHello(conn); err == nil {
					yes := answer{accepted: true, version: 2, cluster: "test", server: "b"}
					conn.Write(yes.append(nil))
				}
				conn.Close()
			}
		}()
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		time.Sleep(10 * time.Second)
		a.stop()
		ln.Close()
		if accepted := <-ended; accepted < 10 || accepted > 30 {
			t.Errorf("%d connections in 10 s", accepted)
		}
	})
}

// A link that lasted is redialed fast.
func TestALinkThatLastedIsRedialedFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		time.Sleep(time.Minute) // pauses are a second by now
		for range 3 {
			b := start(t, n.config("b", "a"), n.listen("b:1"), nil)
			a.await(LinkUp)
			time.Sleep(5 * time.Second)
			b.stop()
			down := time.Now()
			a.await(LinkDown)
			b = start(t, n.config("b", "a"), n.listen("b:1"), nil)
			a.await(LinkUp)
			if took := time.Since(down); took > 10*time.Millisecond {
				t.Errorf("up again after %v", took)
			}
			time.Sleep(5 * time.Second)
			b.stop()
		}
		a.stop()
	})
}

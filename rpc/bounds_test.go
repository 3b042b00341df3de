package rpc

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// enterQuietly is the way in of a peer "b" in a bubble. What it is told afterwards is thrown away.
func enterQuietly(t *testing.T, n *memoryNet) net.Conn {
	t.Helper()
	conn, err := n.dial(t.Context(), "a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(goodHello().append(nil)); err != nil {
		t.Fatal(err)
	}
	if a, err := readAnswer(conn); err != nil || !a.accepted {
		t.Fatalf("answer %+v, %v", a, err)
	}
	go io.Copy(io.Discard, conn) // ends with conn
	return conn
}

// Who sends a byte now and then is never silent. A frame that was begun must be there in time all the same, header and body, or its room is
// held for ever.
func TestAFrameThatWasBegunMustArriveInTime(t *testing.T) {
	for name, c := range map[string]struct {
		at    int // how many bytes come at once
		limit time.Duration
		want  string
	}{
		"header": {1, 2*time.Second + 17*time.Second/1000, "a frame of 17 bytes that was begun was not there after 2.017s"},
		"body":   {frameHeader, 7 * time.Second, "a frame of 5000 bytes that was begun was not there after 7s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(memoryNet)
				cfg := n.config("a", "b")
				cfg.MinFrameRate = 1000
				a := start(t, cfg, n.listen("a:1"), nil)
				conn := enterQuietly(t, n)
				stream := frame(KindAppendEntries, 1, strings.Repeat("x", 5000-frameHeader))
				began := time.Now()
				_, err := conn.Write(stream[:c.at])
				for i := c.at; err == nil && i < len(stream); i++ {
					time.Sleep(500 * time.Millisecond)
					_, err = conn.Write(stream[i : i+1])
				}
				e := a.await(IncomingBroken)
				if late := time.Since(began) - c.limit; e.Reason != c.want || late < 0 || late > 500*time.Millisecond {
					t.Errorf("after %v: %q", time.Since(began), e)
				}
				a.stop()
			})
		})
	}
}

// Frames follow each other on a busy line, each begun before the last one was looked at: each has its own time.
func TestEachFrameHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		a := start(t, n.config("a", "b"), n.listen("a:1"), nil)
		conn := enterQuietly(t, n)
		payload, err := msgpackCodec{}.Append(nil, vote("b", "a", 1))
		if err != nil {
			t.Fatal(err)
		}
		first := frame(KindRequestVote, 1, string(payload))
		if _, err := conn.Write(first[:5]); err != nil {
			t.Fatal(err)
		}
		rest := first[5:]
		for s := uint64(2); s < 20; s++ { // always in the middle of one, for 18 s
			time.Sleep(time.Second)
			next := frame(KindRequestVote, s, string(payload))
			if _, err := conn.Write(append(rest, next[:5]...)); err != nil {
				t.Fatal(err)
			}
			a.receive()
			rest = next[5:]
		}
		a.noEvent(IncomingBroken)
		a.noEvent(IncomingDown)
		a.stop()
	})
}

// A peer whose signs of life come less often than this server would like, since it is configured so or its machine is slow, is not cut off again and
// again: it is waited for longer, up to a bound.
func TestASlowPeerIsGivenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		brisk := n.config("a", "b")
		brisk.KeepaliveInterval, brisk.IdleTimeout = 75*time.Millisecond, 300*time.Millisecond
		slow := n.config("b", "a")
		slow.KeepaliveInterval, slow.IdleTimeout = 1500*time.Millisecond, 3*time.Second
		a := start(t, brisk, n.listen("a:1"), nil)
		b := start(t, slow, n.listen("b:1"), nil)
		for _, want := range []string{"300ms", "600ms", "1.2s"} {
			if e := a.await(LinkDown); e.Reason != "nothing was heard for "+want {
				t.Errorf("event %q, want a silence of %s", e, want)
			}
		}
		time.Sleep(time.Hour)
		a.noEvent(LinkDown)
		a.noEvent(IncomingDown)
		b.noEvent(LinkDown)
		a.stop()
		b.stop()
	})
}

func TestPatienceHasBoundsAndEnds(t *testing.T) {
	cfg, err := config("a", map[consensus.ServerID]string{"b": "b:1"}).normalize()
	if err != nil {
		t.Fatal(err)
	}
	cfg.IdleTimeout = time.Second
	l := newLink(&cfg, nil, "b", "b:1")
	for _, want := range []time.Duration{2, 4, 8, 8} {
		if l.wait(errStuck); l.patience != want*time.Second {
			t.Errorf("patience %v, want %v", l.patience, want*time.Second)
		}
	}
	if l.wait(io.EOF); l.patience != time.Second {
		t.Errorf("patience %v with a peer that closed its connection", l.patience)
	}
}

// from is a connection that says it comes from an address.
type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr { return memoryAddr(f.address) }

// table gives a table of connections alone, with room for that many.
func table(t *testing.T, conns int) (in *incoming, knock func(address string) *inConn) {
	t.Helper()
	cfg := config("a", map[consensus.ServerID]string{"b": "b:1"})
	cfg.MaxConns = conns
	cfg, err := cfg.normalize()
	if err != nil {
		t.Fatal(err)
	}
	in = newIncoming(&cfg, newRoster(&cfg, nil), nil)
	return in, func(address string) *inConn {
		t.Helper()
		conn, other := net.Pipe()
		t.Cleanup(func() { other.Close() })
		c := in.admit(from{conn, address})
		if c == nil {
			t.Fatal("turned away at once")
		}
		t.Cleanup(func() { in.remove(c, "") })
		return c
	}
}

func (c *inConn) isOut() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// A flood from one address drives out its own, however new they are, and nobody at another. IPv6 gives each host more addresses than one can count.
func TestAFloodDrivesOutItsOwn(t *testing.T) {
	for name, flood := range map[string]func(i int) string{
		"one address": func(int) string { return "10.0.0.9:1" },
		"one network": func(i int) string {
			return net.JoinHostPort(net.IP{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)}.String(), "1")
		},
	} {
		in, knock := table(t, 20)
		honest := []*inConn{knock("10.0.0.1:5000"), knock("10.0.0.2:5000"), knock("[2001:db8:1::1]:5000")}
		var crowd []*inConn
		for i := range 500 {
			crowd = append(crowd, knock(flood(i)))
		}
		for i, c := range honest {
			if c.isOut() {
				t.Errorf("%s: honest connection %d was driven out", name, i)
			}
		}
		for i, c := range crowd {
			if c.isOut() != (i < 500-17) {
				t.Errorf("%s: connection %d of the flood: out %v", name, i, c.isOut())
			}
		}
		if len(in.strange) != 20 {
			t.Errorf("%s: %d connections in the handshake", name, len(in.strange))
		}
		for c := range in.strange {
			in.remove(c, "")
		}
		if len(in.origins) != 0 {
			t.Errorf("%s: remembers %v", name, in.origins)
		}
	}
}

// However many servers are connected, others can still shake hands: the bound follows the number of peers.
func TestServersThatWereLetInLeaveRoomForOthers(t *testing.T) {
	in, knock := table(t, 20)
	for i := range 300 {
		h := goodHello()
		h.sender = consensus.ServerID("n" + strings.Repeat("x", i))
		if !in.register(knock("10.0.0.1:5000"), h) {
			t.Fatalf("server %d was not let in", i)
		}
	}
	var last []*inConn
	for range minHandshakes + 1 {
		last = append(last, knock("10.0.0.1:5000"))
	}
	for i, c := range last {
		if c.isOut() != (i == 0) {
			t.Errorf("connection %d: out %v", i, c.isOut())
		}
	}
	for _, c := range in.current {
		if c.isOut() {
			t.Error("a server that was let in was thrown out")
		}
	}
}

// outOfFiles fails to accept, as when there are no descriptors left, and counts how often it was tried.
type outOfFiles struct {
	net.Listener
	tried atomic.Int32
}

func (l *outOfFiles) Accept() (net.Conn, error) {
	l.tried.Add(1)
	return nil, errors.New("accept4: too many open files")
}

// Without descriptors, who accepts must not spin, and must not fill the log.
func TestAcceptWithoutDescriptorsDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(memoryNet)
		ln := &outOfFiles{Listener: n.listen("a:1")}
		cfg := n.config("a", "b")
		a := start(t, cfg, ln, nil)
		time.Sleep(50 * time.Second)
		if tried := ln.tried.Load(); tried < 50 || tried > 70 {
			t.Errorf("tried %d times in 50 s", tried)
		}
		if e := a.await(AcceptFailed); e.Reason != "accept4: too many open files" {
			t.Errorf("event %q", e)
		}
		a.noEvent(AcceptFailed)
		a.stop()
	})
}

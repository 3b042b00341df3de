package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// An accepted peer that sends nonsense is cut off, with the reason, and nothing of it is delivered.
func TestNonsenseFromAPeer(t *testing.T) {
	spoiled := frame(KindRequestVote, 1, "\x94\x01\x02\x01\xc2")
	spoiled[len(spoiled)-1] ^= 1
	gap, err := msgpackCodec{}.Append(nil, &consensus.AppendEntries{PrevLogIndex: 5})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		stream []byte
		want   string
	}{
		{"HTTP in place of frames", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "a frame of 1195725856 bytes is over the limit"},
		{"a damaged payload", spoiled, "does not match its checksum"},
		{"an unknown kind", frame(14, 1, "\x94\x01\x02\x01\xc2"), "unknown kind 14"},
		{"a short array", frame(KindRequestVote, 1, "\x92\x01\x02"), "RequestVote: decode: not what the codec itself would have written"},
		{"no payload", frame(KindRequestVote, 1, ""), "RequestVote: decode"},
		{"a message that makes no sense", frame(KindAppendEntries, 1, string(gap)), "AppendEntries: its term is 0"},
		{"a frame that is missing", frame(KindRequestVote, 2, "\x94\x01\x02\x01\xc2"), "frame 2 came where frame 1 should"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := startAlone(t, nil)
			conn := s.enter(goodHello())
			if _, err := conn.Write(c.stream); err != nil {
				t.Fatal(err)
			}
			s.rest(conn)
			e := s.await(IncomingBroken)
			if !strings.Contains(e.Reason, c.want) || e.Peer != "b" {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
			s.nothingDelivered()
		})
	}
}

func TestAPeerThatLeavesIsNotBlamed(t *testing.T) {
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"between frames": {nil, "closed by the other end"},
		"in a header":    {[]byte{0, 0}, "closed by the other end in the middle of a frame"},
		"in a payload":   {frame(KindRequestVote, 1, "abc")[:frameHeader+1], "closed by the other end in the middle of a frame"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startAlone(t, nil)
			conn := s.enter(goodHello())
			if _, err := conn.Write(c.stream); err != nil {
				t.Fatal(err)
			}
			conn.(*net.TCPConn).CloseWrite()
			if e := s.await(IncomingDown); e.Reason != c.want || e.Peer != "b" {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
		})
	}
}

// The older connection of a peer may be half open: its other end is gone, and nothing tells.
func TestANewerConnectionReplacesTheOlder(t *testing.T) {
	s := startAlone(t, nil)
	older := s.enter(goodHello())
	s.await(IncomingUp) // one that is replaced before that is told of by nobody
	h := goodHello()
	h.advertise = "b:9000"
	newer := s.enter(h)
	s.rest(older)
	if e := s.await(IncomingDown); e.Reason != errReplaced.Error() {
		t.Errorf("event %q", e)
	}
	if _, err := newer.Write(frame(KindRequestVote, 1, "\x94\x05\x02\x01\xc2")); err != nil {
		t.Fatal(err)
	}
	if m := s.receive(); m.Head().Term != 5 {
		t.Errorf("got %+v", m)
	}
	if got, _ := s.Advertised("b"); got != "b:9000" {
		t.Errorf("advertised %q", got)
	}
}

// Hellos of a peer that was paused may be read long after it sent them, and in any order.
func TestAnOlderConnectionDoesNotReplaceANewer(t *testing.T) {
	cfg, err := config("a", map[consensus.ServerID]string{"b": "x:1"}).normalize()
	if err != nil {
		t.Fatal(err)
	}
	in := newIncoming(&cfg, newRoster(&cfg, nil), nil)
	conn, other := net.Pipe()
	defer other.Close()
	older, newer := in.admit(conn), in.admit(conn)
	if !in.register(newer, goodHello()) {
		t.Error("the newer connection was not registered")
	}
	if in.register(older, goodHello()) {
		t.Error("the older connection was registered")
	}
	if in.current["b"] != newer {
		t.Error("the newer connection was replaced")
	}
}

// A peer that redials because this server does not read must not pile up goroutines here.
func TestWhileDeliverBlocksOneConnectionOfAPeerIsRead(t *testing.T) {
	release := make(chan struct{})
	var delivering, most atomic.Int32
	entered := make(chan consensus.Term, 100)
	cfg := config("a", map[consensus.ServerID]string{"b": "127.0.0.1:1"})
	s := start(t, cfg, listen(t), func(m consensus.Message) {
		n := delivering.Add(1)
		most.Store(max(most.Load(), n))
		entered <- m.Head().Term
		<-release
		delivering.Add(-1)
	})
	var last net.Conn
	for term := byte(1); term <= 5; term++ {
		before := last
		last = s.enter(goodHello())
		if _, err := last.Write(frame(KindRequestVote, 1, "\x94"+string([]byte{term})+"\x00\x00\xc2")); err != nil {
			t.Fatal(err)
		}
		switch term {
		case 1:
			<-entered // the first is being delivered
		default:
			s.rest(before) // was thrown out
		}
	}
	close(release)
	for <-entered != 5 { // those between were never read
	}
	if most.Load() != 1 {
		t.Errorf("%d messages of one peer were delivered at once", most.Load())
	}
}

func TestAFloodOfSilentConnectionsDoesNotKeepAPeerOut(t *testing.T) {
	s := startAlone(t, func(cfg *Config) { cfg.MaxConns = 20 })
	var flood []net.Conn
	for range 3 * 20 {
		flood = append(flood, s.dial())
	}
	peer := s.enter(goodHello())
	flood = append(flood, s.dial(), s.dial())
	if _, err := peer.Write(frame(KindRequestVote, 1, "\x94\x05\x02\x01\xc2")); err != nil {
		t.Fatal(err)
	}
	if m := s.receive(); m.Head().Term != 5 {
		t.Errorf("got %+v", m)
	}
	for _, conn := range flood[:len(flood)-20] { // the oldest were closed
		io.Copy(io.Discard, conn)
	}
	if e := s.await(Stranger); e.Reason != "handshake: "+errCrowded.Error() {
		t.Errorf("event %q", e)
	}
	s.incoming.mu.Lock()
	defer s.incoming.mu.Unlock()
	if n := len(s.incoming.strange) + len(s.incoming.current); n > 20 {
		t.Errorf("%d connections are open", n)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	tr, err := New(config("a", map[consensus.ServerID]string{"b": "127.0.0.1:1"}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	ln := listen(t)
	go func() { ended <- tr.Run(ctx, ln, nil) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

func TestRunOnceAndNotAfterClose(t *testing.T) {
	s := startAlone(t, nil)
	s.enter(goodHello()) // it runs
	if err := s.Run(context.Background(), listen(t), nil); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("a second Run: %v", err)
	}
	tr, err := New(config("a", nil))
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if err := tr.Run(context.Background(), listen(t), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
}

func TestCloseWhileEverythingIsGoingOn(t *testing.T) {
	a, b := pair(t)
	half := a.dial() // in its handshake
	if _, err := half.Write([]byte(magic)); err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	stop := make(chan struct{})
	senders.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				a.link("b").Send(manyEntriesFrom("a", "b", bytes.Repeat([]byte("x"), 1000)))
			}
		}
	})
	b.receive()
	a.stop()
	b.stop()
	close(stop)
	senders.Wait()
	a.Close() // again
}

// brokenListener fails some times before it works.
type brokenListener struct {
	net.Listener
	failures atomic.Int32
}

func (l *brokenListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOnAfterAFailure(t *testing.T) {
	ln := &brokenListener{Listener: listen(t)}
	ln.failures.Store(3)
	s := start(t, config("a", map[consensus.ServerID]string{"b": "127.0.0.1:1"}), ln, nil)
	if e := s.await(AcceptFailed); e.Reason != "too many open files" {
		t.Errorf("event %q", e)
	}
	s.enter(goodHello())
}

func TestRunFailsWhenSomebodyElseClosesTheListener(t *testing.T) {
	tr, err := New(config("a", nil))
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	ln.Close()
	if err := tr.Run(context.Background(), ln, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}

package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// ids gives the names of the peers.
func (s *server) ids() string {
	var ids []string
	for _, l := range s.Peers() {
		ids = append(ids, string(l.ID()))
	}
	return strings.Join(ids, " ")
}

func (s *server) add(id consensus.ServerID, address string) {
	s.t.Helper()
	if err := s.AddPeer(id, address); err != nil {
		s.t.Fatal(err)
	}
}

func TestAPeerThatIsAddedIsReached(t *testing.T) {
	a := start(t, config("a", nil), listen(t), nil)
	b := start(t, config("b", nil), listen(t), nil)
	b.add("a", a.address)
	a.add("b", b.address)
	a.add("a", "nowhere") // this server itself
	a.await(LinkUp)
	b.await(LinkUp)
	a.Send(vote("a", "b", 1))
	b.Send(vote("b", "a", 2))
	a.Send(vote("a", "x", 3)) // nobody
	if m := b.receive(); m.Head().Term != 1 {
		t.Errorf("got %+v", m)
	}
	if m := a.receive(); m.Head().Term != 2 {
		t.Errorf("got %+v", m)
	}
	if a.ids() != "b" || a.Stats()[0].MessagesReceived != 1 {
		t.Errorf("peers %q, %+v", a.ids(), a.Stats())
	}
}

func TestAPeerAddedBeforeRunIsReached(t *testing.T) {
	b := start(t, config("b", nil), listen(t), nil)
	ln := listen(t)
	b.add("a", ln.Addr().String())
	tr, err := New(config("a", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.AddPeer("b", b.address); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- tr.Run(context.Background(), ln, nil) }()
	tr.Send(vote("a", "b", 1))
	b.receive()
	tr.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAPeerThatIsRemovedIsGone(t *testing.T) {
	a, b := pair(t)
	link := a.Link("b")
	a.RemovePeer("b")
	a.RemovePeer("b")
	a.RemovePeer("x")
	if e := a.await(LinkDown); e.Peer != "b" || e.Reason != errRemoved.Error() {
		t.Errorf("event %q", e)
	}
	if e := b.await(DialRefused); !strings.Contains(e.Reason, `server "b" is not one of the peers of "a"`) {
		t.Errorf("event %q", e)
	}
	if a.Link("b") != nil || a.ids() != "" || len(a.Stats()) != 0 {
		t.Errorf("peers %q", a.ids())
	}
	if _, ok := a.Advertised("b"); ok {
		t.Error("what it advertised was kept")
	}
	link.Send(vote("a", "b", 1)) // whoever kept the link does no harm
	if link.queue.drops() != 1 {
		t.Errorf("%d drops", link.queue.drops())
	}
	a.add("b", b.address)
	a.Send(vote("a", "b", 2))
	if m := b.receive(); m.Head().Term != 2 {
		t.Errorf("got %+v", m)
	}
	b.Send(vote("b", "a", 3))
	for a.receive().Head().Term != 3 {
	}
}

func TestARemovedPeersConnectionSaysWhyItEnded(t *testing.T) {
	s := startAlone(t, nil)
	conn := s.enter(goodHello())
	s.RemovePeer("b")
	s.rest(conn)
	if e := s.await(IncomingDown); e.Peer != "b" || e.Reason != errRemoved.Error() {
		t.Errorf("event %q", e)
	}
}

// A peer may be removed at any moment of its handshake: here, just before its connection is entered in the table.
func TestAPeerThatIsRemovedInItsHandshakeDoesNotStay(t *testing.T) {
	var s *server
	ready := make(chan struct{})
	s = startAlone(t, func(cfg *Config) {
		cfg.Admit = func(consensus.ServerID, string, string) error {
			<-ready
			s.RemovePeer("b")
			return nil
		}
	})
	close(ready)
	conn := s.dial()
	if _, err := conn.Write(goodHello().append(nil)); err != nil {
		t.Fatal(err)
	}
	if a, err := readAnswer(conn); err != nil || a.accepted || a.reason != errRemoved.Error() {
		t.Errorf("answer %+v, error %v", a, err)
	}
	if e := s.await(IncomingRefused); !strings.Contains(e.Reason, errRemoved.Error()) {
		t.Errorf("event %q", e)
	}
}

func TestAPeerThatMovesIsDialedThere(t *testing.T) {
	a, b := pair(t)
	b.stop()
	moved := start(t, b.cfg, listen(t), nil)
	link := a.Link("b")
	a.add("b", moved.address)
	for a.await(LinkUp).Remote != moved.address {
	}
	a.Send(vote("a", "b", 1))
	if m := moved.receive(); m.Head().Term != 1 {
		t.Errorf("got %+v", m)
	}
	if a.Link("b") != link {
		t.Error("who holds the link has lost the peer")
	}
}

// A link that is up goes to the new address at once, and so does one that waits for the old one to answer.
func TestAMoveDoesNotWait(t *testing.T) {
	other := start(t, config("b", nil), listen(t), nil)
	first := start(t, config("b", nil), listen(t), nil)
	dialing := make(chan struct{}, 10)
	cfg := config("a", map[consensus.ServerID]string{"b": "hangs:1"})
	cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		if address == "hangs:1" {
			dialing <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	a := start(t, cfg, listen(t), nil)
	first.add("a", a.address)
	other.add("a", a.address)
	<-dialing
	for _, s := range []*server{first, other} {
		a.add("b", s.address)
		if e := a.await(LinkUp); e.Remote != s.address {
			t.Errorf("event %q, want a link to %s", e, s.address)
		}
	}
	a.stop()
	a.noEvent(DialFailed)
}

func TestAddPeerRefusesWhatNewWould(t *testing.T) {
	cfg := config("a", map[consensus.ServerID]string{"b": "b:1"})
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id            consensus.ServerID
		address, want string
	}{
		{"", "x:1", `the peer's name "" must have 1 to 256 bytes`},
		{consensus.ServerID(strings.Repeat("x", maxName+1)), "x:1", "must have 1 to 256 bytes"},
		{"b", "nowhere", `the address of peer "b" must be host:port`},
		{"c", "c:1", ""},
		{"c", "c:2", ""},
	} {
		err := tr.AddPeer(c.id, c.address)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.10q at %q: error %v, want %q", c.id, c.address, err, c.want)
		}
	}
}

// lenient gives a server that lets in whoever calls itself something with an x.
func lenient(t *testing.T, change func(*Config)) *server {
	return startAlone(t, func(cfg *Config) {
		cfg.Unknown = func(id consensus.ServerID, address, store, _ string) error {
			if !strings.HasPrefix(string(id), "x") {
				return fmt.Errorf("%s at %s with %s is nobody", id, address, store)
			}
			return nil
		}
		if change != nil {
			change(cfg)
		}
	})
}

// A leader that this server has not heard of yet reaches it, and gets its answers, before this server knows it as a peer.
func TestAnUnknownServerThatIsLetInIsAnswered(t *testing.T) {
	s := lenient(t, nil)
	cfg := config("x", map[consensus.ServerID]string{"a": s.address})
	ln := listen(t)
	cfg.Address = ln.Addr().String()
	cfg.Advertise = "x:8000"
	x := start(t, cfg, ln, nil)
	x.Send(vote("x", "a", 1))
	if m := s.receive(); *m.Head() != (consensus.Header{From: "x", To: "a", Term: 1}) {
		t.Errorf("got %+v", m)
	}
	s.Send(vote("a", "x", 2))
	if m := x.receive(); *m.Head() != (consensus.Header{From: "a", To: "x", Term: 2}) {
		t.Errorf("got %+v", m)
	}
	if got, _ := s.Advertised("x"); got != "x:8000" {
		t.Errorf("advertised %q", got)
	}
	if s.ids() != "b c" || len(s.Stats()) != 2 {
		t.Errorf("peers %q", s.ids())
	}
	s.RemovePeer("x") // it is none
	if s.Link("x") == nil {
		t.Error("who is no peer was removed as a peer")
	}
	x.stop()
	for s.await(IncomingDown).Peer != "x" {
	}
	s.settled("x", false)
}

// An unknown server tells what it knows of who is a member; when that will not do any more it has to go, and who is a peer stays.
func TestAnUnknownServerTellsItsMembership(t *testing.T) {
	var least atomic.Pointer[string] // that lets in
	first := "5"
	least.Store(&first)
	s := startAlone(t, func(cfg *Config) {
		cfg.Unknown = func(id consensus.ServerID, _, _, membership string) error {
			if membership < *least.Load() {
				return fmt.Errorf("%s knows %q", id, membership)
			}
			return nil
		}
	})
	b := s.enter(goodHello())
	cfg := config("x", map[consensus.ServerID]string{"a": s.address})
	ln := listen(t)
	cfg.Address = ln.Addr().String()
	var knows atomic.Pointer[string]
	knows.Store(&first)
	cfg.Membership = func() string { return *knows.Load() + strings.Repeat("0", maxMembership) }
	x := start(t, cfg, ln, nil)
	x.await(LinkUp)
	s.settled("x", true)
	s.Reconsider() // it may stay
	later := "6"
	least.Store(&later)
	s.Reconsider()
	e := s.await(IncomingDown)
	if want := fmt.Sprintf("x knows %q", "5"+strings.Repeat("0", maxMembership-1)); e.Peer != "x" || e.Reason != want {
		t.Errorf("event %q, want the reason %q", e, want)
	}
	x.await(DialRefused)
	knows.Store(&later)
	x.await(LinkUp)
	s.RemovePeer("b")
	_, _ = io.Copy(io.Discard, b) // it is there until now
	if e := s.await(IncomingDown); e.Peer != "b" || e.Reason != errRemoved.Error() {
		t.Errorf("event %q", e)
	}
}

// settled waits until there is a link to that server, or none.
func (s *server) settled(id consensus.ServerID, there bool) {
	s.t.Helper()
	for until := time.Now().Add(patience()); (s.Link(id) != nil) != there; {
		if time.Now().After(until) {
			inVain.Store(true)
			s.t.Fatalf("it is %v that there is a link to %q", !there, id)
		}
		s.say([]byte("?")) // lets time pass
	}
}

func TestAnUnknownServerThatBecomesAPeerStays(t *testing.T) {
	s := lenient(t, nil)
	h := goodHello()
	h.sender, h.address = "x", "127.0.0.1:1"
	conn := s.enter(h)
	link := s.Link("x")
	s.add("x", "127.0.0.1:2")
	if s.Link("x") != link || s.ids() != "b c x" || link.where() != "127.0.0.1:2" {
		t.Errorf("peers %q, %s", s.ids(), link.where())
	}
	conn.Close()
	for s.await(IncomingDown).Peer != "x" {
	}
	again := s.enter(h) // as a peer, whose address others do not change
	if s.Link("x") != link || link.where() != "127.0.0.1:2" {
		t.Errorf("the link goes to %s", link.where())
	}
	s.RemovePeer("x")
	s.rest(again)
}

func TestUnknownServersThatAreRefusedAreToldWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *hello)
		want   string
	}{
		"by the host":       {func(h *hello) { h.sender, h.store = "y", "s1" }, "y at x:1 with s1 is nobody"},
		"no address":        {func(h *hello) { h.address = "" }, `server "x" is not one of the peers of "a", and does not say where to answer it`},
		"no good address":   {func(h *hello) { h.address = "nowhere" }, `the address of peer "x" must be host:port`},
		"of another name":   {func(h *hello) { h.sender = "a" }, "which is this server"},
		"its store is lost": {func(h *hello) { h.store = "other" }, "that is another store"},
	} {
		t.Run(name, func(t *testing.T) {
			s := lenient(t, func(cfg *Config) {
				cfg.Admit = func(_ consensus.ServerID, store, _ string) error {
					if store == "other" {
						return errors.New("that is another store")
					}
					return nil
				}
			})
			h := goodHello()
			h.sender, h.address = "x", "x:1"
			c.change(h)
			a, err := readAnswer(strings.NewReader(string(s.say(h.append(nil)))))
			if err != nil || a.accepted || !strings.Contains(a.reason, c.want) {
				t.Errorf("answer %+v, error %v; want the reason %q", a, err, c.want)
			}
			if e := s.await(IncomingRefused); !strings.Contains(e.Reason, c.want) {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
			if s.Link(h.sender) != nil {
				t.Error("there is a link to it")
			}
		})
	}
}

func TestUnknownServersAreBounded(t *testing.T) {
	for conns, want := range map[int]int{64: maxUnknown, 20: 5, 1: 1} {
		s := lenient(t, func(cfg *Config) { cfg.MaxConns = conns })
		h := goodHello()
		var first net.Conn
		for i := range want {
			h.sender, h.address = consensus.ServerID(fmt.Sprint("x", i)), "127.0.0.1:1"
			if conn := s.enter(h); first == nil {
				first = conn
			}
		}
		h.sender = "x"
		a, err := readAnswer(strings.NewReader(string(s.say(h.append(nil)))))
		if err != nil || a.accepted || !strings.Contains(a.reason, "too many servers that are no peers") {
			t.Errorf("%d connections: answer %+v, error %v", conns, a, err)
		}
		first.Close()
		s.settled("x0", false)
		s.enter(h) // there is room again
	}
}

// A server that is no peer must not pile up goroutines either, however often it comes back.
func TestAnUnknownServersConnectionsAreReadOneByOne(t *testing.T) {
	entered, release := make(chan struct{}, 100), make(chan struct{})
	cfg := config("a", nil)
	cfg.Unknown = func(consensus.ServerID, string, string, string) error { return nil }
	s := start(t, cfg, listen(t), func(consensus.Message) {
		entered <- struct{}{}
		<-release
	})
	h := goodHello()
	h.address = "127.0.0.1:1"
	for i := range 4 {
		conn := s.enter(h)
		if _, err := conn.Write(frame(KindRequestVote, 1, "\x94\x05\x00\x00\xc2")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-entered
		}
		conn.Close()
		s.enter(h).Close()
	}
	if s.Link("b") == nil || len(entered) != 0 {
		t.Errorf("%d more are delivered at once", len(entered))
	}
	close(release)
	s.settled("b", false)
}

func TestPeersComeAndGoWhileEverythingIsGoingOn(t *testing.T) {
	b := start(t, config("b", nil), listen(t), nil)
	cfg := config("a", nil)
	cfg.MaxBackoff = 10 * time.Millisecond
	cfg.Unknown = func(consensus.ServerID, string, string, string) error { return nil }
	ln := listen(t)
	cfg.Address = ln.Addr().String()
	a := start(t, cfg, ln, nil)
	b.add("a", a.address)
	churn := func() *sync.WaitGroup {
		running := new(sync.WaitGroup)
		for _, work := range []func(){
			func() { _ = a.AddPeer("b", b.address) },
			func() { _ = a.AddPeer("b", "127.0.0.1:1") },
			func() { a.RemovePeer("b") },
			func() { b.RemovePeer("a") },
			func() { _ = b.AddPeer("a", a.address) },
			func() { a.Send(vote("a", "b", 1)) },
			func() { _, _, _ = a.Peers(), a.Stats(), b.Stats() },
		} {
			running.Go(func() {
				for range 300 {
					work()
				}
			})
		}
		return running
	}
	churn().Wait()
	a.add("b", b.address)
	b.add("a", a.address)
	for there := false; !there; { // the link may yet have to notice that it moved
		a.Send(vote("a", "b", 2))
		b.say([]byte("?")) // lets time pass
		for len(b.got) > 0 {
			there = (<-b.got).Head().Term == 2 || there
		}
	}
	running := churn()
	a.stop()
	running.Wait()
	if err := a.AddPeer("c", "127.0.0.1:1"); err != nil { // of no use, and no harm
		t.Error(err)
	}
}

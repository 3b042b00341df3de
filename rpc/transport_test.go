package rpc

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/raftnode/raft/raft/consensus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is one running Transport of a test.
type server struct {
	*Transport
	t       *testing.T
	address string
	got     chan consensus.Message // what was delivered
	events  chan Event
	ended   chan error
}

// listen gives a listener on a port that the kernel picks.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// config is a configuration of a server of the cluster "test". Its time-outs are out of reach: a machine that
// stands still for seconds must not fail a test. Those of time run in a bubble, where it cannot.
func config(id consensus.ServerID, peers map[consensus.ServerID]string) Config {
	return Config{
		Cluster: "test", ID: id, Peers: peers,
		DialTimeout: time.Hour, HandshakeTimeout: time.Hour, IdleTimeout: time.Hour,
	}
}

// start runs a Transport until the test ends. A nil deliver puts messages into got.
func start(t *testing.T, cfg Config, ln net.Listener, deliver func(consensus.Message)) *server {
	t.Helper()
	s := &server{
		t: t, address: ln.Addr().String(),
		got:    make(chan consensus.Message, 1<<16),
		events: make(chan Event, 1<<12),
		ended:  make(chan error, 1),
	}
	cfg.OnEvent = func(e Event) { s.events <- e }
	if deliver == nil {
		deliver = func(m consensus.Message) { s.got <- m }
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Transport = tr
	go func() {
		s.ended <- tr.Run(context.Background(), ln, func(messages ...consensus.Message) {
			for _, m := range messages {
				deliver(m)
			}
		})
	}()
	t.Cleanup(func() { s.stop() })
	return s
}

// stop closes the Transport and checks that Run ended without an error.
func (s *server) stop() {
	s.t.Helper()
	if s.ended == nil {
		return
	}
	s.Close()
	if err := <-s.ended; err != nil {
		s.t.Errorf("Run: %v", err)
	}
	s.ended = nil
}

// inVain tells that some wait was in vain.
var inVain atomic.Bool

// patience is how long a test that has failed already waits before it says so. When one did, all others need not wait so long: a bug that opens a door to
// each of twenty strangers is told of in less than a minute.
func patience() time.Duration {
	if inVain.Load() {
		return time.Second
	}
	return 20 * time.Second
}

// await gives the first event of that kind.
func (s *server) await(kind EventKind) Event {
	s.t.Helper()
	late := time.NewTimer(patience())
	defer late.Stop()
	var others []string
	for {
		select {
		case e := <-s.events:
			if e.Kind == kind {
				return e
			}
			others = append(others, e.String())
		case <-late.C:
			inVain.Store(true)
			s.t.Fatalf("no event %q, but %q", kind, others)
		}
	}
}

// receive gives the next message that was delivered.
func (s *server) receive() consensus.Message {
	s.t.Helper()
	late := time.NewTimer(patience())
	defer late.Stop()
	select {
	case m := <-s.got:
		return m
	case <-late.C:
		inVain.Store(true)
		s.t.Fatal("no message was delivered")
		return nil
	}
}

// link gives the link to a peer.
func (s *server) link(id consensus.ServerID) *Link {
	s.t.Helper()
	l := s.Link(id)
	if l == nil {
		s.t.Fatalf("no link to %q", id)
	}
	return l
}

// pair starts two servers that are each other's peers, and waits until all is connected.
func pair(t *testing.T) (a, b *server) {
	t.Helper()
	lnA, lnB := listen(t), listen(t)
	a = start(t, config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()}), lnA, nil)
	b = start(t, config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()}), lnB, nil)
	a.await(LinkUp)
	b.await(LinkUp)
	return a, b
}

// vote gives a message that can be told from others by its term.
func vote(from, to consensus.ServerID, term consensus.Term) *consensus.RequestVote {
	return &consensus.RequestVote{Header: consensus.Header{From: from, To: to, Term: term}}
}

func TestMessagesArriveInOrderAndFromTheirSender(t *testing.T) {
	a, b := pair(t)
	for term := consensus.Term(1); term <= 1000; term++ {
		a.link("b").Send(vote("a", "b", term))
		b.link("a").Send(vote("b", "a", term))
	}
	for term := consensus.Term(1); term <= 1000; term++ {
		if h := *b.receive().Head(); h != (consensus.Header{From: "a", To: "b", Term: term}) {
			t.Fatalf("b got %+v, want the message of term %d from a", h, term)
		}
		if h := *a.receive().Head(); h != (consensus.Header{From: "b", To: "a", Term: term}) {
			t.Fatalf("a got %+v, want the message of term %d from b", h, term)
		}
	}
	a.stop()
	b.stop()
	from, to := a.Stats()[0], b.Stats()[0]
	if from.ID != "b" || from.MessagesSent != 1000 || from.MessagesReceived != 1000 || from.MessagesDropped != 0 {
		t.Errorf("%+v", from)
	}
	if to.BytesReceived < 1000*frameHeader || to.BytesReceived > from.BytesSent || from.Connected || from.Incoming {
		t.Errorf("%+v\n%+v", from, to)
	}
}

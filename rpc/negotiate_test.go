package rpc

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// The best version, codec and limit that both ends have are used, and the features that both have.
func TestWhatBothHaveIsAgreedOn(t *testing.T) {
	lnA, lnB := listen(t), listen(t)
	a := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
	b := config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()})
	a.Features, b.Features = 0b0110, 0b0011
	b.MaxFrameBytes = 2 << 10
	sa, sb := start(t, a, lnA, nil), start(t, b, lnB, nil)
	for _, e := range []Event{sa.await(LinkUp), sb.await(IncomingUp)} {
		if e.Protocol != highestVersion || e.Features != 0b0010|featuresOfThis {
			t.Errorf("event %q", e)
		}
	}
	if got := sa.Features("b"); got != 0b0010|featuresOfThis || sa.Features("x") != 0 {
		t.Errorf("features %b, and %b of a server that is none", got, sa.Features("x"))
	}
	sa.Send(manyEntriesFrom("a", "b", make([]byte, 4<<10)))
	if e := sa.await(MessageDropped); !strings.Contains(e.Reason, "is over the limit of 2048") {
		t.Errorf("event %q", e)
	}
	sa.Send(vote("a", "b", 7)) // the link goes on
	if m := sb.receive(); m.Head().Term != 7 {
		t.Errorf("got %+v", m)
	}
}

// What a server could do is forgotten when the link to it ends, although its own connection to this one goes on: who comes back may be an earlier program,
// which would not know what is sent.
func TestFeaturesEndWithTheLink(t *testing.T) {
	lnA, lnB := listen(t), listen(t)
	a := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
	b := config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()})
	a.Features, b.Features = 0b0110, 0b0011
	sa, sb := start(t, a, lnA, nil), start(t, b, lnB, nil)
	sa.await(LinkUp)
	sb.await(LinkUp)
	if err := sa.AddPeer("b", lnA.Addr().String()); err != nil { // nobody of that name answers there
		t.Fatal(err)
	}
	sa.await(LinkDown)
	if got := sa.Features("b"); got != 0 {
		t.Errorf("features %b with no link", got)
	}
	sb.stop()
	b.Features = 0
	earlier := start(t, b, listen(t), nil)
	if err := sa.AddPeer("b", earlier.address); err != nil {
		t.Fatal(err)
	}
	if e := sa.await(LinkUp); e.Features&^featuresOfThis != 0 || sa.Features("b") != e.Features {
		t.Errorf("event %q, features %b", e, sa.Features("b"))
	}
}

// The acceptor takes the first codec of the dialer's that it knows; the highest version that both speak.
func TestTheAcceptorChooses(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*hello)
		codec   string
		version byte
	}{
		"the first":       {func(h *hello) { h.codecs = "\x04json\x07msgpack" }, "json", highestVersion},
		"the first known": {func(h *hello) { h.codecs = "\x05morse\x04json\x07msgpack" }, "json", highestVersion},
		"of version 2":    {func(h *hello) { h.highest, h.codec, h.codecs = 2, "json", "" }, "", 2},
		"of the future":   {func(h *hello) { h.highest = 255 }, "msgpack", highestVersion},
	} {
		t.Run(name, func(t *testing.T) {
			s := startAlone(t, nil)
			h := goodHello()
			c.change(h)
			conn := s.dial()
			conn.Write(h.append(nil))
			a, err := readAnswer(conn)
			if err != nil || !a.accepted || a.codec != c.codec || a.version != c.version {
				t.Errorf("answer %+v, error %v", a, err)
			}
		})
	}
}

func TestAServerIsAskedForItsCluster(t *testing.T) {
	s := startAlone(t, nil)
	ctx := context.Background()
	cluster, err := Ask(ctx, Config{ID: "new"}, "a", s.address, "words")
	if cluster != "test" || err != nil {
		t.Errorf("cluster %q, error %v", cluster, err)
	}
	if e := s.await(Asked); !strings.Contains(e.Reason, `with "words": this server belongs to cluster "test"`) {
		t.Errorf("event %q", e)
	}
	if cluster, err := Ask(ctx, Config{ID: "new"}, "b", s.address, ""); err == nil || !strings.Contains(err.Error(), `the server there is "a"`) {
		t.Errorf("cluster %q, error %v", cluster, err)
	}
}

func TestAServerWithoutAClusterSaysSo(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	ln := listen(t)
	ended := make(chan error)
	go func() { ended <- Decline(ctx, ln, Config{ID: "b"}) }()
	if cluster, err := Ask(ctx, Config{ID: "a"}, "b", ln.Addr().String(), ""); !errors.Is(err, ErrNoClusterYet) {
		t.Errorf("cluster %q, error %v", cluster, err)
	}
	s := start(t, config("a", map[consensus.ServerID]string{"b": ln.Addr().String()}), listen(t), nil)
	if e := s.await(DialFailed); !strings.Contains(e.Reason, `server "b" waits to learn to which cluster it belongs`) {
		t.Errorf("event %q", e)
	}
	conn := (&server{t: t, address: ln.Addr().String()}).dial() // says nothing
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("a connection is left open: %v", err)
	}
}

// What not every version knows goes to who knows it, and to nobody else.
func TestReadIndexIsSentToWhoKnowsIt(t *testing.T) {
	a, b := pair(t)
	ask := &consensus.ReadIndex{Header: consensus.Header{From: "a", To: "b", Term: 3}, ID: 1 << 60}
	l := a.link("b")
	if !l.Carries(ask) {
		t.Error("the link is up to a server of this version, and carries no ReadIndex")
	}
	l.Send(ask)
	if m, ok := b.receive().(*consensus.ReadIndex); !ok || *m != *ask {
		t.Errorf("got %+v", m)
	}
	w := benchWriter(t)
	for _, m := range []consensus.Message{ask, &consensus.ReadIndexReply{Header: ask.Header, ID: 2, Index: 9}} {
		if w.link.Carries(m) {
			t.Errorf("a link that is down carries a %T", m)
		}
		if _, err := w.append(m); err == nil || !strings.Contains(err.Error(), "does not know "+KindOf(m).String()) {
			t.Errorf("%T to an earlier version: %v", m, err)
		}
		w.link.agreed.features = featureReadIndex
		if _, err := w.append(m); err != nil {
			t.Errorf("%T to this version: %v", m, err)
		}
		w.link.agreed.features = 0
	}
	if heartbeat := (&consensus.AppendEntries{Header: ask.Header}); !w.link.Carries(heartbeat) {
		t.Error("a heartbeat is not for every version")
	}
}

package rpc

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// listenAgain listens at an address that was listened at before.
func listenAgain(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// A peer that restarts at the same address gets the first message sent to it, whether
// that was sent while it was down or after. Pooled connections to its former self would swallow it.
func TestTheFirstMessageAfterARestartArrives(t *testing.T) {
	a, b := pair(t)
	a.link("b").Send(vote("a", "b", 1))
	b.receive()
	for round := consensus.Term(2); round < 12; round += 2 {
		b.stop()
		a.await(LinkDown)
		a.link("b").Send(vote("a", "b", round)) // nobody is there
		b = start(t, b.cfg, listenAgain(t, b.address), nil)
		if m := b.receive(); m.Head().Term != round {
			t.Fatalf("got %+v, want the message of term %d, sent while b was down", m, round)
		}
		a.await(LinkUp)
		a.link("b").Send(vote("a", "b", round+1))
		if m := b.receive(); m.Head().Term != round+1 {
			t.Fatalf("got %+v, want the message of term %d, sent when b was back", m, round+1)
		}
	}
}

func TestAMessageThatCannotBeSentIsDroppedAndTheNextIsNot(t *testing.T) {
	cases := []struct {
		name string
		m    consensus.Message
		want string
	}{
		{"over the limit", manyEntriesFrom("a", "b", make([]byte, 5<<10)), "over the limit of 4096"},
		{"from another", vote("c", "b", 1), `a message from "c" to "b", on the link from "a" to "b"`},
		{"to another", vote("a", "c", 1), `a message from "a" to "c"`},
		{"no message", nil, "cannot carry a <nil>"},
		{"unknown type", &stranger{}, "cannot carry a *rpc.stranger"},
		{"no term", vote("a", "b", 0), "its term is 0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lnA, lnB := listen(t), listen(t)
			cfg := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
			cfg.MaxFrameBytes = 4096
			a := start(t, cfg, lnA, nil)
			b := start(t, config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()}), lnB, nil)
			a.await(LinkUp)
			a.link("b").Send(c.m)
			a.link("b").Send(vote("a", "b", 7))
			if m := b.receive(); m.Head().Term != 7 {
				t.Fatalf("got %+v", m)
			}
			if e := a.await(MessageDropped); !strings.Contains(e.Reason, c.want) || e.Peer != "b" {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
			if got := a.Stats()[0].MessagesDropped; got != 1 {
				t.Errorf("%d messages dropped", got)
			}
		})
	}
}

// manyEntriesFrom is manyEntries with an address.
func manyEntriesFrom(from, to consensus.ServerID, datas ...[]byte) *consensus.AppendEntries {
	m := manyEntries(datas...)
	m.From, m.To = from, to
	return m
}

var registerConfused = sync.OnceFunc(func() {
	if err := RegisterCodec(namedCodec{confused{}, "confused"}); err != nil {
		panic(err)
	}
})

func TestACodecThatFailsToEncodeLosesItsMessagesOnly(t *testing.T) {
	registerConfused()
	lnA, lnB := listen(t), listen(t)
	cfg := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
	cfg.Codec = "confused"
	a := start(t, cfg, lnA, nil)
	start(t, config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()}), lnB, nil)
	a.await(LinkUp)
	a.link("b").Send(vote("a", "b", 1))
	if e := a.await(MessageDropped); e.Reason != "not sent: encode RequestVote: no ink" {
		t.Errorf("event %q", e)
	}
}

// What a server writes is its own affair: each reads what the other chose.
func TestServersWithDifferentCodecsTalk(t *testing.T) {
	lnA, lnB := listen(t), listen(t)
	cfg := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
	cfg.Codec = "json"
	a := start(t, cfg, lnA, nil)
	b := start(t, config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()}), lnB, nil)
	a.await(LinkUp)
	b.await(LinkUp)
	a.link("b").Send(manyEntriesFrom("a", "b", []byte("x")))
	b.link("a").Send(manyEntriesFrom("b", "a", []byte("y")))
	for _, got := range []consensus.Message{b.receive(), a.receive()} {
		if e := got.(*consensus.AppendEntries).Entries; len(e) != 1 || e[0].Index != 1001 {
			t.Errorf("got %+v", got)
		}
	}
}

// A deliver that blocks stops its own peer, within bounds, and nobody else. What was
// accepted is delivered when it goes on.
func TestABlockedDeliverPushesBack(t *testing.T) {
	lnA, lnB, lnC := listen(t), listen(t), listen(t)
	addresses := map[consensus.ServerID]string{"a": lnA.Addr().String(), "b": lnB.Addr().String(), "c": lnC.Addr().String()}
	with := func(id consensus.ServerID) Config {
		cfg := config(id, addresses)
		cfg.MaxQueueBytes = 1 << 20
		return cfg
	}
	blocked, release := make(chan struct{}, 1<<16), make(chan struct{})
	fromB, fromC := make(chan consensus.Message, 1<<16), make(chan consensus.Message, 1)
	start(t, with("a"), lnA, func(m consensus.Message) {
		if m.Head().From == "c" {
			fromC <- m
			return
		}
		blocked <- struct{}{}
		<-release
		fromB <- m
	})
	b := start(t, with("b"), lnB, nil)
	c := start(t, with("c"), lnC, nil)
	for range 2 {
		b.await(LinkUp)
	}
	link := b.link("a")
	data := bytes.Repeat([]byte("x"), 64<<10)
	var sent uint64
	for ; link.queue.drops() == 0; sent++ { // until neither socket nor queue take any more
		link.Send(manyEntriesFrom("b", "a", data))
		link.queue.mu.Lock()
		if link.queue.bytes > link.queue.maxBytes {
			t.Fatalf("%d bytes wait", link.queue.bytes)
		}
		link.queue.mu.Unlock()
	}
	<-blocked
	c.link("a").Send(vote("c", "a", 1))
	if m := <-fromC; m.Head().From != "c" {
		t.Errorf("got %+v", m)
	}
	close(release)
	for got := uint64(0); got < sent-1; got++ {
		<-fromB
	}
	if e := b.await(MessageDropped); e.Reason != "more was sent than the link could take" || e.Count != 1 {
		t.Errorf("event %q", e)
	}
}

// The acceptor has nothing to say on a link but that it lives.
func TestAPeerThatTalksBackOnTheLinkIsCutOff(t *testing.T) {
	ln := listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		ln.Close()
		if _, err := readHello(conn); err != nil {
			t.Error(err)
		}
		yes := answer{accepted: true, version: 2, cluster: "test", server: "b"}
		conn.Write(append(yes.append(nil), frame(KindRequestVoteReply, 1, "")...))
		io.Copy(io.Discard, conn)
	}()
	s := start(t, config("a", map[consensus.ServerID]string{"b": ln.Addr().String()}), listen(t), nil)
	if e := s.await(LinkDown); !strings.Contains(e.Reason, "sent a RequestVoteReply where it only may show that it lives") {
		t.Errorf("event %q", e)
	}
	<-ended
}

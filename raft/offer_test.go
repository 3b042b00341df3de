package raft

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// told remembers what became of offers, in the order in which they were told.
type told struct {
	mu      sync.Mutex
	answers []answer
	enough  chan struct{} // closed when it has want
	want    int
}

func newTold(want int) *told { return &told{want: want, enough: make(chan struct{})} }

func (w *told) Done(applied Applied, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answers = append(w.answers, answer{applied, err}); len(w.answers) == w.want {
		close(w.enough)
	}
}

func TestOffersAreAppliedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, machine := single(t, func(c *Config) { c.MaxCommandBytes = 100 })
		w := newTold(4)
		commands := []string{"a", "b", "", "c"}
		var offers []Offer
		for _, command := range commands {
			offers = append(offers, Offer{[]byte(command), w})
		}
		offers[2].Command = make([]byte, 101)
		r.ProposeAll(offers)
		clear(offers) // the slice is the caller's
		<-w.enough
		if err := w.answers[0].err; !errors.Is(err, ErrTooLarge) || OutcomeOf(err) != Rejected {
			t.Errorf("too large: %v", err)
		}
		for i, a := range w.answers[1:] {
			if a.err != nil || a.applied.Index != w.answers[1].applied.Index+Index(i) || a.applied.Term == 0 {
				t.Errorf("offer %d: %+v", i, a)
			}
		}
		if machine.count() != 3 {
			t.Errorf("%d commands were done, want 3", machine.count())
		}
	})
}

// Offers that wait in the mailbox, that the log has taken, and that come too late: each is answered, once.
func TestOffersOfAClosedServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: &recorder{}})
		if err != nil {
			t.Fatal(err)
		}
		w := newTold(3)
		r.ProposeAll([]Offer{{[]byte("x"), w}, {[]byte("y"), w}})
		_ = r.Close()
		r.ProposeAll([]Offer{{[]byte("z"), w}})
		<-w.enough
		for i, a := range w.answers {
			if !errors.Is(a.err, ErrClosed) || OutcomeOf(a.err) != Rejected {
				t.Errorf("offer %d: %+v", i, a)
			}
		}
	})
}

func TestOffersToAFollower(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, err := New(Config{ID: "n1", Founders: nil, Join: true, PreVote: true, CheckQuorum: true, Persister: NewMemoryPersister(), StateMachine: &recorder{}})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = r.Run(context.Background()) }()
		defer r.Close()
		w := newTold(2)
		r.ProposeAll([]Offer{{[]byte("x"), w}, {[]byte("y"), w}})
		<-w.enough
		var notLeader *NotLeaderError
		for i, a := range w.answers {
			if !errors.As(a.err, &notLeader) {
				t.Errorf("offer %d: %+v", i, a)
			}
		}
	})
}

func TestReadAsync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, machine := single(t, nil)
		applied, err := r.Propose(context.Background(), "x")
		if err != nil {
			t.Fatal(err)
		}
		type got struct {
			readAnswer
			done int
		}
		answers := make(chan got, 1)
		ask := func() got {
			r.ReadAsync(func(index Index, err error) { answers <- got{readAnswer{index, err}, machine.count()} })
			return <-answers
		}
		if a := ask(); a.err != nil || a.index < applied.Index || a.done != 1 {
			t.Errorf("%+v, want index %d", a, applied.Index)
		}
		_ = r.Close()
		if a := ask(); !errors.Is(a.err, ErrClosed) {
			t.Errorf("after Close: %+v", a)
		}
	})
}

// A server that led, lost its log's end, and leads again, may have two proposals at one index.
func TestProposalsWaitInRuns(t *testing.T) {
	var w waiting
	at := func(index Index, term Term) *proposal { return &proposal{at: place{index, term}} }
	for _, p := range []*proposal{at(5, 1), at(6, 1), at(9, 1), at(6, 3), at(7, 3)} {
		w.add(p)
	}
	var got []place
	take := func(index Index) []place {
		got = nil
		w.upTo(index, func(p *proposal) { got = append(got, p.at) })
		return got
	}
	if g := take(4); len(g) != 0 {
		t.Errorf("up to 4: %v", g)
	}
	if g := take(6); len(g) != 3 || g[0] != (place{5, 1}) || g[1] != (place{6, 1}) || g[2] != (place{6, 3}) {
		t.Errorf("up to 6: %v", g)
	}
	if g := take(8); len(g) != 1 || g[0] != (place{7, 3}) || len(w.runs) != 1 {
		t.Errorf("up to 8: %v, runs %v", g, w.runs)
	}
	if g := take(9); len(g) != 1 || len(w.runs) != 0 {
		t.Errorf("up to 9: %v, runs %v", g, w.runs)
	}
}

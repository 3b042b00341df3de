package raft

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

func TestProposeGivesTheStateMachinesResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := single(t, nil)
		got, err := r.Propose(context.Background(), "x")
		if err != nil || got.Index != 2 || got.Term != 1 || got.Result != "x applied at 2" {
			t.Errorf("got %+v, %v", got, err)
		}
		if s := r.Status(); s.LastApplied != 2 || s.CommitIndex != 2 || s.Now == 0 {
			t.Errorf("the status is %+v", s)
		}
	})
}

func TestFollowerNamesTheLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		defer c.killAll()
		leader := c.leader()
		follower := c.servers[(leader+1)%3]
		await(t, "the follower hears of the leader", func() bool { return follower.Status().Leader != "" })
		_, err := follower.Propose(context.Background(), "x")
		var notLeader *NotLeaderError
		if !errors.As(err, &notLeader) || notLeader.Leader != c.ids[leader] || OutcomeOf(err) != Rejected {
			t.Errorf("Propose: %v, %v", err, OutcomeOf(err))
		}
		if _, err := follower.Read(context.Background()); !errors.As(err, &notLeader) || notLeader.Leader != c.ids[leader] {
			t.Errorf("Read: %v", err)
		}
	})
}

// A leader that was cut off cannot say what becomes of a command: unknown. One whose caller waits longer learns that
// another leader's command took its place: rejected.
func TestCutOffLeaderNeverLies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		defer c.killAll()
		old := c.leader()
		c.net.setCut(c.ids[old], true)

		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		var shortErr, longErr error
		wg.Go(func() { _, shortErr = c.servers[old].Propose(short, "short") })
		wg.Go(func() { _, longErr = c.servers[old].Propose(context.Background(), "long") })
		synctest.Wait()

		next := c.leader()
		for i := range 2 {
			if _, err := c.servers[next].Propose(context.Background(), i); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // the caller of short gives up
		c.net.setCut(c.ids[old], false)
		wg.Wait()
		var unknown *UnknownError
		if !errors.As(shortErr, &unknown) || unknown.Index == 0 || unknown.Term == 0 || !errors.Is(shortErr, context.DeadlineExceeded) || OutcomeOf(shortErr) != Unknown {
			t.Errorf("the one that gave up got %v", shortErr)
		}
		if !errors.Is(longErr, ErrReplaced) || OutcomeOf(longErr) != Rejected {
			t.Errorf("the one that waited got %v", longErr)
		}
	})
}

func TestProposeAfterItsContextEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, machine := single(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := r.Propose(ctx, "x"); !errors.Is(err, context.Canceled) || OutcomeOf(err) != Rejected {
			t.Errorf("Propose: %v", err)
		}
		if _, err := r.Read(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
		if machine.count() != 0 {
			t.Error("it was done all the same")
		}
	})
}

// A proposal whose caller gave up before it was taken is withdrawn for good: rejected, and never done.
func TestWithdrawnProposalIsNeverDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		machine := &recorder{}
		r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: machine})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = r.Propose(ctx, "x") // nothing runs yet
		if !errors.Is(err, context.DeadlineExceeded) || OutcomeOf(err) != Rejected {
			t.Errorf("got %v", err)
		}
		_ = r.Close()

		r, machine = single(t, nil)
		p, err := newProposal("x", 100)
		if err != nil {
			t.Fatal(err)
		}
		p.taken.Store(true) // its caller gave up
		r.postProposal(event{proposal: p})
		if _, err := r.Propose(context.Background(), "y"); err != nil {
			t.Fatal(err)
		}
		if machine.count() != 1 {
			t.Error("the withdrawn command was done")
		}
	})
}

func TestRefusals(t *testing.T) {
	type private struct{ X int }
	bubble(t, func(t *testing.T) {
		r, machine := single(t, func(c *Config) { c.MaxCommandBytes, c.MaxLogBytes = 100, 400 })
		if _, err := r.Propose(context.Background(), make([]byte, 101)); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "101 bytes, at most 100") || OutcomeOf(err) != Rejected {
			t.Errorf("too large: %v", err)
		}
		var encoding *EncodingError
		if _, err := r.Propose(context.Background(), private{}); !errors.As(err, &encoding) || OutcomeOf(err) != Rejected {
			t.Errorf("not registered: %v", err)
		}
		var err error
		for range 10 {
			if _, err = r.Propose(context.Background(), make([]byte, 100)); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrLogFull) || !errors.Is(err, consensus.ErrLogFull) || OutcomeOf(err) != Rejected || machine.count() == 0 {
			t.Errorf("log full: %v after %d", err, machine.count())
		}
	})
}

func TestOutcomeOfAnErrorItDoesNotKnow(t *testing.T) {
	if OutcomeOf(errors.New("something else")) != Unknown || Unknown.String() != "unknown" || Rejected.String() != "rejected" {
		t.Error("it must be unknown")
	}
	err := &UnknownError{Index: 3, Term: 2, Err: ErrClosed}
	if OutcomeOf(fmt.Errorf("wrapped: %w", err)) != Unknown || !strings.Contains(err.Error(), "index 3 of term 2") {
		t.Errorf("got %v", err)
	}
	for _, leader := range []ServerID{"", "n2"} {
		if !strings.Contains((&NotLeaderError{Leader: leader}).Error(), string(leader)) {
			t.Errorf("leader %q is not named", leader)
		}
	}
}

func TestReadWaitsForTheStateMachine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		machine := &recorder{gate: gate}
		r, _ := single(t, func(c *Config) { c.StateMachine = machine })
		defer close(gate)
		go func() { _, _ = r.Propose(context.Background(), "x") }()
		await(t, "x is committed", func() bool { return r.Status().CommitIndex == 2 })
		read := make(chan Index, 1)
		go func() {
			index, err := r.Read(context.Background())
			if err != nil {
				t.Error(err)
			}
			read <- index
		}()
		time.Sleep(time.Second)
		select {
		case <-read:
			t.Fatal("the read did not wait for the state machine")
		default:
		}
		gate <- struct{}{}
		if index := <-read; index != 2 || machine.count() != 1 {
			t.Errorf("the read may see up to %d of %d", index, machine.count())
		}
	})
}

func TestReadAtACutOffLeaderIsRefusedWhenItSteppedDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3, WithConfig(func(c *Config) { c.Noop = true }))
		defer c.killAll()
		old := c.leader()
		if _, err := c.servers[old].Read(context.Background()); err != nil {
			t.Fatalf("a leader with a majority: %v", err)
		}
		c.net.setCut(c.ids[old], true)
		var wg sync.WaitGroup
		var short, long error
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		wg.Go(func() { _, short = c.servers[old].Read(ctx) })
		wg.Go(func() { _, long = c.servers[old].Read(context.Background()) })
		c.leader()
		c.net.setCut(c.ids[old], false)
		wg.Wait()
		var notLeader *NotLeaderError
		if !errors.Is(short, context.DeadlineExceeded) || !errors.As(long, &notLeader) {
			t.Errorf("got %v and %v", short, long)
		}
	})
}

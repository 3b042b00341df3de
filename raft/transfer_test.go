package raft

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// aMinute is a context that ends after a minute of virtual time.
func aMinute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func withProduct(c *Config) { c.Noop, c.PreVote, c.CheckQuorum = true, true, true }

// Leadership is handed over without an election timeout: the others wait for nothing.
func TestTransferLeadership(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3, WithConfig(withProduct))
		defer c.killAll()
		old := c.leader()
		if _, err := c.servers[old].Propose(context.Background(), "x"); err != nil {
			t.Fatal(err)
		}
		to := (old + 1) % 3
		began := time.Now()
		if err := c.servers[old].TransferLeadership(aMinute(t), c.ids[to]); err != nil {
			t.Fatal(err)
		}
		await(t, "the successor leads", func() bool { _, leads := c.servers[to].GetState(); return leads })
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v of virtual time, as long as an election", took)
		}
		var notLeader *NotLeaderError
		if err := c.servers[old].TransferLeadership(aMinute(t), ""); !errors.As(err, &notLeader) {
			t.Errorf("a follower handed over: %v", err)
		}
		if err := c.servers[to].TransferLeadership(aMinute(t), "n9"); err == nil || !strings.Contains(err.Error(), "not another voter") {
			t.Errorf("to a stranger: %v", err)
		}
	})
}

// A successor that does not answer: commands are refused meanwhile, not lost, and afterwards the leader goes on.
func TestTransferThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3, WithConfig(withProduct))
		defer c.killAll()
		old := c.leader()
		to := (old + 1) % 3
		c.net.setCut(c.ids[to], true)
		var wg sync.WaitGroup
		var failed, second, impatient error
		wg.Go(func() { failed = c.servers[old].TransferLeadership(aMinute(t), c.ids[to]) })
		synctest.Wait()
		wg.Go(func() { second = c.servers[old].TransferLeadership(aMinute(t), "") })
		synctest.Wait()
		var notLeader *NotLeaderError
		if _, err := c.servers[old].Propose(context.Background(), "x"); !errors.As(err, &notLeader) || OutcomeOf(err) != Rejected {
			t.Errorf("a command in the middle: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		wg.Go(func() {
			if impatient = c.servers[old].TransferLeadership(ctx, ""); impatient == nil {
				t.Error("two transfers at once")
			}
		})
		wg.Wait()
		if !errors.Is(failed, ErrTransferFailed) || !errors.Is(second, consensus.ErrTransferring) {
			t.Errorf("got %v and %v", failed, second)
		}
		if _, err := c.servers[old].Propose(context.Background(), "y"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// A leader that is cut off steps down by itself, and who waits for a read is told.
func TestCutOffLeaderStepsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3, WithConfig(withProduct))
		defer c.killAll()
		old := c.leader()
		term, _ := c.servers[old].GetState()
		c.net.setCut(c.ids[old], true)
		var notLeader *NotLeaderError
		if _, err := c.servers[old].Read(context.Background()); !errors.As(err, &notLeader) {
			t.Errorf("the read got %v", err)
		}
		time.Sleep(10 * time.Second)
		if now, leads := c.servers[old].GetState(); leads || now != term {
			t.Errorf("it leads: %t, in term %d after term %d: it was cut off and must not raise it", leads, now, term)
		}
		c.net.setCut(c.ids[old], false)
		next := c.leader()
		before, _ := c.servers[next].GetState()
		time.Sleep(2 * time.Second)
		if after, leads := c.servers[next].GetState(); !leads || after != before {
			t.Errorf("its return cost the leader of term %d its place", before)
		}
	})
}

// Whatever waits in the mailbox when the server stops is answered, and who waits at its door goes.
func TestCloseAnswersWhatWaitsInTheMailbox(t *testing.T) {
	for range 20 { // run may or may not take the mailbox once more
		bubble(t, func(t *testing.T) {
			gate := make(chan struct{})
			r, err := New(Config{
				ID: "n1", Peers: []Peer{&recordingPeer{id: "n2"}}, Persister: NewMemoryPersister(), StateMachine: &recorder{},
				MaxMailboxBytes: 1,
				OnFact:          func(consensus.Fact) { <-gate }, // run is held up in here
			})
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = r.Run(context.Background()) }()
			r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: "n2", To: "n1", Term: 1}})
			synctest.Wait()
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := r.Propose(context.Background(), "x"); OutcomeOf(err) != Rejected || err == nil {
					t.Errorf("Propose: %v", err)
				}
			})
			wg.Go(func() {
				if _, err := r.Read(context.Background()); err == nil {
					t.Error("Read gave an answer")
				}
			})
			wg.Go(func() {
				if err := r.TransferLeadership(aMinute(t), ""); err == nil {
					t.Error("leadership was handed over")
				}
			})
			for range 2 {
				wg.Go(func() { r.Deliver(&consensus.RequestVote{Header: consensus.Header{From: "n2", To: "n1", Term: 1}}) })
			}
			synctest.Wait()
			wg.Go(func() { _ = r.Close() })
			synctest.Wait()
			close(gate)
			wg.Wait()
		})
	}
}

// What is delivered while the mailbox is being emptied counts.
func TestMailboxCountsWhatItHolds(t *testing.T) {
	m := newMailbox(1000)
	vote := &consensus.RequestVote{}
	m.deliver([]Message{vote})
	events := m.take(nil)
	m.deliver([]Message{vote}) // comes in between
	m.free(events)
	if size := messageBytes(vote); m.bytes != size {
		t.Errorf("one message of %d bytes waits, but %d are counted", size, m.bytes)
	}
	if m.takeSome(nil); m.bytes != 0 {
		t.Errorf("an empty mailbox counts %d bytes", m.bytes)
	}
	for _, large := range []Message{
		&consensus.AppendEntries{Entries: []consensus.Entry{{Data: make([]byte, 500)}, {Data: make([]byte, 500)}}},
		&consensus.InstallSnapshot{Data: make([]byte, 1000)},
	} {
		if size := messageBytes(large); size < 1000 {
			t.Errorf("a %T with 1000 bytes counts as %d", large, size)
		}
	}
}

package raft

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// What comes while the time is being taken belongs to the next batch: with leases a read that is judged by a time from before it came
// can be stale, since the lease may have run out in between.
func TestTimeIsTakenAfterWhatIsJudgedByIt(t *testing.T) {
	r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: &journal{}})
	if err != nil {
		t.Fatal(err)
	}
	late := event{read: &readRequest{}}
	clock := r.clock
	r.clock = func() time.Duration {
		now := clock()
		r.mailbox.add(late)
		return now
	}
	if events, _ := r.gather(nil); len(events) > 0 {
		t.Error("a read that came after the time was taken is in the batch")
	}
	if events, _ := r.gather(nil); len(events) != 1 {
		t.Errorf("%d events in the next batch", len(events))
	}
}

// With leases a leader reads without asking anybody, and one that was cut off stops before another can have been elected.
func TestLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t)
		config := consensus.Voters("n1", "n2", "n3")
		for i := range config {
			config[i].Address = "at " + string(config[i].ID)
		}
		for _, m := range config {
			f.start(m.ID, func(c *Config) { c.Founders, c.LeaseDuration = config, 200*time.Millisecond })
		}
		old := f.leader()
		if _, err := old.Propose(aMinute(t), "1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // virtual: some heartbeats are answered
		f.net.setCut(old.Status().ID, true)
		if _, err := old.Read(aMinute(t)); err != nil {
			t.Errorf("a leader with a lease, just cut off, does not read: %v", err)
		}
		var next *Raft
		for next == nil {
			time.Sleep(time.Millisecond)
			for _, r := range f.servers {
				if r != old && r.Status().IsLeader() {
					next = r
				}
			}
		}
		written, err := next.Propose(aMinute(t), "2")
		if err != nil {
			t.Fatal(err)
		}
		if index, err := old.Read(aMinute(t)); err == nil && index < written.Index {
			t.Errorf("index %d is committed, and the old leader reads at index %d", written.Index, index)
		}
	})
}

// Each server reads what was committed anywhere before, from its own state machine. One that is cut off, or whose leader does not know the
// question, refuses, and says who leads.
func TestReadsAtFollowers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1", "n2", "n3")
		leader := f.leader()
		for i := range 20 {
			written, err := leader.Propose(aMinute(t), strconv.Itoa(i+1))
			if err != nil {
				t.Fatal(err)
			}
			for id, r := range f.servers {
				index, err := r.Read(aMinute(t))
				if commands, _, _ := f.journals[id].state(); err != nil || index < written.Index || commands != numbers(i+1) {
					t.Fatalf("%s reads at index %d of %d: %q, %v", id, index, written.Index, commands, err)
				}
			}
		}
		r := f.follower()
		began := time.Now()
		refused := func(after time.Duration) {
			t.Helper()
			_, err := r.Read(aMinute(t))
			var notLeader *NotLeaderError
			if !errors.As(err, &notLeader) || notLeader.Leader != leader.Status().ID || time.Since(began) != after {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		f.mu.Lock()
		f.old = true
		f.mu.Unlock()
		refused(0)
		f.mu.Lock()
		f.old = false
		f.mu.Unlock()
		if _, err := r.Read(aMinute(t)); err != nil {
			t.Error(err)
		}
		// Its answers are lost: as long as it hears the leader, that is who it names.
		f.net.mu.Lock()
		f.net.noReads = true
		f.net.mu.Unlock()
		began = time.Now()
		refused(r.cfg.ElectionTimeout)
	})
}

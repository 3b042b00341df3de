package raft

import (
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

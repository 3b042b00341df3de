package raft

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Who finds the turn taken goes away: what was brought is taken when the turn is given away, and not only when time passes.
func TestWhatComesDuringATurnIsTakenBehindIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := single(t, nil)
		if _, err := r.Propose(context.Background(), "x"); err != nil {
			t.Fatal(err)
		}
		began := time.Now() // virtual
		answer := make(chan error, 1)
		r.turn.Lock()
		r.ReadAsync(func(_ Index, err error) { answer <- err })
		synctest.Wait()
		if len(answer) > 0 {
			t.Fatal("it was answered by somebody without the turn")
		}
		r.yield()
		if err := <-answer; err != nil || time.Since(began) > 0 {
			t.Errorf("it was answered after %v: %v", time.Since(began), err)
		}
	})
}

// gatedDisk is a Persister that waits for a token in each Save, once it is shut.
type gatedDisk struct {
	*MemoryPersister
	shut  bool
	gate  chan struct{}
	saves [][]consensus.Save
}

func (d *gatedDisk) Save(batch []consensus.Save) error {
	if d.shut {
		d.saves = append(d.saves, append([]consensus.Save(nil), batch...))
		<-d.gate
	}
	return d.MemoryPersister.Save(batch)
}

// What is proposed while the leader's disk is busy is one Save, and so one message to each follower.
func TestProposalsWaitForTheDiskTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &gatedDisk{MemoryPersister: NewMemoryPersister(), gate: make(chan struct{})}
		r, machine := single(t, func(c *Config) { c.Persister = disk })
		if _, err := r.Propose(context.Background(), "first"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		disk.shut = true
		w := newTold(3)
		for _, command := range []string{"a", "b", "c"} {
			r.ProposeAll([]Offer{{[]byte(command), w}})
			synctest.Wait()
		}
		close(disk.gate)
		<-w.enough
		synctest.Wait()
		if len(disk.saves) != 2 || len(disk.saves[0][0].Entries) != 1 || len(disk.saves[1]) != 1 || len(disk.saves[1][0].Entries) != 2 {
			t.Errorf("the Saves were %+v, want one of a, and one of b and c", disk.saves)
		}
		if machine.count() != 4 {
			t.Errorf("%d of 4 commands were done", machine.count())
		}
	})
}

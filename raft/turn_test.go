package raft

import (
	"context"
	"runtime"
	"strings"
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

// onGatedDisk starts a leader on such a disk, which has done one command and is idle.
func onGatedDisk(t *testing.T, change func(*Config)) (*Raft, *recorder, *gatedDisk) {
	t.Helper()
	disk := &gatedDisk{MemoryPersister: NewMemoryPersister(), gate: make(chan struct{})}
	r, machine := single(t, func(c *Config) {
		if c.Persister = disk; change != nil {
			change(c)
		}
	})
	if _, err := r.Propose(context.Background(), "first"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r, machine, disk
}

// What is proposed while the leader's disk is busy is one Save, and so one message to each follower.
func TestProposalsWaitForTheDiskTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, machine, disk := onGatedDisk(t, nil)
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

// A round takes in a part of a lot that waits, in order; the next one takes the rest.
func TestRoundsAreBounded(t *testing.T) {
	m := newMailbox(1 << 30)
	half := &consensus.AppendEntries{Entries: []consensus.Entry{{Data: make([]byte, maxRoundBytes/2)}}}
	vote := &consensus.RequestVote{}
	m.deliver([]Message{vote, half, half, vote, vote})
	var events []event
	for i, want := range []int{3, 2, 0} {
		if events = m.takeSome(events); len(events) != want {
			t.Fatalf("round %d takes in %d messages, want %d", i, len(events), want)
		}
		if i == 1 && (events[0].msg != vote || m.bytes != 0) {
			t.Errorf("the second round begins with %T, and %d bytes are counted", events[0].msg, m.bytes)
		}
	}
	offers := event{offers: []proposal{{data: make([]byte, 100)}, {data: make([]byte, 10)}}}
	one := event{proposal: &proposal{data: make([]byte, 7)}}
	if a, b, c := offers.proposed(), one.proposed(), (&event{}).proposed(); a != 110+2*entryOverhead || b != 7+entryOverhead || c != 0 {
		t.Errorf("proposals count as %d, %d and %d bytes", a, b, c)
	}
}

// However much is proposed at once, no Save has much more than a round takes.
func TestALotOfProposalsIsWrittenInPieces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _, disk := onGatedDisk(t, nil)
		close(disk.gate)
		disk.shut = true
		const n = 20
		w := newTold(n)
		for range n {
			r.ProposeAll([]Offer{{make([]byte, 1<<20), w}})
		}
		<-w.enough
		for _, batch := range disk.saves {
			for _, save := range batch {
				if len(save.Entries) > maxRoundBytes>>20+1 {
					t.Errorf("a Save has %d entries of 1 MiB", len(save.Entries))
				}
			}
		}
	})
}

// While the leader's disk hangs no more is held back than a round takes: then the module says when it is too much.
func TestWhatIsHeldBackIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _, disk := onGatedDisk(t, func(c *Config) { c.MaxUncommittedBytes = 2 * maxRoundBytes })
		disk.shut = true
		const n = 20
		w := newTold(n)
		for range n {
			r.ProposeAll([]Offer{{make([]byte, 1<<20), w}})
			synctest.Wait()
		}
		w.mu.Lock()
		refused := len(w.answers)
		w.mu.Unlock()
		if refused < n-3*maxRoundBytes>>20 {
			t.Errorf("%d of %d MiB were refused while the disk hung", refused, n)
		}
		close(disk.gate)
		<-w.enough
	})
}

// Submit waits for the log to take a command, and not for the disk.
func TestSubmitDoesNotWaitForTheDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _, disk := onGatedDisk(t, nil)
		disk.shut = true
		defer close(disk.gate)
		began := time.Now() // virtual
		for range 3 {
			if _, _, err := r.Submit("x"); err != nil || time.Since(began) > 0 {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
		}
	})
}

// breaking is a Waiter that breaks the rules.
type breaking func()

func (b breaking) Done(Applied, error) { b() }

// Whoever brings an event may recover from a panic, or leave its goroutine. The server stops all the same, and says why.
func TestARoundThatDoesNotEndStopsTheServer(t *testing.T) {
	for name, breakIt := range map[string]func(){
		"panic":  func() { panic("a mistake") },
		"Goexit": runtime.Goexit,
	} {
		bubble(t, func(t *testing.T) {
			r, err := New(Config{ID: "n1", Join: true, PreVote: true, CheckQuorum: true, Persister: NewMemoryPersister(), StateMachine: &recorder{}})
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = r.Run(context.Background()) }()
			synctest.Wait()
			w := newTold(2)
			go func() {
				defer func() { _ = recover() }()
				r.ProposeAll([]Offer{{[]byte("x"), breaking(breakIt)}, {[]byte("y"), w}}) // it does not lead, and says so
			}()
			select {
			case <-r.Done():
			case <-time.After(time.Minute): // virtual
				t.Fatalf("%s: the server goes on", name)
			}
			r.ProposeAll([]Offer{{[]byte("z"), w}})
			<-w.enough // what stood behind, and what came later
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), "a panic, behind which nothing can be promised") {
				t.Errorf("%s: the server stopped with %v", name, err)
			}
			_ = r.Close()
		})
	}
}

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

func TestConfigMistakesAreNamed(t *testing.T) {
	valid := Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: &recorder{}}
	for says, mistake := range map[string]func(*Config){
		"Persister is nil":    func(c *Config) { c.Persister = nil },
		"StateMachine is nil": func(c *Config) { c.StateMachine = nil },
		"ID is empty":         func(c *Config) { c.ID = "" },
		"at least twice":      func(c *Config) { c.ElectionTimeout = time.Millisecond },
		"and Founders too":    func(c *Config) { c.Join, c.Founders = true, consensus.Voters("n1") },
		"Join is set without": func(c *Config) { c.Join, c.CheckQuorum = true, true },
		"needs CheckQuorum":   func(c *Config) { c.LeaseDuration = time.Millisecond },
		"cannot load":         func(c *Config) { c.Persister = brokenPersister{} },
	} {
		cfg := valid
		mistake(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

type brokenPersister struct{ *MemoryPersister }

func (brokenPersister) Load() (consensus.Saved, error) { return consensus.Saved{}, errors.New("rot") }

// All that waits while the disk is busy is written as one batch.
func TestGroupCommit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &gatePersister{MemoryPersister: NewMemoryPersister(), gate: make(chan struct{}, 100)}
		for range 2 { // the vote, the no-op
			disk.gate <- struct{}{}
		}
		r, machine := single(t, func(c *Config) { c.Persister = disk })
		await(t, "the no-op is saved", func() bool { return disk.count() == 2 })
		var wg sync.WaitGroup
		propose := func(n int) {
			for i := range n {
				wg.Go(func() {
					if _, err := r.Propose(context.Background(), i); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
		}
		propose(1)   // the disk is busy with this one
		propose(500) // these wait
		if machine.count() != 0 {
			t.Error("something was applied before it was saved")
		}
		disk.gate <- struct{}{}
		disk.gate <- struct{}{}
		synctest.Wait()
		if got := disk.count() - 2; got != 2 || machine.count() != 501 {
			t.Errorf("%d commands took %d writes, want 2", machine.count(), got)
		}
		close(disk.gate)
		wg.Wait()
	})
}

// recordingPeer keeps what is sent to it.
type recordingPeer struct {
	id   ServerID
	mu   sync.Mutex
	sent []Message
}

func (p *recordingPeer) ID() ServerID { return p.id }

func (p *recordingPeer) Send(msg Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, msg)
}

func (p *recordingPeer) take() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.sent
	p.sent = nil
	return sent
}

// gated gives n1 of three with a disk that waits for tokens, running, and its peer n2.
func gated(t *testing.T) (*Raft, *gatePersister, *recordingPeer) {
	t.Helper()
	disk := &gatePersister{MemoryPersister: NewMemoryPersister(), gate: make(chan struct{}, 100)}
	n2 := &recordingPeer{id: "n2"}
	r, err := New(Config{
		ID: "n1", Peers: []Peer{n2, &recordingPeer{id: "n3"}}, Persister: disk, StateMachine: &recorder{},
		ElectionTimeout: time.Hour, HeartbeatInterval: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Run(context.Background()) }()
	return r, disk, n2
}

// Promises leave behind the disk, in order, also those that need no write of their own; requests do not wait.
func TestPromisesWaitForTheDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, disk, n2 := gated(t)
		defer r.Close()
		r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: "n2", To: "n1", Term: 1}, Entries: []consensus.Entry{{Index: 1, Term: 1}}})
		synctest.Wait()
		r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: "n2", To: "n1", Term: 1}, PrevLogIndex: 1, PrevLogTerm: 1})
		time.Sleep(time.Minute)
		if sent := n2.take(); len(sent) != 0 {
			t.Fatalf("%d promises left before the disk had it; the first is %+v", len(sent), sent[0])
		}
		disk.gate <- struct{}{}
		synctest.Wait()
		sent := n2.take()
		if len(sent) != 2 || sent[0].(*consensus.AppendEntriesReply).MatchIndex != 1 || !sent[1].(*consensus.AppendEntriesReply).Success {
			t.Fatalf("got %+v", sent)
		}
		// With nothing being written, a promise that needs no write leaves at once.
		r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: "n2", To: "n1", Term: 1}, PrevLogIndex: 1, PrevLogTerm: 1})
		synctest.Wait()
		if sent := n2.take(); len(sent) != 1 {
			t.Errorf("%d promises left", len(sent))
		}
	})
}

// The first error of the disk is the end: what is under way is answered as unknown, nothing more is promised.
func TestFailedSaveStopsTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &gatePersister{MemoryPersister: NewMemoryPersister()}
		r, _ := single(t, func(c *Config) { c.Persister = disk })
		if _, err := r.Propose(context.Background(), "x"); err != nil {
			t.Fatal(err)
		}
		ioError := errors.New("input/output error")
		disk.setFail(ioError)
		_, err := r.Propose(context.Background(), "y")
		if OutcomeOf(err) != Unknown {
			t.Errorf("the command under way got %v", err)
		}
		awaitDone(t, r)
		if err := r.Err(); !errors.Is(err, ioError) || !strings.Contains(err.Error(), "cannot save") {
			t.Errorf("the server stopped with %v", err)
		}
		if _, err := r.Propose(context.Background(), "z"); !errors.Is(err, ErrClosed) || OutcomeOf(err) != Rejected {
			t.Errorf("afterwards: %v", err)
		}
		if _, err := r.Read(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestFailedSavePromisesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, disk, n2 := gated(t)
		disk.setFail(errors.New("no space left on device"))
		disk.gate <- struct{}{}
		r.Deliver(&consensus.RequestVote{Header: consensus.Header{From: "n2", To: "n1", Term: 1}})
		awaitDone(t, r)
		if sent := n2.take(); len(sent) != 0 {
			t.Errorf("it promised %+v", sent)
		}
	})
}

// A broken promise of the algorithm ends the server with the two facts, not the process with a stack.
func TestViolationStopsTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, disk, _ := gated(t)
		close(disk.gate)
		for _, leader := range []ServerID{"n2", "n3"} {
			r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: leader, To: "n1", Term: 1}})
		}
		awaitDone(t, r)
		var violation *consensus.Violation
		if err := r.Err(); !errors.As(err, &violation) || violation.Property != "Election Safety" {
			t.Errorf("got %v", err)
		}
	})
}

// A type that this program does not know stops the server with what to do, instead of being skipped.
func TestCommandThatCannotBeDecodedStopsTheServer(t *testing.T) {
	for name, entry := range map[string]consensus.Entry{
		"raft.Register": {Kind: consensus.EntryValue, Data: []byte("gno such type")},
		"encoding 'z'":  {Kind: consensus.EntryValue, Data: []byte("z")},
		"malformed":     {Kind: consensus.EntryValue, Data: []byte("i")},
		"kind 77":       {Kind: 77, Data: []byte("x")},
	} {
		bubble(t, func(t *testing.T) {
			disk := NewMemoryPersister()
			entry.Index, entry.Term = 1, 1
			if err := disk.Save([]consensus.Save{{HardState: &consensus.HardState{Term: 1}, Entries: []consensus.Entry{entry}}}); err != nil {
				t.Fatal(err)
			}
			r, _ := single(t, func(c *Config) { c.Persister = disk })
			awaitDone(t, r)
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), "cannot apply entry 1") || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error that says %q", err, name)
			}
		})
	}
}

// Above the mailbox limit a transport waits; it goes on when there is room, and when the server is closed.
func TestDeliverPushesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, err := New(Config{ID: "n1", Peers: []Peer{&recordingPeer{id: "n2"}}, Persister: NewMemoryPersister(), StateMachine: &recorder{}, MaxMailboxBytes: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		delivered := make(chan int, 100)
		big := &consensus.AppendEntries{Header: consensus.Header{From: "n2", To: "n1", Term: 1}, Entries: []consensus.Entry{{Index: 1, Term: 1, Data: make([]byte, 6000)}}}
		go func() {
			for i := range 3 {
				r.Deliver(big)
				delivered <- i
			}
		}()
		synctest.Wait()
		if len(delivered) != 1 {
			t.Errorf("%d messages of 6 kB found room in 10 kB", len(delivered))
		}
		go func() { _ = r.Run(context.Background()) }()
		synctest.Wait()
		if len(delivered) != 3 {
			t.Errorf("with the server running, %d messages found room", len(delivered))
		}
		if r.Status().LastLogIndex != 1 {
			t.Error("the message was not taken in")
		}
		_ = r.Close()
		r.Deliver(big) // dropped, but it does not hang
	})
}

func TestCloseFreesWhoWaitsAtTheDoor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: &recorder{}, MaxMailboxBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { r.Deliver(&consensus.RequestVote{}) })
		}
		var proposeErr, readErr error
		wg.Go(func() { _, proposeErr = r.Propose(context.Background(), "x") })
		wg.Go(func() { _, readErr = r.Read(context.Background()) })
		var startIndex int
		wg.Go(func() { startIndex, _, _ = r.Start("x") })
		synctest.Wait()
		if err := r.Close(); err != nil { // it never ran
			t.Error(err)
		}
		wg.Wait()
		if !errors.Is(proposeErr, ErrClosed) || !errors.Is(readErr, ErrClosed) || startIndex != -1 {
			t.Errorf("got %v, %v, %d", proposeErr, readErr, startIndex)
		}
		if err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "after Close") {
			t.Errorf("Run after Close: %v", err)
		}
	})
}

// Whatever was asked is answered when the server is closed, wherever it stands.
func TestCloseAnswersEverybody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3, WithConfig(func(c *Config) { c.Noop = true }))
		old := c.leader()
		if _, err := c.servers[old].Read(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.net.setCut(c.ids[old], true)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, err := c.servers[old].Propose(context.Background(), i); OutcomeOf(err) != Unknown {
					t.Errorf("Propose: %v", err)
				}
			})
			wg.Go(func() {
				if _, err := c.servers[old].Read(context.Background()); !errors.Is(err, ErrClosed) {
					t.Errorf("Read: %v", err)
				}
			})
		}
		synctest.Wait()
		c.killAll()
		wg.Wait()
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: &recorder{}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- r.Run(ctx) }()
		synctest.Wait()
		if err := r.Run(ctx); err == nil {
			t.Error("Run ran twice")
		}
		cancel(errors.New("enough"))
		if err := <-ran; err != nil {
			t.Errorf("Run was asked to end and gave %v", err)
		}
	})
}

func TestFactsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var facts []string
		r, _ := single(t, func(c *Config) {
			c.OnFact = func(f consensus.Fact) {
				mu.Lock()
				defer mu.Unlock()
				facts = append(facts, f.String())
			}
		})
		_ = r.Close()
		if got := fmt.Sprint(facts); got != "[became candidate in term 1 became leader of term 1]" {
			t.Errorf("got %s", got)
		}
	})
}

// A process that was held up (a pause, a full disk) first reads what waited for it: a heartbeat in the mailbox
// keeps it from standing for election.
func TestWaitingHeartbeatComesBeforeTheTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		n2 := &recordingPeer{id: "n2"}
		held := false
		r, err := New(Config{
			ID: "n1", Peers: []Peer{n2}, Persister: NewMemoryPersister(), StateMachine: &recorder{},
			OnFact: func(consensus.Fact) { // run is held up in here, once
				if !held {
					held = true
					<-gate
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = r.Run(context.Background()) }()
		defer r.Close()
		heartbeat := &consensus.AppendEntries{Header: consensus.Header{From: "n2", To: "n1", Term: 1}}
		r.Deliver(heartbeat) // "entered term 1": held up
		time.Sleep(time.Hour)
		r.Deliver(heartbeat)
		close(gate)
		synctest.Wait()
		if s := r.Status(); s.Term != 1 || s.Role != consensus.Follower {
			t.Errorf("it became %s of term %d", s.Role, s.Term)
		}
	})
}

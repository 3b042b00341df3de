package raft

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Raft is one server of a cluster. Its methods may be called from any goroutine.
type Raft struct {
	cfg   Config
	peers *peers
	clock func() time.Duration // the module's, from New on

	mailbox   *mailbox
	proposals *queue[event] // those that are not in the mailbox, since they may be held back
	saver     *saver
	applier   *applier
	snapshots *snapshotter
	status    atomic.Pointer[consensus.Status]
	heldBytes atomic.Int64 // of proposals

	started  atomic.Bool
	stopOnce sync.Once
	stop     chan struct{} // closed by Close
	done     chan struct{} // closed when Run has ended

	// Of whoever has the turn: see turn.go. Nobody has before Run, and after it nobody gets it any more.
	turn      sync.Mutex
	module    *consensus.Module
	ruined    bool       // a round did not come to its end: the module is not touched any more
	offering  *proposal  // is being offered to the module
	unoffered []proposal // stand behind it in what ProposeAll was given
	handover  *handover  // under way, or nil
	events    []event    // taken from the mailbox and the proposals
	offered   []event    // taken from the proposals
	inHand    []event    // those of them that are not yet in the module
	accepted  []*proposal
	reading   map[consensus.ReadID]*readRequest
	lastRead  consensus.ReadID
	timer     *time.Timer
	armed     time.Duration // when the timer fires

	broken chan error // gets why a round did not come to its end; has room

	// Owned by Run.
	unread []event // what the mailbox still held when it was shut
	err    error   // why the server had to stop; read it after done
}

// New gives a server that goes on from what its Persister has. It does nothing until Run is called, but messages
// can be delivered already. The error names what is wrong with cfg, or with what was loaded.
func New(cfg Config) (*Raft, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, fmt.Errorf("raft: config: %w", err)
	}
	saved, err := cfg.Persister.Load()
	if err != nil {
		return nil, fmt.Errorf("raft: cannot load the saved state: %w", err)
	}
	if _, ok := cfg.StateMachine.(restorer); saved.Snapshot != nil && !ok {
		return nil, errors.New("raft: a snapshot was saved, but the state machine has no method Restore; see Snapshotter")
	}
	r := &Raft{
		cfg:     cfg,
		peers:   newPeers(&cfg),
		clock:   clockFrom(time.Now()),
		mailbox: newMailbox(cfg.MaxMailboxBytes), proposals: newQueue[event](),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		timer:   time.NewTimer(0),
		broken:  make(chan error, 1),
		reading: map[consensus.ReadID]*readRequest{},
	}
	r.turn.Lock() // until Run
	r.makeOwners()
	r.module, err = consensus.Restart(0, cfg.module(), saved)
	if err != nil {
		return nil, fmt.Errorf("raft: %w", err)
	}
	r.publish()
	return r, nil
}

// clockFrom gives a clock that was zero at base.
func clockFrom(base time.Time) func() time.Duration {
	return func() time.Duration { return time.Since(base) }
}

// makeOwners makes what has a goroutine of its own, besides the module.
func (r *Raft) makeOwners() {
	r.saver = &saver{persister: r.cfg.Persister, release: r.send, saved: r.drive, queue: newQueue[work](), stop: r.stop}
	if p, ok := r.cfg.Persister.(interface{ Mark() error }); ok {
		r.saver.mark = p.Mark
	}
	r.snapshots = &snapshotter{queue: newQueue[snapshotJob](), post: r.post, stop: r.stop}
	if p, ok := r.cfg.Persister.(interface {
		PrepareSnapshot(snapshot *consensus.Snapshot) error
	}); ok {
		r.snapshots.prepare = p.PrepareSnapshot
	}
	r.applier = &applier{
		machine: r.cfg.StateMachine, queue: newQueue[delivery](), stop: r.stop,
		growth: newGrowth(&r.cfg), snapshots: r.snapshots.queue, log: r.cfg.Logger,
	}
}

// Deliver takes in messages that peers sent to this server, as one batch. It blocks while more than Config.MaxMailboxBytes wait,
// so that a transport stops reading; after Close it drops them. They must not be changed any more.
func (r *Raft) Deliver(messages ...Message) {
	r.mailbox.deliver(messages)
	r.drive()
}

// Status tells what this server knows, as of its last step. It never blocks, and works after Close.
func (r *Raft) Status() Status {
	return Status{
		Status:      *r.status.Load(),
		LastApplied: Index(r.applier.applied.Load()),
		Now:         r.clock(),
	}
}

// Done is closed when the server has stopped, by Close or because it had to; Err says which.
func (r *Raft) Done() <-chan struct{} { return r.done }

// Err is nil while the server runs and after it was asked to stop; otherwise it is what Run returned.
func (r *Raft) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

// Close stops the server and waits until Run has returned and nothing of it runs any more. It can
// be called at any time, more than once. The Persister is not closed: its owner does that, after Close.
func (r *Raft) Close() error {
	r.askToStop()
	if r.started.CompareAndSwap(false, true) {
		r.closeDoors()
		r.answerAll()
		close(r.done)
	}
	<-r.done
	return nil
}

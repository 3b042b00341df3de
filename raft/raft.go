package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// Raft is one server of a cluster. Its methods may be called from any goroutine.
type Raft struct {
	cfg   Config
	peers map[ServerID]Peer
	base  time.Time // zero of the module's clock

	mailbox *mailbox
	saver   *saver
	applier *applier
	status  atomic.Pointer[consensus.Status]

	started  atomic.Bool
	stopOnce sync.Once
	stop     chan struct{} // closed by Close
	done     chan struct{} // closed when Run has ended

	// Owned by the goroutine that runs Raft.run; by Run before it starts and after it ended.
	module   *consensus.Module
	handover *handover // under way, or nil
	inHand   []event   // taken from the mailbox, but not yet into the module
	accepted []*proposal
	reading  map[consensus.ReadID]*readRequest
	lastRead consensus.ReadID

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
	r := &Raft{
		cfg:     cfg,
		peers:   map[ServerID]Peer{},
		base:    time.Now(),
		mailbox: newMailbox(cfg.MaxMailboxBytes),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		reading: map[consensus.ReadID]*readRequest{},
	}
	r.saver = &saver{persister: cfg.Persister, release: r.send, queue: newQueue[work](), stop: r.stop}
	r.applier = &applier{machine: cfg.StateMachine, queue: newQueue[delivery](), stop: r.stop, waiting: map[Index][]*proposal{}}
	members := []ServerID{cfg.ID}
	for _, peer := range cfg.Peers {
		if peer.ID() != cfg.ID {
			r.peers[peer.ID()] = peer
			members = append(members, peer.ID())
		}
	}
	slices.Sort(members)
	r.module, err = consensus.Restart(0, consensus.Config{
		ID: cfg.ID, Founders: consensus.Voters(members...),
		HeartbeatInterval: cfg.HeartbeatInterval, ElectionTimeout: cfg.ElectionTimeout,
		Rand: rand.New(rand.NewPCG(cfg.Seed, hash(cfg.ID))).Uint64, Noop: cfg.Noop,
		PreVote: cfg.PreVote, CheckQuorum: cfg.CheckQuorum,
		MaxUncommittedBytes: cfg.MaxUncommittedBytes, MaxLogBytes: cfg.MaxLogBytes,
	}, saved)
	if err != nil {
		return nil, fmt.Errorf("raft: %w", err)
	}
	r.publish()
	return r, nil
}

// hash makes servers that were given one Seed draw different timeouts (FNV-1a).
func hash(id ServerID) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(id) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

func (c *Config) setDefaults() error {
	switch {
	case c.Persister == nil:
		return errors.New("Persister is nil; package wal has one, NewMemoryPersister is one for tests")
	case c.StateMachine == nil:
		return errors.New("StateMachine is nil")
	}
	setDefault(&c.HeartbeatInterval, 50*time.Millisecond)
	setDefault(&c.ElectionTimeout, 300*time.Millisecond)
	setDefault(&c.MaxCommandBytes, 2<<20)
	setDefault(&c.MaxMailboxBytes, 64<<20)
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Deliver takes in a message that a peer sent to this server. It blocks while more than Config.MaxMailboxBytes wait,
// so that a transport stops reading; after Close it drops the message. The message must not be
// changed any more.
func (r *Raft) Deliver(msg Message) { r.mailbox.deliver(msg) }

// Status tells what this server knows, as of its last step. It never blocks, and works after Close.
func (r *Raft) Status() Status {
	return Status{
		Status:      *r.status.Load(),
		LastApplied: Index(r.applier.applied.Load()),
		Now:         time.Since(r.base),
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

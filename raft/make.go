package raft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// ApplyMsg is one committed command, or one snapshot, on its way to the service or tester.
type ApplyMsg struct {
	CommandValid bool // this is a command
	Command      any  // as it was given to Start: the same Go value of the same type
	CommandIndex int  // its place in the log, from 1
	CommandTerm  int  // the term of the leader that took it

	SnapshotValid bool   // this is a snapshot: it replaces all that the service has
	Snapshot      []byte // as it was given to Snapshot, here or on another server; it must not be written to
	SnapshotTerm  int    // of the last command in it
	SnapshotIndex int    // of the last command in it: the next command has a higher index
}

// Option changes how Make sets a server up.
type Option func(*Config)

// WithLogger lets a server log.
func WithLogger(logger hclog.Logger) Option { return func(c *Config) { c.Logger = logger } }

// WithTimeouts sets Config.HeartbeatInterval and Config.ElectionTimeout.
func WithTimeouts(heartbeat, election time.Duration) Option {
	return func(c *Config) { c.HeartbeatInterval, c.ElectionTimeout = heartbeat, election }
}

// WithSeed makes the choice of election timeouts repeatable.
func WithSeed(seed uint64) Option { return func(c *Config) { c.Seed = seed } }

// WithConfig changes anything else.
func WithConfig(change func(*Config)) Option { return change }

// Make creates a server and starts it. peers are all servers of the cluster, in the same order everywhere;
// peers[me] is this one, of which only the ID is used. Committed commands are sent on applyCh; if nobody
// receives there, commands still are committed, but not applied here. Call Kill in the end; Done and Err tell if
// the server had to stop before.
//
// Snapshots come on applyCh too, in order with the commands: one that the leader sent, because its log does not reach back far
// enough any more (SnapshotIndex then lies behind all that came before), and, before anything else, the one that the persister
// has from an earlier life. So a service starts empty, and need not read the persister itself.
//
// Make has no error to give: it panics if the persister cannot load, or if two peers have the same ID.
func Make(peers []Peer, me int, persister Persister, applyCh chan ApplyMsg, opts ...Option) *Raft {
	machine := &applyChannel{ch: applyCh}
	cfg := Config{ID: peers[me].ID(), Peers: peers, Persister: persister, StateMachine: machine, TrailingBytes: -1}
	for _, opt := range opts {
		opt(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		panic(fmt.Sprintf("raft: Make: %v", err))
	}
	machine.stop = r.stop
	go func() { _ = r.Run(context.Background()) }() // Err has what it returns
	return r
}

// applyChannel is the StateMachine of Make: whoever reads the channel is the real one.
type applyChannel struct {
	ch   chan<- ApplyMsg
	stop <-chan struct{}
}

// Apply sends the commands on, until the server is stopped: then no later command may follow one
// that was not sent.
func (a *applyChannel) Apply(commands []Command) []any {
	for _, c := range commands {
		select {
		case a.ch <- ApplyMsg{CommandValid: true, Command: c.Value, CommandIndex: int(c.Index), CommandTerm: int(c.Term)}:
		case <-a.stop:
			return make([]any, len(commands))
		}
	}
	return make([]any, len(commands))
}

// Restore sends a snapshot on, in order with the commands.
func (a *applyChannel) Restore(snapshot []byte, at Index, term Term) error {
	select {
	case a.ch <- ApplyMsg{SnapshotValid: true, Snapshot: snapshot, SnapshotIndex: int(at), SnapshotTerm: int(term)}:
	case <-a.stop:
	}
	return nil
}

// Snapshot tells the server that the service has taken a snapshot of its state, as it is after the command at index, and that the
// log is not needed up to there. It never blocks, so the goroutine that reads applyCh may call it. The service must have received
// that command. A snapshot that is not newer than what is there is ignored. state must not be written to any more.
func (r *Raft) Snapshot(index int, state []byte) {
	r.snapshots.queue.put(snapshotJob{
		upTo: Index(max(index, 0)), encode: func() ([]byte, error) { return state, nil },
		done: func(_ int, err error) {
			if err != nil && !errors.Is(err, ErrCompacted) && !errors.Is(err, ErrClosed) {
				r.cfg.Logger.Error("a snapshot was not taken", "index", index, "error", err)
			}
		},
	})
}

// Start begins agreement on command and returns at once: the index at which the command will stand if it is ever
// committed, the current term, and whether this server takes it. A server that does not lead, that has too much
// uncommitted already, or that was killed, takes nothing: it gives -1 and false. There is no promise
// that the command will be committed: watch applyCh, at that index, for that term.
//
// The type of command must be known: see Register. Start panics if it cannot encode the command
// or if it is too large: Submit has errors instead.
func (r *Raft) Start(command any) (index, term int, isLeader bool) {
	at, in, err := r.Submit(command)
	var encoding *EncodingError
	switch {
	case err == nil:
		return int(at), int(in), true
	case errors.As(err, &encoding), errors.Is(err, ErrTooLarge):
		panic(fmt.Sprintf("raft: Start: %v", err))
	}
	term, _ = r.GetState()
	return -1, term, false
}

// GetState gives currentTerm and whether this server believes that it is the leader.
func (r *Raft) GetState() (term int, isLeader bool) {
	s := r.Status()
	return int(s.Term), s.IsLeader()
}

// Kill stops the server: when it returns, no goroutine of it runs, nothing is sent on applyCh, no peer is called.
func (r *Raft) Kill() { _ = r.Close() }

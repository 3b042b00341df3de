package raft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// ApplyMsg is one committed command, on its way to the service or tester.
type ApplyMsg struct {
	CommandValid bool // always true; other kinds of messages may come
	Command      any  // as it was given to Start: the same Go value of the same type
	CommandIndex int  // its place in the log, from 1
	CommandTerm  int  // the term of the leader that took it
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
// Make has no error to give: it panics if the persister cannot load, or if two peers have the same ID.
func Make(peers []Peer, me int, persister Persister, applyCh chan ApplyMsg, opts ...Option) *Raft {
	machine := &applyChannel{ch: applyCh}
	cfg := Config{ID: peers[me].ID(), Peers: peers, Persister: persister, StateMachine: machine}
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

package raft

import "github.com/raftnode/raft/raft/consensus"

// The vocabulary of the algorithm, so that most users need one import.
type (
	// ServerID names one server of the cluster.
	ServerID = consensus.ServerID
	// Term numbers the reigns of leaders, from 1.
	Term = consensus.Term
	// Index is the place of an entry in the log, from 1.
	Index = consensus.Index
	// Message is one message of Figure 2.
	Message = consensus.Message
)

// Peer is the way to one other server. Package rpc has one over TCP.
type Peer interface {
	// ID is the server at the other end. It never changes.
	ID() ServerID
	// Send hands msg over for delivery and returns at once: it never blocks, and it may
	// lose, delay or reorder what it is given. The message must not be changed.
	// It may be called from several goroutines. The other end gives it to its own Raft's Deliver.
	Send(msg Message)
}

// Persister is stable storage. Package wal has one on an append-only log.
// One goroutine calls it.
type Persister interface {
	// Load gives the sum of all Saves that were made durable, in this process or one before
	// it. It is called once, before Save.
	Load() (consensus.Saved, error)
	// Save writes the batch in order and returns when all of it is on stable storage. After an
	// error it is not called again, except by a new process.
	Save(batch []consensus.Save) error
}

// Command is one committed command, on its way to the state machine.
type Command struct {
	Index Index
	Term  Term
	// Value is the command as it was proposed: the same Go value of the same type. A
	// []byte must not be written to.
	Value any
}

// StateMachine is what the log drives.
type StateMachine interface {
	// Apply applies the commands, which come in index order, and returns one result for each. One
	// goroutine calls it. It must be deterministic and must not fail: a bad command has a result
	// that says so. Results go to the callers of Propose, on the server that proposed.
	Apply(commands []Command) (results []any)
}

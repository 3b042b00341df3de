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
//
// It may have a method Carries(msg Message) bool besides, which tells whether the other end knows messages of that kind, and can be reached now as far as it
// knows. It is asked about ReadIndex, which earlier versions do not have: if it cannot be sent to the leader, a follower refuses reads at once. It must
// not block.
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
//
// It may have a method PrepareSnapshot(*consensus.Snapshot) error besides. Then that is called, from another goroutine and while Save
// may be under way, before the snapshot comes in a Save: it can write the snapshot without holding up what is
// appended meanwhile. A snapshot that was prepared may never come in a Save, or another in its place. After an error it is
// called again, some time later, with a newer snapshot.
//
// It may have a method Mark() error. That is called when all promises have left and no Save waits: for what
// has to be done once something was saved, but that nobody has to wait for. An error of it is like one of Save.
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

// Snapshotter is what a StateMachine may be besides. Then the host takes snapshots of it, so that the log does not grow
// without end: see Config.SnapshotEntries.
type Snapshotter interface {
	StateMachine
	// Snapshot captures the state as it is, and gives a function that encodes it. The goroutine of Apply calls it, and all
	// commands wait meanwhile: it should be cheap, say by sharing what is copied on write. encode runs beside Apply, on
	// another goroutine, and Close waits for it. Its error is logged; the next attempt comes when the log has grown as much again.
	Snapshot() (encode func() ([]byte, error))
	// Restore replaces the state by a snapshot's, which encode gave, here or on another server. at and term are its last command's
	// place. It comes from the goroutine of Apply, also before the first Apply. The snapshot must not be written to. An
	// error stops the server.
	Restore(snapshot []byte, at Index, term Term) error
}

// restorer is what a StateMachine must be if a snapshot comes.
type restorer interface {
	Restore(snapshot []byte, at Index, term Term) error
}

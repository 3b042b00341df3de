package sim

import (
	"math/rand/v2"

	"github.com/anishathalye/porcupine"
)

// Machine is the replicated state machine. It must be a function of what is applied: equal commands in equal order
// lead to equal results, snapshots and digests.
type Machine interface {
	// Apply applies a committed command and gives its result, which goes to the client that is waiting, if any.
	Apply(index uint64, command []byte) (result []byte)
	// Query answers a read from the present state. It changes nothing.
	Query(query []byte) (result []byte)
	// Snapshot gives the state. What it gave must never be written to again.
	Snapshot() []byte
	// Restore replaces the state by one that Snapshot gave.
	Restore(snapshot []byte) error
	// Digest sums up the state: it differs where states differ. It is asked for often.
	Digest() uint64
}

// Operation is one thing that a client wants.
type Operation struct {
	Read bool   // answered by Query; else by Apply, through the log
	Body []byte // the query, or the command; it is not written to
}

// Workload makes what clients ask for.
type Workload interface {
	// Next gives the operation that a client does as its seq-th. Clients count from 1 and so do their operations; no two clients of a
	// run have the same number. A command that is tried again is the same command. All chance must come from rng.
	Next(rng *rand.Rand, clients *Clients, client, seq uint64) Operation
}

// System is what is put to the test: a state machine under the algorithm. The zero value stands for a key/value store that
// ships with this package.
type System struct {
	// Machine makes an empty state machine.
	Machine func() Machine
	// Workload makes what clients ask for.
	Workload Workload
	// Sessions: the machine applies a command of the same client and seq at most once. Then clients try again when no
	// answer comes; else they do not, and the outcome is unknown.
	Sessions bool
	// Once, if not nil, tells which client and seq a command is of. Then it is checked that a command that is in the log twice has the
	// same result both times (a nil result stands for "too old to remember"), and histories are judged much sooner, because the log
	// tells when each command took effect.
	Once func(command []byte) (client, seq uint64)
	// Model, if not nil, is what a history of operations has to fit. Its inputs are Operation, its outputs Outcome.
	Model *porcupine.Model
}

// Outcome is what a client got.
type Outcome struct {
	Result  []byte
	Unknown bool // no answer: it took effect at any time since it was asked, or it will, or never
}

func (s *System) setDefaults() {
	if s.Machine == nil {
		model := StoreModel()
		*s = System{
			Machine: func() Machine { return NewStore() }, Workload: StoreWorkload{},
			Sessions: true, Once: storeOnce, Model: &model,
		}
	}
}

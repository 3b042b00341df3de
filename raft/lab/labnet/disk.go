package labnet

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

const maxWrite = time.Millisecond // a write takes a random time up to this

// Disk is a raft.Persister that survives the crash of its server. A write that is under way at a crash is kept in
// part or not at all: nothing was promised on it yet.
type Disk struct {
	memory *raft.MemoryPersister

	mu      sync.Mutex
	rng     *rand.Rand
	crashed bool
}

var errCrashed = errors.New("labnet: the server crashed during this write")

// NewDisk gives an empty disk.
func NewDisk(seed uint64) *Disk {
	return &Disk{memory: raft.NewMemoryPersister(), rng: rand.New(rand.NewPCG(seed, 1))}
}

// Load gives what a server finds when it starts.
func (d *Disk) Load() (consensus.Saved, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashed = false
	return d.memory.Load()
}

// Save takes a while. If the server crashes meanwhile, a random beginning of the batch is kept.
func (d *Disk) Save(batch []consensus.Save) error {
	d.mu.Lock()
	wait := time.Duration(d.rng.Int64N(int64(maxWrite)))
	d.mu.Unlock()
	time.Sleep(wait)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.crashed {
		return d.memory.Save(batch)
	}
	if err := d.memory.Save(batch[:d.rng.IntN(len(batch)+1)]); err != nil {
		return err
	}
	return errCrashed
}

// logSize tells how many entries are on the disk: Make keeps none that a snapshot covers.
func (d *Disk) logSize() int {
	saved, _ := d.memory.Load() // a memory does not fail
	return len(saved.Entries)
}

// Crash lets the write fail that is under way, and all after it, until the next Load.
func (d *Disk) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashed = true
}

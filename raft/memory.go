package raft

import (
	"slices"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// MemoryPersister is a Persister in memory, for tests and lessons: it survives the Raft that used it, as a disk
// survives a crash, but not the process. Give it to the next Make to restart a server.
type MemoryPersister struct {
	mu    sync.Mutex
	saved consensus.Saved
}

// NewMemoryPersister gives one that has saved nothing.
func NewMemoryPersister() *MemoryPersister { return &MemoryPersister{} }

// Load gives the sum of all Saves.
func (p *MemoryPersister) Load() (consensus.Saved, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return consensus.Saved{HardState: p.saved.HardState, Entries: slices.Clone(p.saved.Entries)}, nil
}

// Save keeps the batch.
func (p *MemoryPersister) Save(batch []consensus.Save) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, save := range batch {
		if save.HardState != nil {
			p.saved.HardState = *save.HardState
		}
		if len(save.Entries) > 0 {
			p.saved.Entries = append(p.saved.Entries[:save.Entries[0].Index-1], save.Entries...)
		}
	}
	return nil
}

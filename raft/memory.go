package raft

import (
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
	return p.saved, nil // Add does not write to what was given away
}

// Save keeps the batch.
func (p *MemoryPersister) Save(batch []consensus.Save) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, save := range batch {
		p.saved.Add(save)
	}
	return nil
}

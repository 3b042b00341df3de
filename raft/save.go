package raft

import (
	"fmt"
	"sync/atomic"

	"github.com/raftnode/raft/raft/consensus"
)

// work is one Flush's writing, and the promises that rest on it.
type work struct {
	save  consensus.Save
	after []Message
}

// saver owns the Persister. It is the one place that decides when a promise leaves: when its own Save and
// all before it are on stable storage.
type saver struct {
	persister Persister
	mark      func() error    // the Persister's Mark, or nil
	release   func([]Message) // sends promises
	queue     *queue[work]
	stop      <-chan struct{}
	waiting   atomic.Int64 // works submitted whose promises have not been released
}

// submit takes one Flush's work. Only Raft.run calls it. When there is nothing to write and nothing is being
// written, the promises rest on what is on stable storage already and leave at once.
func (s *saver) submit(w work) {
	if w.save.Empty() && s.waiting.Load() == 0 {
		s.release(w.after)
		return
	}
	s.waiting.Add(1)
	s.queue.put(w)
}

// run writes until stop, and ends with the first error. All that waits is one batch: while one fsync is under
// way, the next batch gathers. It marks when nothing waits any more: no promise rests on that.
func (s *saver) run() error {
	var batch []work
	var saves []consensus.Save
	for {
		select {
		case <-s.stop:
			return nil
		case <-s.queue.wake:
		}
		batch = s.queue.take(batch)
		saves = saves[:0]
		for _, w := range batch {
			if !w.save.Empty() {
				saves = append(saves, w.save)
			}
		}
		if len(saves) > 0 {
			if err := s.persister.Save(saves); err != nil {
				return fmt.Errorf("raft: cannot save, and may promise nothing any more: %w", err)
			}
		}
		for _, w := range batch {
			s.release(w.after)
		}
		if left := s.waiting.Add(-int64(len(batch))); left > 0 || s.mark == nil {
			continue
		}
		if err := s.mark(); err != nil {
			return fmt.Errorf("raft: cannot mark what was saved, and may promise nothing any more: %w", err)
		}
	}
}

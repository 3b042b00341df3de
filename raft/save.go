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
	release   func([]Message) // sends promises
	saved     func()          // is called when there are fewer works that wait
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
// way, the next batch gathers.
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
		// First, so that who comes from now on need not wait for these. What leaves at once then may overtake their promises.
		s.waiting.Add(-int64(len(batch)))
		s.release(promises(batch))
		s.saved()
	}
}

// promises gives those of all works. Of acknowledgements to one server the last says it all, unless it says less than the one before.
func promises(batch []work) []Message {
	var all []Message
	for _, w := range batch {
		for _, msg := range w.after {
			if last := len(all) - 1; last >= 0 && includes(msg, all[last]) {
				all[last] = msg
			} else {
				all = append(all, msg)
			}
		}
	}
	return all
}

// includes tells whether a message says all that an earlier one says.
func includes(msg, earlier Message) bool {
	now, ok := msg.(*consensus.AppendEntriesReply)
	before, both := earlier.(*consensus.AppendEntriesReply)
	return ok && both && now.Success && before.Success && now.Header == before.Header &&
		now.MatchIndex >= before.MatchIndex && now.Round >= before.Round
}

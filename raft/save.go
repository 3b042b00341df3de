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
	saved     func()          // is called when there are fewer works that wait
	queue     *queue[work]
	stop      <-chan struct{}
	waiting   atomic.Int64 // works submitted that are not on stable storage
	saves     []consensus.Save
}

// submit takes one Flush's work. It is for whoever has the turn. When there is nothing to write and nothing is being
// written, the promises rest on what is on stable storage already and leave at once.
func (s *saver) submit(w work) {
	if w.save.Empty() && s.waiting.Load() == 0 {
		s.release(w.after)
		return
	}
	s.waiting.Add(1)
	s.queue.put(w)
}

// maxSaveBytes is about how much is written by one Save, if there are several works that wait: so that a disk which takes its time is not
// taken for one that hangs.
const maxSaveBytes = 8 << 20

// run writes until stop, and ends with the first error. What waits is one batch: while one fsync is under
// way, the next batch gathers. It marks when nothing waits any more: no promise rests on that.
func (s *saver) run() error {
	var works []work
	for {
		select {
		case <-s.stop:
			return nil
		case <-s.queue.wake:
		}
		works = s.queue.take(works)
		for rest := works; len(rest) > 0; {
			n := batch(rest)
			if err := s.save(rest[:n]); err != nil {
				return fmt.Errorf("raft: cannot save, and may promise nothing any more: %w", err)
			}
			rest = rest[n:]
		}
		if s.waiting.Load() > 0 || s.mark == nil || len(works) == 0 {
			continue
		}
		if err := s.mark(); err != nil {
			return fmt.Errorf("raft: cannot mark what was saved, and may promise nothing any more: %w", err)
		}
	}
}

// batch tells how many of the works are to be one Save: at least one.
func batch(works []work) int {
	bytes := 0
	for i := range works {
		for j := range works[i].save.Entries {
			bytes += len(works[i].save.Entries[j].Data) + entryOverhead
		}
		if i > 0 && bytes > maxSaveBytes {
			return i
		}
	}
	return len(works)
}

// save writes some works as one batch, and lets their promises go.
func (s *saver) save(works []work) error {
	s.saves = s.saves[:0]
	for i := range works {
		if !works[i].save.Empty() {
			s.saves = append(s.saves, works[i].save)
		}
	}
	if len(s.saves) > 0 {
		if err := s.persister.Save(s.saves); err != nil {
			return err
		}
	}
	// First, so that who comes from now on need not wait for these. What leaves at once then may overtake their promises.
	s.waiting.Add(-int64(len(works)))
	s.release(promises(works))
	s.saved()
	return nil
}

// promises gives those of all works. Of acknowledgements to one other server the last says it all, unless it says less than the one before. Those to
// this server itself all go: the module counts them, and takes its disk for hanging while one is missing.
func promises(works []work) []Message {
	var all []Message
	for _, w := range works {
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

// includes tells whether a message says all that an earlier one says. The module waits for each of its own: by them it knows that the disk answers.
func includes(msg, earlier Message) bool {
	now, ok := msg.(*consensus.AppendEntriesReply)
	before, both := earlier.(*consensus.AppendEntriesReply)
	return ok && both && now.Success && before.Success && now.Header == before.Header && now.To != now.From &&
		now.MatchIndex >= before.MatchIndex && now.Round >= before.Round
}

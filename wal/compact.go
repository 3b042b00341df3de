package wal

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/raftnode/raft/raft/consensus"
)

// span is one segment, as far as compaction needs to know it.
type span struct {
	first uint64          // number of its first record
	last  consensus.Index // highest index of an entry in it that is neither overwritten nor dropped; 0: none
}

// spans are all segments that have a record, in order.
type spans []span

func (s *spans) begin(first uint64) { *s = append(*s, span{first: first}) }

// add counts the entries from first to last in the newest segment. Those that they replace are dead in theirs.
func (s spans) add(first, last consensus.Index) {
	for i := len(s) - 1; i >= 0 && (s[i].last == 0 || s[i].last >= first); i-- {
		s[i].last = min(s[i].last, first-1)
	}
	s[len(s)-1].last = last
}

// drop says that no entry counts any more.
func (s spans) drop() {
	for i := range s {
		s[i].last = 0
	}
}

// dead is how many of the first segments nothing is needed of: their entries lie at or before the base, and
// the segment behind them begins with all else, on stable storage.
func (s spans) dead(base consensus.Index, synced uint64) int {
	n := 0
	for n+1 < len(s) && s[n].last <= base && s[n+1].first <= synced {
		n++
	}
	return n
}

// compact removes what the newest snapshot, which is on stable storage and so is its marker, makes superfluous. No fsync
// makes the removals durable: what comes back after a power cut is as dead as before, and the next Open removes it.
//
// The files are removed here and not by tidwall/wal's TruncateFront, which copies a segment first: that needs space on a full
// disk, holds up the appends behind it, and has half-done states of its own.
func (l *Log) compact() error {
	dead := l.spans.dead(l.head.snapshot.base.Index, l.synced)
	for _, s := range l.spans[:dead] {
		if err := l.disk.remove(filepath.Join(l.dir, segmentName(s.first))); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
	}
	l.spans = append(spans(nil), l.spans[dead:]...)
	if err := l.snapshots.retire(l.head.snapshot.Position); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	l.compacted = l.head.snapshot.Index
	if l.removed += dead; l.removed < maxRemoved {
		return nil
	}
	return l.reopen()
}

// maxRemoved is after how many removed segments tidwall/wal is told, by opening it anew: it keeps some 150 bytes for each.
const maxRemoved = 1000

func (l *Log) reopen() error {
	if err := errors.Join(l.log.Close(), l.giveBack()); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if err := l.openAppendLog(); err != nil {
		return err
	}
	l.allocateAhead(l.newest)
	return nil
}

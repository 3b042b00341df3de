package main

import (
	"crypto/sha256"
	"fmt"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

// entrySum stands for an entry: of a log of any size, a comparison keeps these only.
type entrySum struct {
	term consensus.Term
	hash [16]byte // of kind and data
}

func sumOf(e *consensus.Entry) entrySum {
	h := sha256.New()
	h.Write([]byte{byte(e.Kind)})
	h.Write(e.Data)
	s := entrySum{term: e.Term}
	copy(s.hash[:], h.Sum(nil))
	return s
}

// logSums is the log of one directory, by its sums.
type logSums struct {
	dir   string
	found wal.Recovery
	first consensus.Index // of sums[0]; what stands before the base may still be there
	sums  []entrySum
	seq   uint64 // of the last record
}

func readSums(dir string) (*logSums, error) {
	l := &logSums{dir: dir}
	var err error
	l.found, err = scanLog(dir, l.add)
	if err != nil {
		return nil, &undecidedError{fmt.Errorf("the log in %s cannot be read to its end: %w. See `raftctl doctor --data-dir %s`", dir, err, dir)}
	}
	return l, nil
}

// add takes the next record. An entry at an index that is there takes the place of that one and of all behind it.
func (l *logSums) add(r wal.Record) error {
	gap := r.Seq > l.seq+1 // where compaction was: what stood before is dead
	l.seq = r.Seq
	switch {
	case gap || r.Type == "snapshot" && r.Installed:
		l.sums = nil
	case r.Type == "entry":
		i := r.Entry.Index
		if len(l.sums) == 0 || i < l.first {
			l.sums, l.first = l.sums[:0], i
		}
		l.sums = append(l.sums[:i-l.first], sumOf(&r.Entry))
	}
	return nil
}

// last is the index of the last entry, or of the base if there is none.
func (l *logSums) last() consensus.Index { return l.found.LastIndex }

// begin is the index of the first entry that is there.
func (l *logSums) begin() consensus.Index { return l.found.Base.Index + 1 }

// at gives the sum of the entry at i, if that is there.
func (l *logSums) at(i consensus.Index) (entrySum, bool) {
	if len(l.sums) == 0 || i < l.first || i-l.first >= consensus.Index(len(l.sums)) {
		return entrySum{}, false
	}
	return l.sums[i-l.first], true
}

// term gives the term at i, also if only the snapshot or the base tell it.
func (l *logSums) term(i consensus.Index) (consensus.Term, bool) {
	for _, p := range []consensus.Position{l.found.Base, l.found.Snapshot} {
		if p.Index == i && i > 0 {
			return p.Term, true
		}
	}
	s, ok := l.at(i)
	return s.term, ok
}

// entry reads the entry at i again.
func (l *logSums) entry(i consensus.Index) (*consensus.Entry, error) {
	var last *consensus.Entry
	_, err := scanLog(l.dir, func(r wal.Record) error {
		if r.Type == "entry" && r.Entry.Index == i {
			e := r.Entry
			last = &e
		}
		return nil
	})
	return last, err
}

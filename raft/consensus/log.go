package consensus

import "slices"

// log is the log of Figure 2 behind base, in memory. What stood at or before base gave way to a snapshot (§7).
//
// Invariant: entries[i].Index == base.Index+1+i; terms never decrease, from base.Term on.
// Invariant: the Data and the array of entries that were once handed out (in messages, in Effects) are never
// written to again; see truncateAndAppend.
type log struct {
	base    Position
	entries []Entry
	bytes   int // sum of entryBytes over entries
}

func (l *log) lastIndex() Index { return l.base.Index + Index(len(l.entries)) }

func (l *log) lastTerm() Term {
	term, _ := l.term(l.lastIndex())
	return term
}

// term gives the term of the entry at i; 0 for i = 0, the place before the first entry. It says false for an
// entry that is not there, or not any more: "missing" must never look like term 0, or a follower accepts 0 = 0.
func (l *log) term(i Index) (Term, bool) {
	if i == l.base.Index {
		return l.base.Term, true
	}
	if i < l.base.Index || i > l.lastIndex() {
		return 0, false
	}
	return l.at(i).Term, true
}

// at gives the entry at i, which must be there.
func (l *log) at(i Index) *Entry { return &l.entries[i-l.base.Index-1] }

// slice gives entries from..to, both included. The caller must not append to it.
func (l *log) slice(from, to Index) []Entry {
	if from > to {
		return nil
	}
	first, end := from-l.base.Index-1, to-l.base.Index
	return l.entries[first:end:end]
}

// batch gives the entries from..lastIndex as far as they fit into maxBytes, but at least one.
func (l *log) batch(from Index, maxBytes int) (entries []Entry, bytes int) {
	to := from
	for ; to <= l.lastIndex(); to++ {
		size := entryBytes(l.at(to))
		if to > from && bytes+size > maxBytes {
			break
		}
		bytes += size
	}
	return l.slice(from, to-1), bytes
}

// append adds entries behind the last one.
func (l *log) append(entries ...Entry) {
	for i := range entries {
		l.bytes += entryBytes(&entries[i])
	}
	l.entries = append(l.entries, entries...)
}

// truncateAndAppend deletes everything from entries[0].Index on and puts entries there (§5.3). The
// kept part is copied: messages and Saves that are still under way share the old array.
func (l *log) truncateAndAppend(entries []Entry) {
	keep := entries[0].Index - l.base.Index - 1
	for i := range l.entries[keep:] {
		l.bytes -= entryBytes(&l.entries[int(keep)+i])
	}
	l.entries = slices.Clip(l.entries[:keep])
	l.append(entries...)
}

// compact forgets the entries up to base.Index, which is not behind the last one. What remains is copied, so that the memory
// of the others is free once nothing that was handed out refers to it.
func (l *log) compact(base Position) {
	gone := base.Index - l.base.Index
	for i := range l.entries[:gone] {
		l.bytes -= entryBytes(&l.entries[i])
	}
	l.entries = slices.Clone(l.entries[gone:])
	l.base = base
}

// lastWithTermAtMost gives the last place at or before i whose term is at most t. Terms never decrease along a log, so it is
// a binary search. It says false if that place lies before base: nothing is known of those.
func (l *log) lastWithTermAtMost(i Index, t Term) (Position, bool) {
	i = min(i, l.lastIndex())
	if i < l.base.Index || l.base.Term > t {
		return Position{}, false
	}
	n, _ := slices.BinarySearchFunc(l.entries[:i-l.base.Index], t, func(e Entry, t Term) int {
		if e.Term <= t {
			return -1
		}
		return 1
	})
	at := l.base.Index + Index(n)
	term, _ := l.term(at)
	return Position{Index: at, Term: term}, true
}

// bytesFrom sums entryBytes over the entries from..lastIndex.
func (l *log) bytesFrom(from Index) int {
	bytes := 0
	entries := l.slice(from, l.lastIndex())
	for i := range entries {
		bytes += entryBytes(&entries[i])
	}
	return bytes
}

// trailing gives the lowest place behind which the entries up to upTo fit into maxBytes.
func (l *log) trailing(upTo Index, maxBytes int) Index {
	at := upTo
	for bytes := 0; at > l.base.Index; at-- {
		if bytes += entryBytes(l.at(at)); bytes > maxBytes {
			break
		}
	}
	return at
}

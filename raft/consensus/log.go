package consensus

import "slices"

// log is the log of Figure 2, from index 1, in memory.
//
// Invariant: entries[i].Index == i+1; terms never decrease.
// Invariant: the Data and the array of entries that were once handed out (in messages, in Effects) are never
// written to again; see truncateAndAppend.
type log struct {
	entries []Entry
	bytes   int // sum of entryBytes over entries
}

func (l *log) lastIndex() Index { return Index(len(l.entries)) }

func (l *log) lastTerm() Term {
	term, _ := l.term(l.lastIndex())
	return term
}

// term gives the term of the entry at i; 0 for i = 0, the place before the first entry. It says false for an
// entry that is not there: "missing" must never look like term 0, or a follower accepts 0 = 0.
func (l *log) term(i Index) (Term, bool) {
	if i == 0 {
		return 0, true
	}
	if i > l.lastIndex() {
		return 0, false
	}
	return l.entries[i-1].Term, true
}

// slice gives entries from..to, both included. The caller must not append to it.
func (l *log) slice(from, to Index) []Entry {
	if from > to {
		return nil
	}
	return l.entries[from-1 : to : to]
}

// batch gives the entries from..lastIndex as far as they fit into maxBytes, but at least one.
func (l *log) batch(from Index, maxBytes int) (entries []Entry, bytes int) {
	to := from
	for ; to <= l.lastIndex(); to++ {
		size := entryBytes(l.entries[to-1])
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
		l.bytes += entryBytes(entries[i])
	}
	l.entries = append(l.entries, entries...)
}

// truncateAndAppend deletes everything from entries[0].Index on and puts entries there (§5.3). The
// kept part is copied: messages and Saves that are still under way share the old array.
func (l *log) truncateAndAppend(entries []Entry) {
	keep := entries[0].Index - 1
	for _, e := range l.entries[keep:] {
		l.bytes -= entryBytes(e)
	}
	l.entries = slices.Clip(l.entries[:keep])
	l.append(entries...)
}

// lastWithTermAtMost gives the last index at or before i whose term is at most t, and its term; 0, 0 if
// there is none. Terms never decrease along a log, so it is a binary search.
func (l *log) lastWithTermAtMost(i Index, t Term) (Index, Term) {
	i = min(i, l.lastIndex())
	n, _ := slices.BinarySearchFunc(l.entries[:i], t, func(e Entry, t Term) int {
		if e.Term <= t {
			return -1
		}
		return 1
	})
	term, _ := l.term(Index(n))
	return Index(n), term
}

// bytesFrom sums entryBytes over the entries from..lastIndex.
func (l *log) bytesFrom(from Index) int {
	bytes := 0
	for _, e := range l.slice(from, l.lastIndex()) {
		bytes += entryBytes(e)
	}
	return bytes
}

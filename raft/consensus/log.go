package consensus

import "slices"

// log is the log of Figure 2 behind base, in memory. What stood at or before base gave way to a snapshot (§7).
//
// It is in chunks, so that whatever its length an append does not copy it, and neither does a truncation.
//
// Invariant: the entry at place i of the chunks, one behind the other, has Index base.Index+1+i; terms never decrease, from base.Term on.
// Invariant: the Data and the array of entries that were once handed out (in messages, in Effects) are never
// written to again; see truncateAndAppend.
type log struct {
	base   Position
	chunks []logChunk // none is empty
	bytes  int        // sum of entryBytes over all entries
}

// logChunk is a part of the log.
type logChunk struct {
	first   Index // entries[0].Index
	entries []Entry
	bytes   int  // sum of entryBytes over entries
	full    bool // nothing may be added
}

// What a chunk has at most, but for one that was loaded from stable storage and one with a single entry. Compaction lets go of whole chunks.
const (
	chunkEntries = 1024
	chunkBytes   = 1 << 20
)

func (c *logChunk) last() Index { return c.first + Index(len(c.entries)) - 1 }

func (c *logChunk) isFull() bool {
	return c.full || len(c.entries) >= chunkEntries || c.bytes >= chunkBytes
}

func (l *log) lastIndex() Index {
	if n := len(l.chunks); n > 0 {
		return l.chunks[n-1].last()
	}
	return l.base.Index
}

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
func (l *log) at(i Index) *Entry { return &l.from(i)[0] }

// chunkOf gives the place of the chunk with the entry at i, which must be there. Mostly it is the last one.
func (l *log) chunkOf(i Index) int {
	n := len(l.chunks) - 1
	if l.chunks[n].first <= i {
		return n
	}
	return partition(l.chunks[:n], func(c *logChunk) bool { return c.first <= i }) - 1
}

// partition gives how many of all hold, where those that do stand before those that do not.
func partition[T any](all []T, holds func(*T) bool) int {
	low, high := 0, len(all)
	for low < high {
		if middle := (low + high) / 2; holds(&all[middle]) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// from gives the entries from i on, to the end of a chunk; the one at i must be there. The caller must not append to it.
func (l *log) from(i Index) []Entry {
	c := &l.chunks[l.chunkOf(i)]
	return slices.Clip(c.entries[i-c.first:])
}

// upTo gives the entries up to and including i, from the beginning of a chunk on; the one at i must be there. The caller must not append to it.
func (l *log) upTo(i Index) []Entry {
	c := &l.chunks[l.chunkOf(i)]
	return slices.Clip(c.entries[:i-c.first+1])
}

// slice gives entries from..to, both included: as they are if a chunk has them all, else a copy. The caller must not append to it.
func (l *log) slice(from, to Index) []Entry {
	if from > to {
		return nil
	}
	entries, n := l.from(from), int(to-from+1)
	if len(entries) >= n {
		return entries[:n:n]
	}
	all := make([]Entry, 0, n)
	for len(entries) < n-len(all) {
		all = append(all, entries...)
		entries = l.from(from + Index(len(all)))
	}
	return append(all, entries[:n-len(all)]...)
}

// batch gives the entries from..lastIndex as far as they fit into maxBytes, and as they are in one chunk, but at least one.
func (l *log) batch(from Index, maxBytes int) (entries []Entry, bytes int) {
	entries = l.from(from)
	for n := range entries {
		size := entryBytes(&entries[n])
		if n > 0 && bytes+size > maxBytes {
			return entries[:n:n], bytes
		}
		bytes += size
	}
	return entries, bytes
}

// append adds entries behind the last one.
func (l *log) append(entries ...Entry) {
	for i := range entries {
		last := len(l.chunks) - 1
		if last < 0 || l.chunks[last].isFull() {
			last++
			l.chunks = append(l.chunks, logChunk{first: entries[i].Index})
			if last > 0 { // most logs of tests, and some others, are never longer than one
				l.chunks[last].entries = make([]Entry, 0, chunkEntries)
			}
		}
		c, size := &l.chunks[last], entryBytes(&entries[i])
		c.entries = append(c.entries, entries[i])
		c.bytes += size
		l.bytes += size
	}
}

// load makes a chunk of what stable storage gave, without a copy. The log must be empty.
func (l *log) load(entries []Entry) {
	if len(entries) == 0 {
		return
	}
	c := logChunk{first: entries[0].Index, entries: entries, bytes: sumBytes(entries), full: true}
	l.chunks, l.bytes = []logChunk{c}, c.bytes
}

// truncateAndAppend deletes everything from entries[0].Index on and puts entries there (§5.3). What is appended comes into another chunk
// than what is kept: messages and Saves that are still under way share the array.
func (l *log) truncateAndAppend(entries []Entry) {
	first := entries[0].Index
	at := l.chunkOf(first)
	for i := at + 1; i < len(l.chunks); i++ {
		l.bytes -= l.chunks[i].bytes
	}
	clear(l.chunks[at+1:])
	l.chunks = l.chunks[:at+1]
	c := &l.chunks[at]
	gone := sumBytes(c.entries[first-c.first:])
	c.entries, c.bytes, c.full = slices.Clip(c.entries[:first-c.first]), c.bytes-gone, true
	l.bytes -= gone
	if len(c.entries) == 0 {
		l.chunks = l.chunks[:at]
	}
	l.append(entries...)
}

// compact forgets the entries up to base.Index, which is not behind the last one. The memory of those that share a chunk with a later entry is free
// with that one; but what remains of a loaded chunk is copied.
func (l *log) compact(base Position) {
	l.base = base
	dead := 0
	for dead < len(l.chunks) && l.chunks[dead].last() <= base.Index {
		l.bytes -= l.chunks[dead].bytes
		dead++
	}
	l.chunks = slices.Clone(l.chunks[dead:])
	if len(l.chunks) == 0 || l.chunks[0].first > base.Index {
		return
	}
	c := &l.chunks[0]
	gone := base.Index + 1 - c.first
	goneBytes := sumBytes(c.entries[:gone])
	c.first, c.entries, c.bytes = base.Index+1, c.entries[gone:], c.bytes-goneBytes
	l.bytes -= goneBytes
	if cap(c.entries)+int(gone) > chunkEntries {
		c.entries = slices.Clone(c.entries)
	}
}

// lastWithTermAtMost gives the last place at or before i whose term is at most t. Terms never decrease along a log, so it is
// a binary search. It says false if that place lies before base: nothing is known of those.
func (l *log) lastWithTermAtMost(i Index, t Term) (Position, bool) {
	i = min(i, l.lastIndex())
	if i < l.base.Index || l.base.Term > t {
		return Position{}, false
	}
	chunks := partition(l.chunks, func(c *logChunk) bool { return c.first <= i && c.entries[0].Term <= t })
	if chunks == 0 {
		return l.base, true
	}
	c := &l.chunks[chunks-1]
	e := c.entries[partition(c.entries, func(e *Entry) bool { return e.Index <= i && e.Term <= t })-1]
	return Position{Index: e.Index, Term: e.Term}, true
}

func sumBytes(entries []Entry) (bytes int) {
	for i := range entries {
		bytes += entryBytes(&entries[i])
	}
	return bytes
}

// bytesIn sums entryBytes over the entries from..to, both included.
func (l *log) bytesIn(from, to Index) (bytes int) {
	for from <= to {
		entries := l.from(from)
		entries = entries[:min(Index(len(entries)), to-from+1)]
		bytes += sumBytes(entries)
		from += Index(len(entries))
	}
	return bytes
}

// trailing gives the lowest place behind which the entries up to upTo fit into maxBytes.
func (l *log) trailing(upTo Index, maxBytes int) Index {
	at := upTo
	for bytes := 0; at > l.base.Index; {
		entries := l.upTo(at)
		for i := len(entries) - 1; i >= 0; i-- {
			if bytes += entryBytes(&entries[i]); bytes > maxBytes {
				return at
			}
			at--
		}
	}
	return at
}

package kv

import "slices"

// items is the map from keys to items, sorted by key, in chunks: adding a key moves at most one chunk, and now and then the
// list of chunks. A frozen copy costs as much as the list: the two share the chunks, and one that is to be changed is
// copied first.
type items struct {
	chunks []chunk // none is empty; ascending within and between
	epoch  uint64  // grows with each frozen copy
	count  int
}

// chunk is some keys and their items.
type chunk struct {
	keys  []string
	items []Item // of the keys, at the same places
	epoch uint64 // in which this chunk was made. One of an earlier epoch is shared: it is not written to
}

const maxChunk = 512

// freeze gives a copy that stays as it is. It must not be changed.
func (t *items) freeze() items {
	t.epoch++
	return items{chunks: slices.Clone(t.chunks), count: t.count}
}

// place is where a key is or belongs: a chunk, and a place in it.
type place struct{ chunk, in int }

// find gives the place at which the key is or belongs. It compares without a copy of the key, which may be a piece of a command.
func find[K string | []byte](t *items, key K) (at place, found bool) {
	if len(t.chunks) == 0 {
		return place{}, false
	}
	low, high := 0, len(t.chunks) // the first chunk that begins behind the key
	for low < high {
		if middle := int(uint(low+high) >> 1); t.chunks[middle].keys[0] <= string(key) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	at.chunk = max(low-1, 0)
	keys := t.chunks[at.chunk].keys
	low, high = 0, len(keys) // the first key that is not before this one
	for low < high {
		if middle := int(uint(low+high) >> 1); keys[middle] < string(key) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	at.in = low
	return at, low < len(keys) && keys[low] == string(key)
}

// at gives the item at a place where one is.
func (t *items) at(p place) Item { return t.chunks[p.chunk].items[p.in] }

// own gives a chunk that may be changed.
func (t *items) own(i int) *chunk {
	c := &t.chunks[i]
	if c.epoch != t.epoch {
		*c = chunk{keys: slices.Clone(c.keys), items: slices.Clone(c.items), epoch: t.epoch}
	}
	return c
}

// setAt changes the item at a place where one is.
func (t *items) setAt(p place, item Item) { t.own(p.chunk).items[p.in] = item }

// insertAt adds a key that is not there at the place where it belongs.
func (t *items) insertAt(p place, key string, item Item) {
	t.count++
	if len(t.chunks) == 0 {
		t.chunks = append(t.chunks, chunk{keys: []string{key}, items: []Item{item}, epoch: t.epoch})
		return
	}
	c := t.own(p.chunk)
	c.keys, c.items = slices.Insert(c.keys, p.in, key), slices.Insert(c.items, p.in, item)
	if len(c.keys) > maxChunk {
		t.split(p.chunk)
	}
}

// split makes two chunks of one that this table owns.
func (t *items) split(i int) {
	c := &t.chunks[i]
	right := chunk{keys: slices.Clone(c.keys[maxChunk/2:]), items: slices.Clone(c.items[maxChunk/2:]), epoch: t.epoch}
	clear(c.keys[maxChunk/2:])
	clear(c.items[maxChunk/2:])
	c.keys, c.items = c.keys[:maxChunk/2], c.items[:maxChunk/2]
	t.chunks = slices.Insert(t.chunks, i+1, right)
}

// append adds a key that comes behind all that are there.
func (t *items) append(key string, item Item) {
	last := len(t.chunks) - 1
	if last < 0 || len(t.chunks[last].keys) == maxChunk/2 {
		room := maxChunk / 2
		t.chunks = append(t.chunks, chunk{keys: make([]string, 0, room), items: make([]Item, 0, room), epoch: t.epoch})
		last++
	}
	c := t.own(last)
	c.keys, c.items = append(c.keys, key), append(c.items, item)
	t.count++
}

// removeAt removes the key at a place where one is.
func (t *items) removeAt(p place) {
	t.count--
	if len(t.chunks[p.chunk].keys) == 1 {
		t.chunks = slices.Delete(t.chunks, p.chunk, p.chunk+1)
		return
	}
	c := t.own(p.chunk)
	c.keys, c.items = slices.Delete(c.keys, p.in, p.in+1), slices.Delete(c.items, p.in, p.in+1)
}

// from calls visit with the keys at or behind start, in order, until it returns false.
func (t *items) from(start string, visit func(key string, item Item) bool) {
	place, _ := find(t, start)
	i, at := place.chunk, place.in
	for ; i < len(t.chunks); i++ {
		c := &t.chunks[i]
		for ; at < len(c.keys); at++ {
			if !visit(c.keys[at], c.items[at]) {
				return
			}
		}
		at = 0
	}
}

package kv

import (
	"slices"
	"strings"
)

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

// find gives the place at which the key is or belongs: a chunk, and a place in it.
func (t *items) find(key string) (i, at int, found bool) {
	if len(t.chunks) == 0 {
		return 0, 0, false
	}
	i, found = slices.BinarySearchFunc(t.chunks, key, func(c chunk, key string) int {
		return strings.Compare(c.keys[0], key)
	})
	if found {
		return i, 0, true
	}
	if i > 0 {
		i--
	}
	at, found = slices.BinarySearch(t.chunks[i].keys, key)
	return i, at, found
}

// own gives a chunk that may be changed.
func (t *items) own(i int) *chunk {
	c := &t.chunks[i]
	if c.epoch != t.epoch {
		*c = chunk{keys: slices.Clone(c.keys), items: slices.Clone(c.items), epoch: t.epoch}
	}
	return c
}

func (t *items) get(key string) (Item, bool) {
	i, at, found := t.find(key)
	if !found {
		return Item{}, false
	}
	return t.chunks[i].items[at], true
}

func (t *items) set(key string, item Item) {
	i, at, found := t.find(key)
	if found {
		t.own(i).items[at] = item
		return
	}
	t.count++
	if len(t.chunks) == 0 {
		t.chunks = append(t.chunks, chunk{keys: []string{key}, items: []Item{item}, epoch: t.epoch})
		return
	}
	c := t.own(i)
	c.keys, c.items = slices.Insert(c.keys, at, key), slices.Insert(c.items, at, item)
	if len(c.keys) > maxChunk {
		t.split(i)
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

// remove removes a key, whether or not it is there.
func (t *items) remove(key string) {
	i, at, found := t.find(key)
	if !found {
		return
	}
	t.count--
	if len(t.chunks[i].keys) == 1 {
		t.chunks = slices.Delete(t.chunks, i, i+1)
		return
	}
	c := t.own(i)
	c.keys, c.items = slices.Delete(c.keys, at, at+1), slices.Delete(c.items, at, at+1)
}

// from calls visit with the keys at or behind start, in order, until it returns false.
func (t *items) from(start string, visit func(key string, item Item) bool) {
	i, at, _ := t.find(start)
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

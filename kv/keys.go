package kv

import "slices"

// keys is a sorted set of keys, in chunks: adding one moves at most one chunk, and now and then
// the list of chunks.
type keys struct {
	chunks [][]string // none is empty; ascending within and between
}

const maxChunk = 512

// chunk gives the place of the chunk in which the key is or belongs.
func (k *keys) chunk(key string) int {
	i, found := slices.BinarySearchFunc(k.chunks, key, func(chunk []string, key string) int {
		switch {
		case chunk[0] < key:
			return -1
		case chunk[0] > key:
			return 1
		}
		return 0
	})
	if !found && i > 0 {
		i--
	}
	return i
}

// add adds a key that is not there.
func (k *keys) add(key string) {
	if len(k.chunks) == 0 {
		k.chunks = append(k.chunks, []string{key})
		return
	}
	i := k.chunk(key)
	at, _ := slices.BinarySearch(k.chunks[i], key)
	k.chunks[i] = slices.Insert(k.chunks[i], at, key)
	if len(k.chunks[i]) > maxChunk {
		right := slices.Clone(k.chunks[i][maxChunk/2:])
		clear(k.chunks[i][maxChunk/2:])
		k.chunks[i] = k.chunks[i][:maxChunk/2]
		k.chunks = slices.Insert(k.chunks, i+1, right)
	}
}

// remove removes a key that is there.
func (k *keys) remove(key string) {
	i := k.chunk(key)
	at, _ := slices.BinarySearch(k.chunks[i], key)
	k.chunks[i] = slices.Delete(k.chunks[i], at, at+1)
	if len(k.chunks[i]) == 0 {
		k.chunks = slices.Delete(k.chunks, i, i+1)
	}
}

// from calls visit with the keys at or behind start, in order, until it returns false.
func (k *keys) from(start string, visit func(key string) bool) {
	if len(k.chunks) == 0 {
		return
	}
	i := k.chunk(start)
	at, _ := slices.BinarySearch(k.chunks[i], start)
	for ; i < len(k.chunks); i++ {
		for _, key := range k.chunks[i][at:] {
			if !visit(key) {
				return
			}
		}
		at = 0
	}
}

package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// How many keys are in use at a time, and when a key is replaced by a new one: the check of a key's history
// grows faster than the history, above all with outcomes that are unknown.
const (
	liveRegisters    = 4
	liveLists        = 2
	maxRegisterOps   = 1000
	maxListOps       = 250
	maxUnknownWrites = 12
)

// keyspace hands out keys to concurrent clients.
type keyspace struct {
	mu        sync.Mutex
	made      []string
	registers [liveRegisters]*key
	lists     [liveLists]*key
}

// key is one key in use.
type key struct {
	name    string
	list    bool // it is only appended to; otherwise it is put, deleted, compared and set
	slot    int
	ops     int
	unknown int
	seen    uint64 // the highest version that any client has seen
}

func newKeyspace() *keyspace {
	s := &keyspace{}
	for i := range s.registers {
		s.replace(&key{slot: i})
	}
	for i := range s.lists {
		s.replace(&key{slot: i, list: true})
	}
	return s
}

// replace puts a new key into the place of the old. The caller holds s.mu, or nobody else has s yet.
func (s *keyspace) replace(old *key) {
	fresh := &key{list: old.list, slot: old.slot}
	if old.list {
		fresh.name = fmt.Sprintf("list/%d", len(s.made))
		s.lists[old.slot] = fresh
	} else {
		fresh.name = fmt.Sprintf("register/%d", len(s.made))
		s.registers[old.slot] = fresh
	}
	s.made = append(s.made, fresh.name)
}

// take picks a key for one operation, and tells the highest version that anybody saw of it.
func (s *keyspace) take(rng *rand.Rand) (k *key, seen uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := maxRegisterOps
	if n := rng.IntN(liveRegisters + liveLists); n < liveRegisters {
		k = s.registers[n]
	} else {
		k, most = s.lists[n-liveRegisters], maxListOps
	}
	if k.ops++; k.ops == most {
		s.replace(k)
	}
	return k, k.seen
}

// learn takes note of how an operation on the key ended.
func (s *keyspace) learn(k *key, op *Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.seen = max(k.seen, op.Index)
	if op.Outcome != Info {
		return
	}
	if k.unknown++; k.unknown == maxUnknownWrites && s.inUse(k) {
		s.replace(k)
	}
}

func (s *keyspace) inUse(k *key) bool {
	if k.list {
		return s.lists[k.slot] == k
	}
	return s.registers[k.slot] == k
}

// all gives the name of every key that was ever in use.
func (s *keyspace) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.made)
}

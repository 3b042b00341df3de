package kv

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/raftnode/raft/raft"
)

// set, remove and get are what the Store does in two steps.
func (t *items) set(key string, item Item) {
	if at, found := find(t, key); found {
		t.setAt(at, item)
	} else {
		t.insertAt(at, key, item)
	}
}

func (t *items) remove(key string) {
	if at, found := find(t, key); found {
		t.removeAt(at)
	}
}

func (t *items) get(key string) (Item, bool) {
	at, found := find(t, []byte(key))
	if !found {
		return Item{}, false
	}
	return t.at(at), true
}

// same compares a table with a plain map.
func same(t *testing.T, what string, got *items, want map[string]raft.Index) {
	t.Helper()
	var keys []string
	got.from("", func(key string, item Item) bool {
		if keys = append(keys, key); item.Version != want[key] {
			t.Fatalf("%s: %s has version %d, want %d", what, key, item.Version, want[key])
		}
		return true
	})
	if !slices.Equal(keys, slices.Sorted(maps.Keys(want))) || got.count != len(want) {
		t.Fatalf("%s: %d keys, counted %d, want %d; or they are others, or not in order", what, len(keys), got.count, len(want))
	}
}

// The table against a plain map, over many chunks; and copies of both, that stay what they were.
func TestItemsAndTheirFrozenCopies(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	var table items
	model := map[string]raft.Index{}
	type copied struct {
		items items
		model map[string]raft.Index
	}
	var copies []copied
	for step := range 30000 {
		key := fmt.Sprintf("%05d", random.IntN(8000))
		switch {
		case random.IntN(5) < 3:
			table.set(key, Item{Version: raft.Index(step + 1)})
			model[key] = raft.Index(step + 1)
		default:
			table.remove(key)
			delete(model, key)
		}
		if item, found := table.get(key); found != (model[key] != 0) || item.Version != model[key] {
			t.Fatalf("step %d: %s is %+v, want version %d", step, key, item, model[key])
		}
		if random.IntN(1500) == 0 {
			copies = append(copies, copied{table.freeze(), maps.Clone(model)})
		}
	}
	same(t, "the table", &table, model)
	for i := range copies {
		same(t, fmt.Sprintf("copy %d of %d", i, len(copies)), &copies[i].items, copies[i].model)
	}
	for key := range maps.Clone(model) {
		table.remove(key)
	}
	if len(table.chunks) != 0 || table.count != 0 {
		t.Errorf("%d chunks are left of nothing, and %d keys", len(table.chunks), table.count)
	}
}

func TestItemsFromSomewhere(t *testing.T) {
	var table items
	var keys []string
	for i := range 5000 {
		keys = append(keys, fmt.Sprintf("%05d", 2*i))
		table.append(keys[i], Item{Version: 1})
	}
	table.from("00001", func(key string, _ Item) bool { return key < "00003" }) // stops when told to
	for i := range 10001 {
		start, first := fmt.Sprintf("%05d", i), "(none)"
		table.from(start, func(key string, _ Item) bool { first = key; return false })
		want := "(none)"
		if at := (i + 1) / 2; at < len(keys) {
			want = keys[at]
		}
		if first != want {
			t.Fatalf("from %q begins with %q, want %q", start, first, want)
		}
	}
}

// What is not written to is shared, and what is written to is copied once: a copy must not cost what the table does.
func TestACopySharesWhatDoesNotChange(t *testing.T) {
	var table items
	for i := range 5000 {
		table.append(fmt.Sprintf("%05d", i), Item{Version: 1})
	}
	copied := table.freeze()
	table.set("02500", Item{Version: 2})
	at, _ := find(&table, "02500")
	i := at.chunk
	once := &table.chunks[i].items[0]
	table.set("02500", Item{Version: 3})
	if &table.chunks[i].items[0] != once {
		t.Error("a chunk was copied again")
	}
	differ := 0
	for i := range table.chunks {
		if &table.chunks[i].items[0] != &copied.chunks[i].items[0] {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("%d of %d chunks were copied for one key", differ, len(table.chunks))
	}
}

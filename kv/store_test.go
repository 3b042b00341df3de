package kv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft"
)

// replica is a Store with a log of its own.
type replica struct {
	t     *testing.T
	store *Store
	index raft.Index
}

func newReplica(t *testing.T) *replica { return &replica{t: t, store: NewStore()} }

func (r *replica) do(c Command) Result {
	r.t.Helper()
	encoded, err := c.Encode()
	if err != nil {
		r.t.Fatalf("encode: %v", err)
	}
	return r.apply(encoded)
}

func (r *replica) apply(value any) Result {
	r.index++
	return *r.store.Apply([]raft.Command{{Index: r.index, Term: 3, Value: value}})[0].(*Result)
}

func (r *replica) value(key string) string {
	item, _, found := r.store.Get(key)
	if !found {
		return "(none)"
	}
	return fmt.Sprintf("%s@%d", item.Value, item.Version)
}

func (r *replica) must(got Result, want ResultCode) {
	r.t.Helper()
	if got.Code != want {
		r.t.Fatalf("result %+v, want code %d", got, want)
	}
}

func (r *replica) has(key, want string) {
	r.t.Helper()
	if got := r.value(key); got != want {
		r.t.Fatalf("%q is %.50s, want %s", key, got, want)
	}
}

func TestPutAppendDelete(t *testing.T) {
	r := newReplica(t)
	r.has("k", "(none)")
	r.must(r.do(Command{Op: Append, Key: "k", Value: []byte("a")}), Done)
	r.has("k", "a@1")
	r.must(r.do(Command{Op: Append, Key: "k", Value: []byte("b")}), Done)
	r.has("k", "ab@2")
	r.must(r.do(Command{Op: Put, Key: "k", Value: []byte("c")}), Done)
	r.has("k", "c@3")
	r.must(r.do(Command{Op: Delete, Key: "k"}), Done)
	r.has("k", "(none)")
	r.must(r.do(Command{Op: Delete, Key: "k"}), Done)
	if at := r.store.Applied(); at != (Position{Index: 5, Term: 3}) {
		t.Errorf("applied %+v, want index 5 of term 3", at)
	}
}

// What a reader holds must not change under it, though appends work in place; nor can the reader reach
// behind its end.
func TestAValueThatWasReadDoesNotChange(t *testing.T) {
	r := newReplica(t)
	logged := []byte("abc")
	r.must(r.apply(mustEncode(t, Command{Op: Put, Key: "k", Value: logged})), Done)
	var held [][]byte
	for i := range 50 {
		item, _, _ := r.store.Get("k")
		held = append(held, item.Value)
		r.must(r.do(Command{Op: Append, Key: "k", Value: []byte{byte('0' + i%10)}}), Done)
	}
	for _, value := range held {
		_ = append(value, "overwritten"...) // what stands behind it now is the Store's
	}
	item, _, _ := r.store.Get("k")
	held = append(held, item.Value)
	for i, value := range held {
		if want := "abc" + strings.Repeat("0123456789", 5)[:i]; string(value) != want {
			t.Fatalf("read %d is now %q, was %q", i, value, want)
		}
	}
}

func mustEncode(t *testing.T, c Command) []byte {
	t.Helper()
	encoded, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestTheStoreKeepsNothingOfTheLogsMemory(t *testing.T) {
	r := newReplica(t)
	put := mustEncode(t, Command{Op: Put, Key: "put", Value: []byte("value")})
	add := mustEncode(t, Command{Op: Append, Key: "add", Value: []byte("value")})
	r.apply(put)
	r.apply(add)
	clear(put)
	clear(add)
	r.has("put", "value@1")
	r.has("add", "value@2")
}

func TestConditions(t *testing.T) {
	r := newReplica(t)
	put := func(c Condition) Result { return r.do(Command{Op: Put, Key: "k", Value: []byte("v"), If: c}) }
	r.must(put(Condition{Kind: IfExists}), ConditionFalse)
	r.must(put(Condition{Kind: IfVersion, Version: 0}), ConditionFalse) // absent is not "version 0"
	r.has("k", "(none)")
	r.must(put(Condition{Kind: IfAbsent}), Done)
	r.has("k", "v@3")
	if refused := put(Condition{Kind: IfAbsent}); refused.Code != ConditionFalse || refused.Version != 3 {
		t.Errorf("create of what exists: %+v, want the condition false and version 3", refused)
	}
	r.must(put(Condition{Kind: IfVersion, Version: 2}), ConditionFalse)
	r.has("k", "v@3")
	r.must(put(Condition{Kind: IfVersion, Version: 3}), Done)
	r.has("k", "v@6")
	r.must(put(Condition{Kind: IfExists}), Done)
	r.must(r.do(Command{Op: Delete, Key: "k", If: Condition{Kind: IfVersion, Version: 6}}), ConditionFalse)
	r.must(r.do(Command{Op: Delete, Key: "k", If: Condition{Kind: IfVersion, Version: 7}}), Done)
	r.has("k", "(none)")
}

func TestAnAppendAboveTheLimitChangesNothing(t *testing.T) {
	r := newReplica(t)
	r.must(r.do(Command{Op: Put, Key: "k", Value: make([]byte, MaxValueBytes-1)}), Done)
	r.must(r.do(Command{Op: Append, Key: "k", Value: []byte("xy")}), ValueTooLarge)
	item, _, _ := r.store.Get("k")
	if len(item.Value) != MaxValueBytes-1 || item.Version != 1 {
		t.Fatalf("the value has %d bytes at version %d", len(item.Value), item.Version)
	}
	r.must(r.do(Command{Op: Append, Key: "k", Value: []byte("x")}), Done)
}

func TestARepeatGetsTheFirstAnswer(t *testing.T) {
	r := newReplica(t)
	once := Command{Op: Append, Key: "k", Value: []byte("x"), Client: "c", Seq: 1}
	first := r.do(once)
	r.must(first, Done)
	r.do(Command{Op: Put, Key: "other"})
	if again := r.do(once); again != first {
		t.Errorf("the repeat got %+v, the first %+v", again, first)
	}
	r.has("k", "x@1")

	// A refusal is an answer too: it stands, though the condition holds by now.
	create := Command{Op: Put, Key: "k", Value: []byte("new"), If: Condition{Kind: IfAbsent}, Client: "c", Seq: 2}
	refused := r.do(create)
	r.must(refused, ConditionFalse)
	r.do(Command{Op: Delete, Key: "k"})
	if again := r.do(create); again != refused {
		t.Errorf("the repeat got %+v, the first %+v", again, refused)
	}
	r.has("k", "(none)")
}

func TestTheOrderOfAClientsWrites(t *testing.T) {
	r := newReplica(t)
	write := func(client string, seq uint64) Result {
		return r.do(Command{Op: Append, Key: "k", Value: []byte("x"), Client: client, Seq: seq})
	}
	if result := write("c", 2); result.Code != SessionUnknown || result.Index != 1 || result.Term != 3 {
		t.Errorf("a client that begins with 2: %+v, want it unknown at index 1 of term 3", result)
	}
	r.has("k", "(none)")
	r.must(write("c", 1), Done)
	r.must(write("c", 5), Done) // the writes between were certainly not done
	if result := write("c", 4); result.Code != SessionStale || result.Index != 4 {
		t.Errorf("a number below the last: %+v, want it stale at index 4", result)
	}
	r.must(write("d", 1), Done)
	r.has("k", "xxx@5")
}

func TestTheClientThatIsSilentLongestIsForgotten(t *testing.T) {
	r := newReplica(t)
	r.store = newStore(3)
	write := func(client string, seq uint64) Result {
		return r.do(Command{Op: Append, Key: client, Value: []byte("x"), Client: client, Seq: seq})
	}
	for _, client := range []string{"a", "b", "c"} {
		r.must(write(client, 1), Done)
	}
	r.must(write("a", 1), Done) // a repeat counts as being heard
	r.must(write("d", 1), Done) // pushes out b
	r.must(write("b", 2), SessionUnknown)
	r.has("b", "x@2")
	r.must(write("a", 2), Done)
	r.must(write("c", 2), Done)
	r.must(write("e", 1), Done) // pushes out d
	r.must(write("d", 2), SessionUnknown)
	if n := len(r.store.sessions.byID); n != 3 || r.store.sessions.used.Len() != 3 {
		t.Errorf("%d sessions are kept, want 3", n)
	}
}

func TestEqualLogsGiveEqualStores(t *testing.T) {
	build := func(batch int) *Store {
		store := newStore(8)
		var log []raft.Command
		for i := range 2000 {
			client := fmt.Sprint("c", i*7%11)
			c := Command{Op: Op(1 + i%3), Key: fmt.Sprint("k", i*i%37), If: Condition{Kind: ConditionKind(i / 3 % 4)}, Client: client, Seq: uint64(1 + i/20)}
			if c.Op != Delete {
				c.Value = []byte(fmt.Sprint(i))
			}
			if c.If.Kind == IfVersion {
				c.If.Version = raft.Index(i - 100)
			}
			log = append(log, raft.Command{Index: raft.Index(i + 1), Term: 1, Value: mustEncode(t, c)})
		}
		for piece := range slices.Chunk(log, batch) {
			store.Apply(piece)
		}
		return store
	}
	one, other := build(1), build(77)
	if one.Digest() != other.Digest() {
		t.Error("the same log in other batches gives another state")
	}
	before := one.Digest()
	one.Apply([]raft.Command{{Index: 3000, Term: 1, Value: mustEncode(t, Command{Op: Put, Key: "k", Value: []byte("v"), Client: "c0", Seq: 1})}})
	if one.Digest() == before {
		t.Error("a repeat changes the order of the sessions, but not the digest")
	}
}

func TestWhatIsNoCommandIsAppliedAsNothing(t *testing.T) {
	r := newReplica(t)
	before := r.store.Digest()
	for _, value := range []any{nil, 7, "put", []byte(nil), []byte("\x02\x01\x00"), []byte("\x01\x01\x00\x00")} {
		result := r.apply(value)
		if result.Code != BadCommand || result.Index != r.index || result.Term != 3 {
			t.Errorf("%#v: %+v, want a bad command at index %d of term 3", value, result, r.index)
		}
	}
	if r.store.Digest() != before {
		t.Error("something changed")
	}
	if at := r.store.Applied().Index; at != r.index {
		t.Errorf("applied %d, want %d: a bad command counts", at, r.index)
	}
}

func TestList(t *testing.T) {
	r := newReplica(t)
	for _, key := range []string{"b", "a", "a/2", "a/1", "c", "a/3", "\xff\xff", "d"} {
		r.do(Command{Op: Put, Key: key, Value: []byte(key)})
	}
	r.do(Command{Op: Delete, Key: "d"})
	for _, test := range []struct {
		prefix, after string
		limit         int
		want          string
		more          bool
	}{
		{"", "", 10, "a a/1 a/2 a/3 b c \xff\xff", false},
		{"", "", 7, "a a/1 a/2 a/3 b c \xff\xff", false},
		{"", "", 6, "a a/1 a/2 a/3 b c", true},
		{"a/", "", 2, "a/1 a/2", true},
		{"a/", "a/2", 2, "a/3", false},
		{"a/", "a", 9, "a/1 a/2 a/3", false}, // after stands before the prefix
		{"a/", "b", 9, "", false},
		{"", "c", 9, "\xff\xff", false},
		{"", "bb", 9, "c \xff\xff", false}, // after need not be there
		{"\xff", "", 9, "\xff\xff", false},
		{"zz", "", 9, "", false},
	} {
		entries, more, at := r.store.List(test.prefix, test.after, test.limit)
		var got []string
		for _, entry := range entries {
			got = append(got, entry.Key)
			if entry.Size != len(entry.Key) || entry.Version == 0 {
				t.Errorf("%q has size %d and version %d", entry.Key, entry.Size, entry.Version)
			}
		}
		if strings.Join(got, " ") != test.want || more != test.more || at.Index != 9 {
			t.Errorf("list %q behind %q up to %d: %q more=%v at %d, want %q more=%v at 9", test.prefix, test.after, test.limit, got, more, at.Index, test.want, test.more)
		}
	}
	if entries, more, _ := NewStore().List("", "", 3); len(entries) != 0 || more {
		t.Errorf("an empty store lists %v", entries)
	}
}

// Any bytes may come out of the log: no panic, and equal states from equal logs.
func FuzzApply(f *testing.F) {
	f.Add([]byte(nil), []byte("\x01"))
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x01k\x01v"), []byte("\x01\x02\x02\x00\x01c\x01\x01k\x05value"))
	f.Add([]byte("\x01\x03\x01\x05\x01c\x01\x01k\x00"), []byte("\x01\x01\x03\x00\x01c\x02\x01k\x05value"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		log := []raft.Command{{Index: 1, Term: 1, Value: first}, {Index: 2, Term: 1, Value: second}, {Index: 3, Term: 2, Value: first}}
		one, other := NewStore(), NewStore()
		results := one.Apply(log)
		for i := range log {
			if got := *other.Apply(log[i : i+1])[0].(*Result); got != *results[i].(*Result) {
				t.Fatalf("command %d: %+v and %+v", i, results[i], got)
			}
		}
		if one.Digest() != other.Digest() {
			t.Fatal("two states from one log")
		}
		if c, err := Decode(first); err == nil {
			encoded, err := c.Encode()
			if err != nil {
				t.Fatalf("decoded, but cannot be encoded: %v", err)
			}
			if again, err := Decode(encoded); err != nil || again.Key != c.Key || !bytes.Equal(again.Value, c.Value) {
				t.Fatalf("encoded again it is another command: %v", err)
			}
		}
	})
}

// A write to a key that is there costs its value and nothing else, whatever its session: the results of a batch are one piece of memory.
func TestWhatACommandAllocates(t *testing.T) {
	const batch, runs = 100, 5
	store := NewStore()
	var batches [][]raft.Command
	for seq := range uint64(runs + 2) {
		var commands []raft.Command
		for i := range batch {
			c := Command{Op: Put, Key: fmt.Sprintf("key %d", i), Value: make([]byte, 128), Client: fmt.Sprintf("client-%d", i), Seq: seq + 1}
			commands = append(commands, raft.Command{Index: raft.Index(len(batches)*batch + i + 1), Term: 1, Value: mustEncode(t, c)})
		}
		batches = append(batches, commands)
	}
	store.Apply(batches[0])
	next := 0
	each := testing.AllocsPerRun(runs, func() { next++; store.Apply(batches[next]) })
	if each > batch+2 {
		t.Errorf("a batch of %d writes allocates %v times, want %d and the results", batch, each, batch)
	}
}

package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/raftnode/raft/raft"
)

func snapshot(t testing.TB, s *Store) []byte {
	t.Helper()
	encoded, err := s.Snapshot()()
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// restored gives a new Store of the same kind that is what the snapshot says.
func restored(t testing.TB, limit int, encoded []byte, at Position) *Store {
	t.Helper()
	s := newStore(limit)
	if err := s.Restore(encoded, at.Index, at.Term); err != nil {
		t.Fatal(err)
	}
	return s
}

// history makes commands as they come: few keys and few clients, so that they meet; repeats, refusals, and bytes that are no command.
type history struct {
	random *rand.Rand
	index  raft.Index
	term   raft.Term
	seqs   map[string]uint64
}

func newHistory(seed uint64) *history {
	return &history{random: rand.New(rand.NewPCG(seed, seed)), term: 1, seqs: map[string]uint64{}}
}

func (h *history) next(t testing.TB) raft.Command {
	h.index++
	if h.random.IntN(20) == 0 {
		h.term++
	}
	if h.random.IntN(20) == 0 {
		h.index++ // an entry that is not for the state machine
	}
	command := raft.Command{Index: h.index, Term: h.term, Value: []byte("no command")}
	if h.random.IntN(30) == 0 {
		return command
	}
	c := Command{Op: Op(1 + h.random.IntN(3)), Key: fmt.Sprint("key", h.random.IntN(12))}
	if c.Op != Delete {
		c.Value = bytes.Repeat([]byte{byte(h.index)}, h.random.IntN(4))
	}
	switch h.random.IntN(4) {
	case 0:
		c.If = Condition{Kind: IfVersion, Version: raft.Index(h.random.IntN(int(h.index) + 1))}
	case 1:
		c.If = Condition{Kind: ConditionKind(2 + h.random.IntN(2))}
	}
	if h.random.IntN(3) > 0 {
		c.Client = fmt.Sprint("client", h.random.IntN(9))
		h.seqs[c.Client] += uint64(h.random.IntN(2)) // half of them are repeats
		c.Seq = max(1, h.seqs[c.Client])
	}
	encoded, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	command.Value = encoded
	return command
}

// A server that is restored somewhere goes on like one that never was: the same state, the same answers to repeats, the same clients
// forgotten at the same time.
func TestAStoreThatIsRestoredGoesOnAsIfItWereTheOther(t *testing.T) {
	for seed := range uint64(60) {
		h := newHistory(seed)
		limit := 1 + h.random.IntN(8) // fewer than there are clients
		straight, broken := newStore(limit), newStore(limit)
		for step := range 150 {
			command := h.next(t)
			want, got := straight.Apply([]raft.Command{command}), broken.Apply([]raft.Command{command})
			if *want[0].(*Result) != *got[0].(*Result) {
				t.Fatalf("seed %d, step %d: answered %+v, want %+v", seed, step, got[0], want[0])
			}
			if h.random.IntN(4) > 0 {
				continue
			}
			encoded := snapshot(t, broken)
			if broken.Digest() != straight.Digest() {
				t.Fatalf("seed %d, step %d: to take a snapshot changed the store", seed, step)
			}
			if !bytes.Equal(encoded, snapshot(t, straight)) {
				t.Fatalf("seed %d, step %d: equal stores have different snapshots", seed, step)
			}
			broken = restored(t, limit, encoded, Position{Index: h.index + 1, Term: h.term + 1}) // behind an entry that is not a command
			if broken.Digest() != straight.Digest() || broken.Applied() != straight.Applied() {
				t.Fatalf("seed %d, step %d: restored to another state", seed, step)
			}
		}
	}
}

func TestAnEmptyStoreHasASnapshot(t *testing.T) {
	s := restored(t, MaxSessions, snapshot(t, NewStore()), Position{})
	if s.Digest() != NewStore().Digest() || s.Applied() != (Position{}) {
		t.Error("restored to something")
	}
}

// What the Store held before is gone, and its readers keep what they read.
func TestRestoreReplacesEverything(t *testing.T) {
	r, other := newReplica(t), newReplica(t)
	other.do(Command{Op: Put, Key: "new", Value: []byte("n"), Client: "c", Seq: 1})
	r.do(Command{Op: Put, Key: "old", Value: []byte("o"), Client: "d", Seq: 1})
	held, _, _ := r.store.Get("old")
	encoded := snapshot(t, other.store)
	if err := r.store.Restore(encoded, 5, 9); err != nil {
		t.Fatal(err)
	}
	clear(encoded) // it is not the Store's
	r.has("old", "(none)")
	r.has("new", "n@1")
	if r.store.Digest() != other.store.Digest() || string(held.Value) != "o" {
		t.Errorf("read %q", held.Value)
	}
	r.index = 5
	r.must(r.do(Command{Op: Put, Key: "k", Client: "d", Seq: 2}), SessionUnknown)
	if got := r.do(Command{Op: Put, Key: "new", Client: "c", Seq: 1}); got != (Result{Code: Done, Index: 1, Term: 3}) {
		t.Errorf("a repeat was answered %+v", got)
	}
}

// The state is that of the moment of Snapshot, whatever is applied until it is encoded, or meanwhile.
func TestASnapshotIsOfItsMoment(t *testing.T) {
	r := newReplica(t)
	for i := range 2000 {
		r.do(Command{Op: Put, Key: fmt.Sprint("key", i), Value: []byte("before"), Client: fmt.Sprint("c", i%50), Seq: 1})
	}
	want := snapshot(t, r.store)
	encode := r.store.Snapshot()
	got := make(chan []byte)
	go func() {
		encoded, _ := encode()
		got <- encoded
	}()
	for i := range 2000 {
		r.do(Command{Op: Op(1 + i%3), Key: fmt.Sprint("key", i)})
		r.do(Command{Op: Append, Key: fmt.Sprint("key", i+1), Value: []byte("after"), Client: fmt.Sprint("c", i%70), Seq: uint64(2 + i)})
		r.do(Command{Op: Put, Key: fmt.Sprint("newkey", i)})
	}
	if !bytes.Equal(<-got, want) {
		t.Error("what was applied while it was encoded shows in the snapshot")
	}
	if again, _ := encode(); !bytes.Equal(again, want) {
		t.Error("what was applied before it was encoded shows in the snapshot")
	}
}

// The bytes are in the data directories of running clusters, and go from one release to another: they never change.
func TestTheFormatOfASnapshot(t *testing.T) {
	s := NewStore()
	s.Apply([]raft.Command{
		{Index: 2, Term: 1, Value: mustEncode(t, Command{Op: Put, Key: "b", Value: []byte("value"), Client: "me", Seq: 300})},
		{Index: 4, Term: 1, Value: mustEncode(t, Command{Op: Put, Key: "b", Value: []byte("value"), Client: "me", Seq: 1})},
		{Index: 5, Term: 2, Value: mustEncode(t, Command{Op: Put, Key: "a", Client: "you", Seq: 1})},
		{Index: 300, Term: 3, Value: mustEncode(t, Command{Op: Put, Key: "b", If: Condition{Kind: IfAbsent}, Client: "me", Seq: 2})},
	})
	want := "\x01\xac\x02\x03\x80\x80\x04" +
		"\x02" + "\x01a\x05\x00" + "\x01b\x04\x05value" +
		"\x02" + "\x03you\x01\x00\x05\x02\x00" + "\x02me\x02\x01\xac\x02\x03\x04"
	encoded := snapshot(t, s)
	if string(encoded) != want {
		t.Errorf("encoded as %q, want %q", encoded, want)
	}
	restored(t, MaxSessions, []byte(want), Position{Index: 300, Term: 3})
	restored(t, MaxSessions, []byte(want), Position{Index: 301, Term: 4}) // ends with an entry that is not a command
}

// pieces puts a snapshot together: a string stands for itself, a number for its uvarint.
func pieces(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(part))
		case string:
			b = append(b, part...)
		}
	}
	return b
}

func TestRestoreRefusesWhatSnapshotDoesNotWrite(t *testing.T) {
	const limit = 65536
	good := pieces("\x01", 9, 2, limit, 2, "\x01a", 3, "\x01x", "\x01b", 9, "\x00", 2, "\x01c", 7, "\x00", 3, 1, 0, "\x01d", 1, "\x01", 9, 2, 4)
	cases := map[string]struct {
		snapshot []byte
		want     string
	}{
		"nothing":                  {nil, "not all of one"},
		"another version":          {append([]byte{2}, good[1:]...), "has version 2; this program knows version 1"},
		"a byte behind":            {append(bytes.Clone(good), 0), "1 bytes follow its end"},
		"an index without a term":  {pieces("\x01", 9, 0, limit, 0, 0), "not a snapshot"},
		"a term without an index":  {pieces("\x01", 0, 2, limit, 0, 0), "not a snapshot"},
		"another limit":            {pieces("\x01", 9, 2, limit-1, 0, 0), "remembers 65535 sessions, and this one remembers 65536: all servers must"},
		"a limit out of reach":     {pieces("\x01", 9, 2, 1<<40, 0, 0), "not a snapshot"},
		"a longer uvarint":         {pieces("\x01\x89\x00", 2, limit, 0, 0), "not a snapshot"},
		"no key":                   {pieces("\x01", 9, 2, limit, 1, "\x00", 3, "\x00", 0), `key "" stands behind ""`},
		"a key twice":              {pieces("\x01", 9, 2, limit, 2, "\x01a", 3, "\x00", "\x01a", 3, "\x00", 0), `key "a" stands behind "a"`},
		"keys out of order":        {pieces("\x01", 9, 2, limit, 2, "\x01b", 3, "\x00", "\x01a", 3, "\x00", 0), `key "a" stands behind "b"`},
		"more keys than there are": {pieces("\x01", 9, 2, limit, 1<<60, "\x01a", 3, "\x00"), "not all of one"},
		"a key over the limit":     {pieces("\x01", 9, 2, limit, 1, 1025, strings.Repeat("k", 1025), 3, "\x00", 0), "not a snapshot"},
		"a value over the limit":   {pieces("\x01", 9, 2, limit, 1, "\x01a", 3, 1<<20+1, strings.Repeat("v", 1<<20+1), 0), "not a snapshot"},
		"no version":               {pieces("\x01", 9, 2, limit, 1, "\x01a", 0, "\x00", 0), `key "a" has version 0`},
		"a version to come":        {pieces("\x01", 9, 2, limit, 1, "\x01a", 10, "\x00", 0), `key "a" has version 10, and index 9 was applied last`},
		"too many sessions":        {pieces("\x01", 9, 2, limit, 0, limit+1), "65537 sessions, and there can be 65536"},
		"a client twice":           {pieces("\x01", 9, 2, limit, 0, 2, "\x01c", 1, "\x00", 3, 1, 0, "\x01c", 1, "\x00", 3, 1, 0), `the session of client "c" is none`},
		"no client":                {pieces("\x01", 9, 2, limit, 0, 1, "\x00", 0, "\x00", 3, 1, 0), `the session of client "" is none`},
		"a client with a space":    {pieces("\x01", 9, 2, limit, 0, 1, "\x01 ", 1, "\x00", 3, 1, 0), `the session of client " " is none`},
		"number 0":                 {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 0, "\x00", 3, 1, 0), "is none"},
		"an answer to come":        {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x00", 10, 1, 0), "is none"},
		"an answer's term to come": {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x00", 3, 3, 0), "is none"},
		"an answer of no index":    {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x00", 0, 1, 0), "is none"},
		"an answer of no term":     {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x00", 3, 0, 0), "is none"},
		"an unremembered answer":   {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x03", 3, 1, 0), "is none"},
		"done with a version":      {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x00", 3, 1, 1), "is none"},
		"refused for what follows": {pieces("\x01", 9, 2, limit, 0, 1, "\x01c", 1, "\x01", 3, 1, 3), "is none"},
	}
	s := NewStore()
	s.Apply([]raft.Command{{Index: 1, Term: 1, Value: mustEncode(t, Command{Op: Put, Key: "k", Client: "c", Seq: 1})}})
	before := snapshot(t, s)
	refused := func(name string, encoded []byte, at Position, want string) {
		t.Helper()
		err := s.Restore(encoded, at.Index, at.Term)
		if err == nil || !strings.HasPrefix(err.Error(), "kv: restore: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
		if !bytes.Equal(snapshot(t, s), before) {
			t.Fatalf("%s: the store was changed", name)
		}
	}
	for name, c := range cases {
		refused(name, c.snapshot, Position{Index: 9, Term: 2}, c.want)
	}
	for n := range good {
		refused(fmt.Sprintf("cut at %d", n), good[:n], Position{Index: 9, Term: 2}, "not all of one")
	}
	refused("an index beyond its end", good, Position{Index: 8, Term: 2}, "applied index 9 of term 2, but it should end at index 8 of term 2")
	refused("a term beyond its end", good, Position{Index: 9, Term: 1}, "should end at index 9 of term 1")
	restored(t, MaxSessions, good, Position{Index: 9, Term: 2}) // so that the cases fail for their reason
}

// Whatever is given to Restore, it takes only what Snapshot writes, byte for byte, or changes nothing.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(snapshot(f, NewStore()))
	for seed := range uint64(4) {
		h, s := newHistory(seed), NewStore()
		for range 20 {
			s.Apply([]raft.Command{h.next(f)})
		}
		f.Add(snapshot(f, s))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		s := NewStore()
		before := bytes.Clone(encoded)
		if s.Restore(encoded, 1<<63, 1<<63) != nil {
			if s.Digest() != NewStore().Digest() || s.Applied() != (Position{}) {
				t.Error("it was refused, and changed the store")
			}
			return
		}
		if !bytes.Equal(snapshot(t, s), before) {
			t.Errorf("%x was taken for %x", before, snapshot(t, s))
		}
		at := s.Applied()
		h := newHistory(1)
		h.index, h.term = at.Index, at.Term+1
		for range 10 {
			s.Apply([]raft.Command{h.next(t)})
		}
	})
}

// million gives a Store with a million keys and a full session table.
var million = sync.OnceValue(func() *Store {
	s := NewStore()
	for i := range 1_000_000 {
		c := Command{Op: Put, Key: fmt.Sprintf("key-%07d", i*7919%1_000_000), Value: []byte("sixteen bytes ok")}
		if i < MaxSessions {
			c.Client, c.Seq = fmt.Sprintf("client-%d", i), 1
		}
		encoded, err := c.Encode()
		if err != nil {
			panic(err)
		}
		s.Apply([]raft.Command{{Index: raft.Index(i + 1), Term: 1, Value: encoded}})
	}
	return s
})

// BenchmarkSnapshot is how long Apply and the readers wait for Snapshot.
func BenchmarkSnapshot(b *testing.B) {
	s := million()
	for b.Loop() {
		s.Snapshot()
	}
}

func BenchmarkSnapshotEncode(b *testing.B) {
	encode := million().Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		encoded, _ := encode()
		b.SetBytes(int64(len(encoded)))
	}
}

func BenchmarkRestore(b *testing.B) {
	encoded := snapshot(b, million())
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		if err := NewStore().Restore(encoded, 1_000_000, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet reads one of a million keys.
func BenchmarkGet(b *testing.B) {
	s, i := million(), 0
	for b.Loop() {
		i = (i + 7919) % 1_000_000
		s.Get(fmt.Sprintf("key-%07d", i))
	}
}

// BenchmarkPut writes one of a million keys, between two snapshots that are never encoded.
func BenchmarkPut(b *testing.B) {
	s, i := million(), 0
	s.Snapshot()
	for b.Loop() {
		i = (i + 7919) % 1_000_000
		encoded, _ := Command{Op: Put, Key: fmt.Sprintf("key-%07d", i), Value: []byte("sixteen bytes ok")}.Encode()
		s.Apply([]raft.Command{{Index: 2_000_000, Term: 1, Value: encoded}})
	}
}

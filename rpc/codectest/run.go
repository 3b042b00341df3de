package codectest

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// Run tries the codec, each promise in a test of its own.
func Run(t *testing.T, c rpc.Codec) {
	t.Run("every field of every message travels", func(t *testing.T) {
		for _, m := range append(full(), kinds()...) {
			travels(t, c, rpc.KindOf(m).String(), m)
		}
	})
	t.Run("extremes travel", func(t *testing.T) {
		for name, m := range extremes() {
			travels(t, c, name, m)
		}
	})
	t.Run("entries share no capacity", func(t *testing.T) { sharesNothing(t, c) })
	t.Run("only what Append writes is read", func(t *testing.T) { strict(t, c) })
	t.Run("memory follows the payload", func(t *testing.T) { bounded(t, c) })
	t.Run("no other kinds", func(t *testing.T) { knownKinds(t, c) })
}

// travels encodes m, behind some bytes that must stay, and decodes it.
func travels(t *testing.T, c rpc.Codec, name string, m consensus.Message) {
	t.Helper()
	encoded, err := c.Append([]byte("before"), m)
	if err != nil {
		t.Errorf("%s: Append: %v", name, err)
		return
	}
	payload, intact := bytes.CutPrefix(encoded, []byte("before"))
	if !intact {
		t.Errorf("%s: Append changed what was there: %q", name, encoded[:min(len(encoded), 100)])
		return
	}
	got, err := c.Decode(rpc.KindOf(m), payload)
	if err != nil {
		t.Errorf("%s: Decode: %v", name, err)
		return
	}
	clear(payload) // what was decoded must not be a view into the payload
	if !reflect.DeepEqual(got, m) {
		t.Errorf("%s: sent %s\n got %s", name, brief(m), brief(got))
	}
}

// brief gives the beginning of a message in words: some are long.
func brief(m consensus.Message) string {
	text := fmt.Sprintf("%+v", m)
	return text[:min(len(text), 500)]
}

// Entries that were delivered are appended to logs and kept: to append to one's data must not write into the next one's.
func sharesNothing(t *testing.T, c rpc.Codec) {
	payload := encode(t, c, entries(1, []byte("aa"), []byte("bb")))
	m, err := c.Decode(rpc.KindAppendEntries, payload)
	if err != nil {
		t.Fatal(err)
	}
	got := m.(*consensus.AppendEntries).Entries
	_ = append(got[0].Data, 'X')
	if string(got[1].Data) != "bb" {
		t.Errorf("the second entry became %q", got[1].Data)
	}
}

func encode(t *testing.T, c rpc.Codec, m consensus.Message) []byte {
	t.Helper()
	payload, err := c.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// spoilt calls do with payloads near that of m: cut, with a byte more, and with each byte changed.
func spoilt(payload []byte, do func(what string, at int, payload []byte)) {
	for n := range payload {
		do("cut", n, payload[:n:n])
	}
	for _, b := range []byte{0, ' ', 0xc0, 0xf6} {
		do("one byte more", int(b), append(bytes.Clone(payload), b))
	}
	for i := range payload {
		for _, mask := range []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff} {
			other := bytes.Clone(payload)
			other[i] ^= mask
			do("changed", i, other)
		}
	}
}

// Whatever is taken is, byte for byte, what Append writes.
func strict(t *testing.T, c rpc.Codec) {
	for _, m := range full() {
		kind := rpc.KindOf(m)
		spoilt(encode(t, c, m), func(what string, at int, payload []byte) {
			before := bytes.Clone(payload)
			got, err := c.Decode(kind, payload)
			if !bytes.Equal(payload, before) {
				t.Errorf("%v, %s at %d: Decode wrote into the payload", kind, what, at)
			}
			if err != nil {
				return
			}
			if again, err := c.Append(nil, got); err != nil || !bytes.Equal(again, payload) {
				t.Errorf("%v, %s at %d: %x was taken for %x (%v)", kind, what, at, payload, again, err)
			}
		})
		if got, err := c.Decode(kind, nil); err == nil {
			t.Errorf("nothing was taken for %+v", got)
		}
	}
}

// slack is what decoding may allocate whatever the payload is: a library's buffers, the words of an error.
const slack = 1 << 20

func bounded(t *testing.T, c rpc.Codec) {
	for _, m := range full() {
		kind := rpc.KindOf(m)
		spoilt(encode(t, c, m), func(what string, at int, payload []byte) {
			got := allocated(func() { _, _ = c.Decode(kind, payload) })
			if limit := uint64(slack + 64*len(payload)); got > limit {
				t.Errorf("%v, %s at %d: %d bytes allocated for %d: %x", kind, what, at, got, len(payload), payload)
			}
		})
	}
}

// allocated gives the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func knownKinds(t *testing.T, c rpc.Codec) {
	payload := encode(t, c, &consensus.TimeoutNow{Header: consensus.Header{Term: 1}})
	for kind := range 256 {
		known := kind >= int(rpc.KindRequestVote) && kind <= int(rpc.KindReadIndexReply)
		if m, err := c.Decode(rpc.Kind(kind), payload); err == nil && (!known || rpc.KindOf(m) != rpc.Kind(kind)) {
			t.Errorf("kind %d was decoded as %T", kind, m)
		}
	}
	if got, err := c.Append(nil, stranger{}); err == nil {
		t.Errorf("a message of no kind was written as %x", got)
	}
}

// stranger is a message that rpc does not carry.
type stranger struct{}

func (stranger) Head() *consensus.Header { return new(consensus.Header) }

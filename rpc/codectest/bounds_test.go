package codectest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	_ "github.com/raftnode/raft/rpc/cborcodec"
)

// A payload is worth at most that many bytes of memory to decode: so many of a decoded entry, or of a value that a library builds to find out that it
// does not want it, for each byte; and slack for a library's own buffers and the words of an error, whatever the payload.
const (
	factor = 64
	slack  = 1 << 20
)

// bomb is small where it lies and claims to be large.
type bomb struct {
	name    string
	payload []byte
}

// bombs are for every codec: what means nothing to one may go off in another. Those that repeat have about size bytes. Only one is there at a time.
func bombs(size int, use func(bomb)) {
	add := func(name, payload string) { use(bomb{name, []byte(payload)}) }
	repeat := func(name, head, unit string) { add(name, head+strings.Repeat(unit, size/len(unit))) }
	const pack, cbor = "\x96\x01\x00\x00\x00\x00", "\x86\x01\x00\x00\x00\x00" // an AppendEntries up to its entries
	for _, head := range []string{"", pack, cbor} {
		add("msgpack: 4 Gi elements", head+"\xdd\xff\xff\xff\xff")
		add("msgpack: 4 GiB", head+"\xc6\xff\xff\xff\xff")
		add("msgpack: 4 Gi pairs", head+"\xdf\xff\xff\xff\xff")
		add("msgpack: an extension of 4 GiB", head+"\xc9\xff\xff\xff\xff\x01")
		add("cbor: 2^64-1 elements", head+"\x9b\xff\xff\xff\xff\xff\xff\xff\xff")
		add("cbor: 2^30-1 elements", head+"\x9a\x3f\xff\xff\xff")
		add("cbor: 2^24 elements", head+"\x9a\x01\x00\x00\x00")
		add("cbor: 2^63-1 bytes", head+"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff")
		repeat("msgpack: arrays of 4 Gi in each other", head, "\xdd\xff\xff\xff\xff")
		repeat("msgpack: arrays of 64 Ki in each other", head, "\xdc\xff\xff")
		repeat("msgpack: arrays in each other", head, "\x91")
		repeat("msgpack or cbor: maps in each other", head, "\x81")
		repeat("msgpack: one array, empty arrays", head+"\xdd\x00\x10\x00\x00", "\x90")
		repeat("msgpack: one array, smallest entries", head+"\xdd\x00\x10\x00\x00", "\x93\x01\x00\xc0")
		repeat("cbor: arrays in each other without end", head, "\x9f")
		repeat("cbor: arrays of 2^64-1 in each other", head, "\x9b\xff\xff\xff\xff\xff\xff\xff\xff")
		repeat("cbor: tags in each other", head, "\xc1")
		repeat("cbor: one array, smallest entries", head+"\x9a\x00\x10\x00\x00", "\x83\x01\x00\xf6")
	}
	repeat("json: arrays in each other", "", "[")
	repeat("json: objects in each other", "", `{"Term":`)
	repeat("json: entries in each other", "", `{"Entries":[`)
	repeat("json: smallest entries", `{"Term":1,"Entries":[`, "{},")
	repeat("json: a number without end", `{"Term":1`, "0")
	repeat("json: the same field again", `{`, `"Term":1,`)
	repeat("json: escapes", `{"Term":"`, `\u0000`)
	repeat("zeros", "", "\x00")
	repeat("ones", "", "\xff")
}

// decodes lets each codec decode the payload as each kind of message, and calls each with what came of it.
func decodes(payload []byte, each func(codec string, kind rpc.Kind, m consensus.Message, err error)) {
	for _, name := range rpc.Codecs() {
		codec, _ := rpc.LookupCodec(name)
		for kind := rpc.KindRequestVote; kind <= rpc.KindReadIndexReply; kind++ {
			m, err := codec.Decode(kind, payload)
			each(name, kind, m, err)
		}
	}
}

// costs checks what it takes to decode a payload, by each codec and as each kind.
func costs(t *testing.T, what string, payload []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decodes(payload, func(codec string, kind rpc.Kind, _ consensus.Message, _ error) {
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(slack+factor*len(payload)); got > most {
			t.Errorf("%s: %s as %v takes %d bytes to decode %d", what, codec, kind, got, len(payload))
		}
		runtime.ReadMemStats(&before)
	})
}

func TestABombCostsASmallMultipleOfItsSize(t *testing.T) {
	bombs(64<<10, func(b bomb) { costs(t, b.name, b.payload) })
}

// What fuzzing one codec found is tried on all of them.
func TestWhatWasFoundCostsASmallMultipleOfItsSize(t *testing.T) {
	found := 0
	for _, pattern := range []string{"../testdata/fuzz/*/*", "../*/testdata/fuzz/*/*", "testdata/fuzz/*/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "[]byte(")
				payload, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
				if ok && err == nil {
					costs(t, name, []byte(payload))
					found++
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d payloads were found", found)
	}
}

// Whatever comes, by whatever codec: no panic, the payload stays as it was, what is taken is what Append writes, and it costs little.
func FuzzEveryCodec(f *testing.F) {
	bombs(64, func(b bomb) { f.Add(b.payload) })
	for _, name := range rpc.Codecs() {
		codec, _ := rpc.LookupCodec(name)
		for _, m := range []consensus.Message{
			&consensus.RequestVote{Header: consensus.Header{Term: 300}, LastLogIndex: 70000, LastLogTerm: 2},
			&consensus.AppendEntries{
				Header:  consensus.Header{Term: 3},
				Entries: []consensus.Entry{{Index: 1, Term: 1}, {Index: 2, Term: 3, Data: []byte{}}, {Index: 3, Term: 3, Data: []byte("abc")}},
			},
			&consensus.InstallSnapshotReply{Header: consensus.Header{Term: 3}, LastIncluded: consensus.Position{Index: 9, Term: 2}, Offset: 300},
			&consensus.ReadIndexReply{Header: consensus.Header{Term: 3}, ID: 1 << 63, Index: 300},
		} {
			payload, err := codec.Append(nil, m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		decodes(payload, func(name string, kind rpc.Kind, m consensus.Message, err error) {
			if !bytes.Equal(payload, before) {
				t.Fatalf("%s wrote into the payload", name)
			}
			if err != nil {
				return
			}
			codec, _ := rpc.LookupCodec(name)
			if again, err := codec.Append(nil, m); err != nil || !bytes.Equal(again, payload) {
				t.Errorf("%s, %v: %x was taken for %x (%v)", name, kind, payload, again, err)
			}
		})
		costs(t, fmt.Sprintf("%x", payload[:min(len(payload), 100)]), payload)
	})
}

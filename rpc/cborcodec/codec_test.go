package cborcodec

import (
	"bytes"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/rpc/codectest"
)

func TestCodec(t *testing.T) { codectest.Run(t, New()) }

func TestItIsRegistered(t *testing.T) {
	if c, ok := rpc.LookupCodec("cbor"); !ok || c.Name() != "cbor" {
		t.Errorf("%v, %v", c, ok)
	}
}

// vote is the payload of the message that the cases below spell wrong.
const vote = "\x84\x01\x02\x01\xf4"

func TestDecodeTakesTheRightSpelling(t *testing.T) {
	m, err := New().Decode(rpc.KindRequestVote, []byte(vote))
	want := &consensus.RequestVote{Header: consensus.Header{Term: 1}, LastLogIndex: 2, LastLogTerm: 1}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestDecodeRefusesWhatAppendNeverWrites(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    rpc.Kind
		payload string
	}{
		{"null for a message", rpc.KindRequestVote, "\xf6"},
		{"short array", rpc.KindRequestVote, "\x82\x01\x02"},
		{"long array", rpc.KindRequestVote, "\x85\x01\x02\x01\xf4\x00"},
		{"an array without end", rpc.KindRequestVote, "\x9f\x01\x02\x01\xf4\xff"},
		{"a longer length", rpc.KindRequestVote, "\x98\x04\x01\x02\x01\xf4"},
		{"a longer number", rpc.KindRequestVote, "\x84\x18\x01\x02\x01\xf4"},
		{"a negative number", rpc.KindRequestVote, "\x84\x20\x02\x01\xf4"},
		{"a float", rpc.KindRequestVote, "\x84\xf9\x3c\x00\x02\x01\xf4"},
		{"a bignum", rpc.KindRequestVote, "\x84\xc2\x41\x01\x02\x01\xf4"},
		{"a tag", rpc.KindRequestVote, "\xd9\xd9\xf7" + vote},
		{"null for a number", rpc.KindRequestVote, "\x84\xf6\x02\x01\xf4"},
		{"undefined for a boolean", rpc.KindRequestVote, "\x84\x01\x02\x01\xf7"},
		{"a map for an array", rpc.KindRequestVote, "\xa1\x64Term\x01"},
		{"null for entries", rpc.KindAppendEntries, "\x86\x01\x00\x00\x00\x00\xf6"},
		{"text for bytes", rpc.KindAppendEntries, "\x86\x01\x00\x00\x00\x00\x81\x83\x01\x01\x61x"},
		{"numbers for bytes", rpc.KindAppendEntries, "\x86\x01\x00\x00\x00\x00\x81\x83\x01\x01\x81\x07"},
		{"bytes in pieces", rpc.KindAppendEntries, "\x86\x01\x00\x00\x00\x00\x81\x83\x01\x01\x5f\x41x\xff"},
		{"kind over a byte", rpc.KindAppendEntries, "\x86\x01\x00\x00\x00\x00\x81\x83\x01\x19\x01\x01\xf6"},
	} {
		if m, err := New().Decode(c.kind, []byte(c.payload)); err == nil {
			t.Errorf("%s: %q was taken for %+v", c.name, c.payload, m)
		}
	}
}

// A few bytes that claim gigabytes must not cost gigabytes.
func TestHostilePayloadsAllocateLittle(t *testing.T) {
	const head = "\x86\x01\x00\x00\x00\x00"
	for name, payload := range map[string]string{
		"all entries at once":  head + "\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
		"4 Gi entries":         head + "\x9a\xff\xff\xff\xff",
		"4 Gi fields":          "\x9a\xff\xff\xff\xff",
		"4 Gi pairs":           "\xba\xff\xff\xff\xff",
		"4 GiB of data":        head + "\x81\x83\x01\x01\x5a\xff\xff\xff\xff",
		"4 Gi numbers as data": head + "\x81\x83\x01\x01\x9a\xff\xff\xff\xff",
		"nested arrays":        strings.Repeat("\x81", 1<<16),
		"nested tags":          strings.Repeat("\xc1", 1<<16),
		"numbers for entries":  head + "\x9a\x00\x10\x00\x00" + strings.Repeat("\x00", 1<<20),
	} {
		var err error
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = New().Decode(rpc.KindAppendEntries, []byte(payload))
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+4*len(payload)); got > limit {
			t.Errorf("%s: %d bytes allocated for %d, limit %d", name, got, len(payload), limit)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What could not be read must not be sent: the receiver would end the connection, again and again.
func TestTheMostEntries(t *testing.T) {
	m := &consensus.AppendEntries{Header: consensus.Header{Term: 1}}
	for i := range MaxEntries {
		m.Entries = append(m.Entries, consensus.Entry{Index: consensus.Index(i + 1), Term: 1})
	}
	payload, err := New().Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New().Decode(rpc.KindAppendEntries, payload); err != nil {
		t.Error(err)
	}
	m.Entries = append(m.Entries, consensus.Entry{Index: MaxEntries + 1, Term: 1})
	if _, err := New().Append(nil, m); err == nil || !strings.Contains(err.Error(), "lower MaxBatchBytes") {
		t.Errorf("one entry more: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	c := New()
	for kind, payload := range map[rpc.Kind]string{
		rpc.KindRequestVote:          vote,
		rpc.KindAppendEntries:        "\x86\x01\x00\x00\x00\x00\x82\x83\x01\x01\x41x\x83\x01\x00\xf6",
		rpc.KindAppendEntriesReply:   "\x88\x03\xf5\x19\x01\x2c\x00\x00\x00\x00\xf4",
		rpc.KindInstallSnapshotReply: "\x87\x03\x09\x02\xf5\x19\x01\x2c\x00\xf4",
	} {
		f.Add(uint8(kind), []byte(payload))
	}
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		before := bytes.Clone(payload)
		m, err := c.Decode(rpc.Kind(kind), payload)
		if !bytes.Equal(payload, before) {
			t.Fatal("Decode wrote into the payload")
		}
		if err != nil {
			return
		}
		if again, err := c.Append(nil, m); err != nil || !bytes.Equal(again, payload) {
			t.Errorf("%x was taken for %x (%v)", payload, again, err)
		}
	})
}

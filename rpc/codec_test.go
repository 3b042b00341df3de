package rpc

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// forEachCodec runs a test over every codec that comes with the package, msgpack also as go-msgpack has it.
func forEachCodec(t *testing.T, test func(t *testing.T, c Codec)) {
	for name, c := range map[string]Codec{"msgpack": msgpackCodec{}, "reflected": reflected, "json": jsonCodec} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

func someConfig() consensus.Configuration {
	return consensus.Configuration{
		{ID: "a", Address: "a:1", Suffrage: consensus.Voter}, {ID: "b", Suffrage: consensus.Learner},
	}
}

// manyEntries gives an AppendEntries with one entry for each data.
func manyEntries(datas ...[]byte) *consensus.AppendEntries {
	m := &consensus.AppendEntries{
		Header:       consensus.Header{Term: 9},
		PrevLogIndex: 1000, PrevLogTerm: 8, LeaderCommit: 999, Round: 12345,
	}
	for i, data := range datas {
		m.Entries = append(m.Entries, consensus.Entry{
			Index: 1001 + consensus.Index(i), Term: 9, Kind: consensus.EntryCommand, Data: data,
		})
	}
	return m
}

func TestDecodeRefusesWhatAppendNeverWrites(t *testing.T) {
	cases := []struct {
		codec, name string
		kind        Kind
		payload     string
	}{
		{"msgpack", "nothing", KindRequestVote, ""},
		{"msgpack", "nil for a message", KindRequestVote, "\xc0"},
		{"msgpack", "short array", KindRequestVote, "\x92\x01\x02"},
		{"msgpack", "empty array", KindRequestVote, "\x90"},
		{"msgpack", "long array", KindRequestVote, "\x94\x01\x02\x01\x00"},
		{"msgpack", "array cut short", KindRequestVote, "\x94\x01\x02"},
		{"msgpack", "nil for a number", KindRequestVote, "\x94\x01\xc0\x01\xc2"},
		{"msgpack", "negative number", KindRequestVote, "\x94\x01\xff\x01\xc2"},
		{"msgpack", "longer spelling of a number", KindRequestVote, "\x94\x01\xcc\x02\x01\xc2"},
		{"msgpack", "a map for an array", KindRequestVote, "\x81\xa4Term\x01"},
		{"msgpack", "trailing byte", KindRequestVote, "\x94\x01\x02\x01\xc2\x00"},
		{"msgpack", "a number for a boolean", KindRequestVoteReply, "\x92\x01\x01"},
		{"msgpack", "nil for entries", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\xc0"},
		{"msgpack", "a string for bytes", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\x91\x93\x01\x01\xa1x"},
		{"msgpack", "numbers for bytes", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\x91\x93\x01\x01\x91\x07"},
		{"msgpack", "kind over a byte", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\x91\x93\x01\xcd\x01\x01\xc0"},
		{"msgpack", "longer spelling of a length", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\x91\x93\x01\x01\xc5\x00\x01x"},
		{"msgpack", "longer spelling of a count", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\xdc\x00\x01\x93\x01\x01\xc0"},
		{"msgpack", "bytes behind the entries", KindAppendEntries, "\x96\x01\x00\x00\x00\x00\x90\x00"},
		{"msgpack", "three for true", KindAppendEntriesReply, "\x98\x01\x03\x00\x00\x00\x00\x00\xc2"},
		{"msgpack", "no configuration", KindInstallSnapshot, "\x99\x02\x01\x01\xc4\x00\x00\xc0\x00\xc2\x00"},
		{"msgpack", "nil for a configuration", KindInstallSnapshot, "\x99\x02\x01\x01\xc0\x00\xc0\x00\xc2\x00"},
		{"msgpack", "a configuration of another version", KindInstallSnapshot, "\x99\x02\x01\x01\xc4\x01\x02\x00\xc0\x00\xc2\x00"},
		{"msgpack", "nobody votes", KindInstallSnapshot, "\x99\x02\x01\x01\xc4\x07\x01\x02\x00\x01a\x00\x00\x00\xc0\x00\xc2\x00"},
		{"msgpack", "checksum over four bytes", KindInstallSnapshot, "\x99\x02\x01\x01\xc4\x01\x01\x00\xc0\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xc2\x00"},
		{"json", "nobody votes", KindInstallSnapshot, `{"Term":2,"LastIncludedIndex":1,"LastIncludedTerm":1,"Config":"AQIAAWEAAA==","Offset":0,"Data":null,"Checksum":0,"Done":false,"Round":0}`},
		{"msgpack", "no such kind", 14, "\x94\x01\x02\x01\xc2"},
		{"json", "nothing", KindRequestVote, ""},
		{"json", "null for a message", KindRequestVote, "null"},
		{"json", "field missing", KindRequestVote, `{"Term":1,"LastLogIndex":2,"Transfer":false}`},
		{"json", "field unknown", KindRequestVote, `{"Term":1,"LastLogIndex":2,"LastLogTerm":1,"Transfer":false,"X":1}`},
		{"json", "field twice", KindRequestVote, `{"Term":1,"Term":1,"LastLogIndex":2,"LastLogTerm":1,"Transfer":false}`},
		{"json", "field in lower case", KindRequestVote, `{"term":1,"LastLogIndex":2,"LastLogTerm":1,"Transfer":false}`},
		{"json", "null for a number", KindRequestVote, `{"Term":1,"LastLogIndex":null,"LastLogTerm":1,"Transfer":false}`},
		{"json", "trailing space", KindRequestVote, `{"Term":1,"LastLogIndex":2,"LastLogTerm":1,"Transfer":false} `},
		{"json", "trailing value", KindRequestVote, `{"Term":1,"LastLogIndex":2,"LastLogTerm":1,"Transfer":false}1`},
		{"json", "no such kind", KindKeepalive, "{}"},
	}
	for _, c := range cases {
		codecs := []Codec{lookup(c.codec)}
		if c.codec == "msgpack" {
			codecs = append(codecs, reflected)
		}
		for _, by := range codecs {
			if m, err := by.Decode(c.kind, []byte(c.payload)); err == nil {
				t.Errorf("%s: %s: %q was taken for %+v", c.codec, c.name, c.payload, m)
			}
		}
	}
}

// The right spelling of what the cases above spell wrong, so that they fail for their reason.
func TestDecodeTakesTheRightSpelling(t *testing.T) {
	for codec, payload := range map[string]string{
		"msgpack": "\x99\x02\x01\x01\xc4\x07\x01\x01\x00\x01a\x00\x00\x00\xc0\x00\xc2\x00",
		"json":    `{"Term":2,"LastIncludedIndex":1,"LastIncludedTerm":1,"Config":"AQEAAWEAAA==","Offset":0,"Data":null,"Checksum":0,"Done":false,"Round":0}`,
	} {
		m, err := lookup(codec).Decode(KindInstallSnapshot, []byte(payload))
		want := &consensus.InstallSnapshot{
			Header: consensus.Header{Term: 2}, LastIncluded: consensus.Position{Index: 1, Term: 1}, Config: consensus.Voters("a"),
		}
		if err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%s: %+v, %v", codec, m, err)
		}
	}
	for codec, payload := range map[string]string{
		"msgpack": "\x94\x01\x02\x01\xc2",
		"json":    `{"Term":1,"LastLogIndex":2,"LastLogTerm":1,"Transfer":false}`,
	} {
		m, err := lookup(codec).Decode(KindRequestVote, []byte(payload))
		want := &consensus.RequestVote{Header: consensus.Header{Term: 1}, LastLogIndex: 2, LastLogTerm: 1}
		if err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%s: %+v, %v", codec, m, err)
		}
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

// A few bytes that claim gigabytes must not cost gigabytes.
func TestHostilePayloadsAllocateLittle(t *testing.T) {
	nested := strings.Repeat("\x91", 1<<16)
	bombs := map[string]string{
		"4 Gi entries":             "\x96\x01\x00\x00\x00\x00\xdd\xff\xff\xff\xff",
		"4 GiB of data":            "\x96\x01\x00\x00\x00\x00\x91\x93\x01\x01\xc6\xff\xff\xff\xff",
		"4 Gi numbers as data":     "\x96\x01\x00\x00\x00\x00\x91\x93\x01\x01\xdd\xff\xff\xff\xff",
		"4 Gi fields":              "\xdd\xff\xff\xff\xff",
		"4 Gi pairs":               "\xdf\xff\xff\xff\xff",
		"4 GiB extension, surplus": "\x97\x01\x00\x00\x00\x00\x90\xc9\xff\xff\xff\xff\xff",
		"4 GiB extension as data":  "\x96\x01\x00\x00\x00\x00\x91\x93\x01\x01\xc9\xff\xff\xff\xff\xff",
		"64 Ki nested arrays":      nested,
		"nested entries":           "\x96\x01\x00\x00\x00\x00" + nested,
		"4 GiB of a snapshot":      "\x99\x02\x01\x01\xc4\x01\x01\x00\xc6\xff\xff\xff\xff\x00",
		"snapshot, 4 GiB of names": "\x99\x02\x01\x01\xc6\xff\xff\xff\xff\x01",
		"snapshot of 64 Ki member": "\x99\x02\x01\x01\xc6\x00\x06\x00\x01\x01" + strings.Repeat("\x01\x00\x01a\x00\x00", 1<<16) + "\x00\xc0\x00\xc2\x00",
		"nested JSON":              `{"Entries":` + strings.Repeat("[", 1<<16),
	}
	forEachCodec(t, func(t *testing.T, c Codec) {
		for name, payload := range bombs {
			var err error
			kind := KindAppendEntries
			if strings.Contains(name, "snapshot") {
				kind = KindInstallSnapshot
			}
			got := allocated(func() { _, err = c.Decode(kind, []byte(payload)) })
			if limit := uint64(1<<20 + 64*len(payload)); got > limit {
				t.Errorf("%s: %d bytes allocated for %d, limit %d", name, got, len(payload), limit)
			}
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}

// An honest big entry must not cost its square.
func TestBigEntriesAllocateInProportion(t *testing.T) {
	payload, err := msgpackCodec{}.Append(nil, manyEntries(make([]byte, 4<<20)))
	if err != nil {
		t.Fatal(err)
	}
	got := allocated(func() { _, err = msgpackCodec{}.Decode(KindAppendEntries, payload) })
	if limit := uint64(6 * len(payload)); got > limit || err != nil {
		t.Errorf("%d bytes allocated for %d, limit %d; error %v", got, len(payload), limit, err)
	}
}

// What the algorithm sends by default goes through what the transport lets through by default.
func TestTheLargestChunkFitsIntoAFrame(t *testing.T) {
	cfg, err := config("a", nil).normalize()
	if err != nil {
		t.Fatal(err)
	}
	m := chunk(9, 256<<10)
	m.Config = nil
	for i := range 256 {
		id := consensus.ServerID(fmt.Sprintf("%01024d", i))
		m.Config = append(m.Config, consensus.Member{ID: id, Address: string(id), Suffrage: consensus.Voter})
	}
	if err := check(m); err != nil {
		t.Fatal(err)
	}
	forEachCodec(t, func(t *testing.T, c Codec) {
		payload, err := c.Append(nil, m)
		if err != nil || len(payload) > cfg.MaxFrameBytes {
			t.Errorf("%d bytes, error %v", len(payload), err)
		}
	})
}

type namedCodec struct {
	Codec
	name string
}

func (c namedCodec) Name() string { return c.name }

func TestRegisterCodecRefusesBadNames(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("x", maxCodecName+1), "msgpack"} {
		if err := RegisterCodec(namedCodec{jsonCodec, name}); err == nil {
			t.Errorf("a codec named %q was registered", name)
		}
	}
	if c, ok := LookupCodec("msgpack"); c != (msgpackCodec{}) || !ok {
		t.Error("msgpack was replaced")
	}
	if c, ok := LookupCodec(""); ok {
		t.Errorf("the codec without a name is %v", c)
	}
}

// confused decodes everything as one kind, and cannot encode.
type confused struct{ Codec }

func (confused) Append([]byte, consensus.Message) ([]byte, error) {
	return nil, errors.New("no ink")
}

func (confused) Decode(Kind, []byte) (consensus.Message, error) {
	return &consensus.RequestVote{Header: consensus.Header{Term: 1}}, nil
}

func TestDecodeDistrustsTheCodec(t *testing.T) {
	if _, err := decode(confused{jsonCodec}, KindRequestVote, nil); err != nil {
		t.Error(err)
	}
	if m, err := decode(confused{jsonCodec}, KindAppendEntries, nil); err == nil {
		t.Errorf("an AppendEntries was decoded as %T", m)
	}
}

func TestKindsHaveTheirNames(t *testing.T) {
	for kind, want := range map[Kind]string{
		KindRequestVote: "RequestVote", KindRequestVoteReply: "RequestVoteReply", KindAppendEntries: "AppendEntries",
		KindAppendEntriesReply: "AppendEntriesReply", KindInstallSnapshot: "InstallSnapshot", KindInstallSnapshotReply: "InstallSnapshotReply",
		KindReadIndex: "ReadIndex", KindReadIndexReply: "ReadIndexReply", KindKeepalive: "Keepalive", 77: "unknown kind 77",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
	}
}

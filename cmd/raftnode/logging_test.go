package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/wal"
)

// Each start says in one line, with all the fields, what the node begins with.
func TestOneLineAStart(t *testing.T) {
	first := wal.Incarnation{Number: 1, Marks: []uint32{7}}
	for name, c := range map[string]struct {
		found wal.Recovery
		want  string
	}{
		"new": {
			wal.Recovery{NewDirectory: true, Store: "5707e", Segments: 1, Bytes: 30, Incarnation: first, Duration: 2 * time.Millisecond},
			"[INFO]  created a new log: entries=0 last=0 bytes=30 segments=1 snapshot=0 snapshot_bytes=0 term=0 vote=nobody commit=0 " +
				"repaired=nothing start=1 store=5707e took=2ms\n",
		},
		"torn": {
			wal.Recovery{
				Store: "5707e", Entries: 40, LastIndex: 90, Bytes: 1234, Segments: 2, Snapshot: consensus.Position{Index: 60, Term: 2}, SnapshotBytes: 99,
				Term: 4, VotedFor: "n2", Commit: 88, Incarnation: wal.Incarnation{Number: 12, Marks: []uint32{7}}, Duration: 3456789,
				Repaired: &wal.Repair{File: "00000000000000000001", Offset: 1234, BytesCut: 5, Reason: "the file ends"},
			},
			"[WARN]  recovered the log: entries=40 last=90 bytes=1234 segments=2 snapshot=60 snapshot_bytes=99 term=4 vote=n2 commit=88 " +
				`repaired="a torn tail was cut off" file=00000000000000000001 offset=1234 cut=5 reason="the file ends" start=12 store=5707e took=3.457ms` + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			logRecovery(hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true}), c.found)
			if out.String() != c.want {
				t.Errorf("it says\n%swant\n%s", out.String(), c.want)
			}
		})
	}
}

// Where another codec than --codec was agreed on, the log warns of that once.
func TestAnotherCodecIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	tell := logEvent(hclog.New(&hclog.LoggerOptions{Output: &out}), &config{codec: "cbor"}, "c")
	for _, codec := range []string{"cbor", "json", "json"} {
		tell(rpc.Event{Kind: rpc.LinkUp, Peer: "n2", Codec: codec})
	}
	if strings.Count(out.String(), "[WARN]") != 1 || !strings.Contains(out.String(), "messages to n2 are written in json: it does not know --codec cbor") {
		t.Errorf("it says %s", out.String())
	}
}

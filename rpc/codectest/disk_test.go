package codectest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	_ "github.com/raftnode/raft/rpc/cborcodec"
	"github.com/raftnode/raft/wal"
)

// Logs whose entries came by different codecs are the same, byte for byte, and are read without knowing by which: nothing of a codec reaches
// the disk, so no record needs to say.
func TestDataDoesNotDependOnTheCodec(t *testing.T) {
	names := rpc.Codecs()
	if len(names) < 3 {
		t.Fatalf("only %q are known", names)
	}
	template := newLog(t)
	var want []byte
	for _, name := range names {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
			t.Fatal(err)
		}
		save(t, dir, received(t, name).Entries)
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%020d", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) || !bytes.Contains(got, []byte("the bytes as they were proposed")) {
			t.Errorf("by %s the log is\n%q\nby %s\n%q", name, got, names[0], want)
		}
	}
}

// received gives a message as it comes by a codec.
func received(t *testing.T, codec string) *consensus.AppendEntries {
	t.Helper()
	c, _ := rpc.LookupCodec(codec)
	sent := &consensus.AppendEntries{Header: consensus.Header{Term: 2}, Entries: []consensus.Entry{
		{Index: 1, Term: 1, Kind: consensus.EntryNoop},
		{Index: 2, Term: 2, Kind: consensus.EntryConfiguration, Data: consensus.Voters("a", "b").Encode()},
		{Index: 3, Term: 2, Kind: consensus.EntryCommand, Data: []byte("the bytes as they were proposed")},
		{Index: 4, Term: 2, Kind: consensus.EntryValue, Data: []byte("sa value")},
	}}
	payload, err := c.Append(nil, sent)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Decode(rpc.KindAppendEntries, payload)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*consensus.AppendEntries)
}

// newLog makes an empty log, to be copied: its identity is random, and salts the records.
func newLog(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new")
	log, err := wal.Open(dir, wal.Options{Cluster: "c", Node: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func save(t *testing.T, dir string, entries []consensus.Entry) {
	t.Helper()
	log, err := wal.Open(dir, wal.Options{Cluster: "c", Node: "b"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	err = log.Save([]consensus.Save{{HardState: &consensus.HardState{Term: 2}, Entries: entries}})
	if err != nil {
		t.Fatal(err)
	}
}

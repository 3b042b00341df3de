package wal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// A segment is not named before its directory entry is durable, and the first one's name is durable before any file that recovery takes
// for a proof that there is one.
func TestSegmentsAreNamedInOrder(t *testing.T) {
	dir, durable, nameIsDurable := t.TempDir(), uint64(0), false
	named := func() uint64 {
		id, err := readIdentity(dir)
		if err != nil {
			return 0
		}
		first, err := readNewest(dir, id)
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	d := realDisk
	d.syncDir = func(path string) error {
		if path != dir {
			return fsyncDir(path)
		}
		if first := named(); first > durable {
			t.Errorf("segment %d is named, and only those up to %d are durable", first, durable)
		}
		if _, err := os.Stat(filepath.Join(dir, incarnationName)); err == nil && !nameIsDurable {
			t.Error("there is an incarnation, and the file newest may be lost")
		}
		nameIsDurable = nameIsDurable || named() > 0
		list, err := listDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, seg := range list.segments {
			durable = seg.first
		}
		return fsyncDir(path)
	}
	l, err := open(dir, testOptions, d)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1"), Entries: entries(1, 1, 900)})
	if first := named(); first != durable || len(l.spans) < 4 {
		t.Errorf("segment %d is named, and %d is the newest of %d", first, durable, len(l.spans))
	}
}

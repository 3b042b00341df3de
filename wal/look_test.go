package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// Who looks learns which process has the log open, and does not keep it from being opened.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	check := func(want string) {
		t.Helper()
		if holder, err := InUse(dir); err != nil || holder != want {
			t.Errorf("in use by %q, %v; want %q", holder, err, want)
		}
	}
	check("")
	l := mustOpen(t, dir, testOptions)
	check(fmt.Sprintf("process %d", os.Getpid()))
	mustClose(t, l)
	check("")
	mustClose(t, mustOpen(t, dir, testOptions))
}

// The snapshot that Scan found is given with its data; one that went, or changed, is not.
func TestReadSnapshot(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(2, "n1"), Entries: entries(1, 2, 300)})
	want := snapshotAt(300, 2)
	mustSave(t, l, consensus.Save{Snapshot: want, Base: want.Position})
	mustClose(t, l)
	found, err := Scan(dir, nil)
	if err != nil || found.Format != formatVersion {
		t.Fatalf("format %d, %v", found.Format, err)
	}
	got, err := ReadSnapshot(dir, found)
	if err != nil || !equalSnapshot(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	path := filepath.Join(dir, found.SnapshotFile)
	if err := os.Truncate(path, 40); err != nil {
		t.Fatal(err)
	}
	var broken *SnapshotError
	if _, err := ReadSnapshot(dir, found); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged one: %v", err)
	}
	if _, err := Scan(dir, nil); !errors.As(err, &broken) {
		t.Errorf("scan: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSnapshot(dir, found); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
}

// Who is refused is told which command looks closer.
func TestRefusalNamesTheDoctor(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	if err := os.Remove(filepath.Join(dir, segmentName(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "raftctl doctor --data-dir "+dir) {
		t.Errorf("%v", err)
	}
}

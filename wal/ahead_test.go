package wal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// size gives the length of a file.
func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// needsAllocation skips where a file cannot be allocated without writing it.
func needsAllocation(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := allocateNow(f, 4096); err != nil {
		t.Skipf("this file system (%s) does not allocate ahead: %v", runtime.GOOS, err)
	}
}

// A segment is as long as it will be from the beginning. The zeros behind the last record are no damage, and not what a Scan counts; they
// are gone once the log is closed.
func TestSegmentsAreAllocatedAhead(t *testing.T) {
	needsAllocation(t)
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(1, ""), Entries: entries(1, 1, 3)})
	path := filepath.Join(dir, segmentName(1))
	if got := size(t, path); got != int64(testOptions.SegmentBytes) {
		t.Errorf("the open segment has %d bytes, want %d", got, testOptions.SegmentBytes)
	}
	crashed := dirWith(t, files(t, dir))
	for range 2 { // the second start is like the first
		again := mustOpen(t, crashed, testOptions)
		if r := again.Recovery(); r.Repaired != nil || r.Bytes != l.tail || r.Entries != 3 {
			t.Errorf("after a crash there are %d entries in %d bytes, want 3 in %d; repaired: %v", r.Entries, r.Bytes, l.tail, r.Repaired)
		}
		mustClose(t, again)
		if got := size(t, filepath.Join(crashed, segmentName(1))); got != again.tail {
			t.Errorf("the closed segment has %d bytes, want %d", got, again.tail)
		}
	}
}

// What a write left that never ended is cut off, and said to be as long as it is, without the zeros behind it.
func TestATornTailBeforeZeros(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(1, ""), Entries: entries(1, 1, 3)})
	tail := l.tail
	mustClose(t, l)
	path := filepath.Join(dir, segmentName(1))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{200, 200, 1, 9, 9}, tail); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, dir, testOptions)
	if r := again.Recovery().Repaired; r == nil || r.Offset != tail || r.BytesCut != 5 {
		t.Errorf("repaired: %+v, want 5 bytes from %d on", r, tail)
	}
	mustSave(t, again, consensus.Save{Entries: entries(4, 1, 1)})
	mustClose(t, again)
	if got := reopened(t, dir); len(got.Entries) != 4 {
		t.Errorf("%d entries", len(got.Entries))
	}
}

// Zeros behind the last record of a segment that is not the last were never allocated ahead: a full segment is longer than that.
func TestZerosBehindAnOlderSegment(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	for i := range consensus.Index(40) {
		mustSave(t, l, consensus.Save{HardState: hard(1, ""), Entries: entries(i*10+1, 1, 10)})
	}
	mustClose(t, l)
	path := filepath.Join(dir, segmentName(1))
	if err := os.Truncate(path, size(t, path)+100); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if _, err := Open(dir, testOptions); !errors.As(err, &damage) || damage.File != segmentName(1) {
		t.Errorf("got %v", err)
	}
}

// Allocation is for speed. On a disk that is nearly full, and where it cannot be done, the log works without.
func TestNothingIsAllocatedAheadOnAFullDisk(t *testing.T) {
	for name, breakIt := range map[string]func(*disk){
		"full": func(d *disk) {
			d.space = func(string) (Space, error) {
				return Space{Free: minRoom*int64(testOptions.SegmentBytes) - 1, Size: 1 << 30}, nil
			}
			d.ahead = func(*os.File, int64) error { t.Error("it allocates"); return nil }
		},
		"unknown":  func(d *disk) { d.space = func(string) (Space, error) { return Space{}, errSizeUnknown } },
		"refusing": func(d *disk) { d.ahead = func(*os.File, int64) error { return errors.ErrUnsupported } },
	} {
		dir, disk := t.TempDir(), realDisk
		breakIt(&disk)
		l, err := open(dir, testOptions, disk)
		if err != nil {
			t.Fatal(err)
		}
		mustSave(t, l, consensus.Save{HardState: hard(1, ""), Entries: entries(1, 1, 3)})
		if got := size(t, filepath.Join(dir, segmentName(1))); got != l.tail {
			t.Errorf("%s: the segment has %d bytes, want %d", name, got, l.tail)
		}
		mustClose(t, l)
		if got := reopened(t, dir); len(got.Entries) != 3 {
			t.Errorf("%s: %d entries", name, len(got.Entries))
		}
	}
}

package wal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var reserveOptions = Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096, ReserveBytes: 300_000, ReserveAbove: 5 << 20}

// diskWith is a disk that has so much room, whatever is written to it.
func diskWith(free int64) disk {
	d := realDisk
	d.space = func(string) (Space, error) { return Space{Free: free, Size: 1 << 40}, nil }
	return d
}

// checkReserve checks that the directory's reserve has so many bytes, and that the log and who looks know it.
func checkReserve(t *testing.T, l *Log, dir string, want int64) {
	t.Helper()
	found, err := Scan(dir, nil)
	if err != nil || found.ReserveBytes != want || l.ReserveBytes() != want {
		t.Fatalf("Scan finds a reserve of %d bytes, %v, and the log has %d, want %d", found.ReserveBytes, err, l.ReserveBytes(), want)
	}
	var s syscall.Stat_t
	err = syscall.Stat(filepath.Join(dir, reserveName), &s)
	if want == 0 && !errors.Is(err, syscall.ENOENT) || want > 0 && (err != nil || s.Size != want || s.Blocks*512 < want) {
		t.Fatalf("the file has %d bytes, and %d on the disk, %v, want %d", s.Size, s.Blocks*512, err, want)
	}
}

// When an Open makes the reserve, keeps it, changes it, and does without.
func TestOpenAndTheReserve(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct {
		what  string
		want  int64 // Options.ReserveBytes
		free  int64
		found int64 // afterwards
	}{
		{"too little room besides", 300_000, 5<<20 + 299_999, 0},
		{"room", 300_000, 5<<20 + 300_000, 300_000},
		{"it is there", 300_000, openRoom, 300_000},
		{"it is to grow, and there is no room", 400_000, 5<<20 + 99_999, 300_000},
		{"it is to grow", 400_000, 5<<20 + 100_000, 400_000},
		{"it is to shrink", 200_000, openRoom, 200_000},
		{"too little room to open", 200_000, openRoom - 1, 0},
		{"room again", 200_000, 1 << 30, 200_000},
		{"none is wanted", 0, 1 << 30, 0},
	} {
		opts := reserveOptions
		opts.ReserveBytes = step.want
		l, err := open(dir, opts, diskWith(step.free))
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if got := l.Recovery().ReserveBytes; got != step.found {
			t.Errorf("%s: the report says %d, want %d", step.what, got, step.found)
		}
		checkReserve(t, l, dir, step.found)
		mustClose(t, l)
	}
}

// While the log is open its reserve is given back and taken, again and again.
func TestReserveIsGivenBackAndTaken(t *testing.T) {
	dir := t.TempDir()
	l, err := open(dir, reserveOptions, diskWith(1<<30))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		checkReserve(t, l, dir, 300_000)
		if bytes, err := l.ReleaseReserve(); err != nil || bytes != 300_000 {
			t.Fatalf("released %d, %v", bytes, err)
		}
		checkReserve(t, l, dir, 0)
		if bytes, err := l.ReleaseReserve(); err != nil || bytes != 0 {
			t.Fatalf("released again: %d, %v", bytes, err)
		}
		if err := l.RestoreReserve(); err != nil {
			t.Fatal(err)
		}
	}
	mustSave(t, l, story()...)
	mustClose(t, l)
	if err := l.RestoreReserve(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("restored in a directory that is not ours any more: %v", err)
	}
	checkSaved(t, reopened(t, dir), shadow(story()))
}

// A disk that has not the room, although it said so: the log opens, and no part of a reserve takes what others need.
func TestReserveThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	d := diskWith(1 << 30)
	d.allocate = func(f *os.File, size int64) error { return errors.Join(writeZeros(f, size/2), syscall.ENOSPC) }
	l, err := open(dir, reserveOptions, d)
	if err != nil {
		t.Fatal(err)
	}
	checkReserve(t, l, dir, 0)
	if err := l.RestoreReserve(); !IsNoSpace(err) {
		t.Errorf("restore: %v", err)
	}
	checkReserve(t, l, dir, 0)
	mustClose(t, l)

	d.space = func(string) (Space, error) { return Space{}, errDisk }
	if l, err = open(dir, reserveOptions, d); err != nil {
		t.Fatal(err)
	}
	checkReserve(t, l, dir, 0)
	mustClose(t, l)
}

// A reserve of which nobody knows whether it is durable is none.
func TestReserveThatCannotBeMadeDurable(t *testing.T) {
	dir := t.TempDir()
	d := diskWith(openRoom) // Open makes none
	broken := true
	d.syncDir = func(path string) error {
		if _, err := os.Lstat(filepath.Join(dir, reserveName)); err == nil && broken {
			return errDisk
		}
		return fsyncDir(path)
	}
	l, err := open(dir, reserveOptions, d)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	if err := l.RestoreReserve(); !errors.Is(err, errDisk) {
		t.Errorf("restore: %v", err)
	}
	checkReserve(t, l, dir, 0)
	broken = false
	if err := l.RestoreReserve(); err != nil {
		t.Fatal(err)
	}
	checkReserve(t, l, dir, reserveOptions.ReserveBytes)
}

// What somebody else put there under that name is neither opened nor removed, nor in the way.
func TestReserveThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, reserveName), dirMode); err != nil {
		t.Fatal(err)
	}
	l, err := open(dir, reserveOptions, diskWith(1<<30))
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	if err := l.RestoreReserve(); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("restore: %v", err)
	}
	if _, err := l.ReleaseReserve(); err == nil {
		t.Error("a directory was released")
	}
}

// A copy of a directory may have a reserve that is as long as it should be, and holds no room.
func TestHollowReserveIsFilled(t *testing.T) {
	dir := t.TempDir()
	writeTestFile(t, dir, reserveName, nil)
	if err := os.Truncate(filepath.Join(dir, reserveName), reserveOptions.ReserveBytes); err != nil {
		t.Fatal(err)
	}
	l, err := open(dir, reserveOptions, diskWith(openRoom))
	if err != nil {
		t.Fatal(err)
	}
	checkReserve(t, l, dir, reserveOptions.ReserveBytes)
	mustClose(t, l)
}

// Where no free space is known, as under a quota, an Open that finds no room gives the reserve up, and the next one has it.
func TestOpenThatFindsNoRoomGivesTheReserveUp(t *testing.T) {
	dir := t.TempDir()
	l, err := open(dir, reserveOptions, diskWith(1<<30))
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	d := diskWith(1 << 30)
	d.syncDir = func(path string) error {
		if _, err := os.Lstat(filepath.Join(dir, reserveName)); err == nil && path == dir {
			return syscall.EDQUOT
		}
		return fsyncDir(path)
	}
	if _, err = open(dir, reserveOptions, d); !IsNoSpace(err) || !strings.Contains(err.Error(), "try once more") {
		t.Errorf("open: %v", err)
	}
	d.allocate = func(*os.File, int64) error { return syscall.EDQUOT }
	if l, err = open(dir, reserveOptions, d); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
}

func TestZerosAreWritten(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "zeros"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int64{1, 3<<20 + 7, 3 << 20} {
		if err := writeZeros(f, size); err != nil {
			t.Fatal(err)
		}
	}
	var s syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &s); err != nil || s.Size != 3<<20+7 || s.Blocks*512 < s.Size {
		t.Errorf("%d bytes, %d on the disk, %v", s.Size, s.Blocks*512, err)
	}
}

func TestSpaceOf(t *testing.T) {
	if s, err := SpaceOf(t.TempDir()); err != nil || s.Free > s.Size || s.Size <= 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := SpaceOf(filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("nowhere has space")
	}
}

func TestOptionsOfTheReserve(t *testing.T) {
	for _, opts := range []Options{{ReserveBytes: -1}, {ReserveBytes: maxReserveBytes + 1}, {ReserveAbove: -1}} {
		opts.Cluster, opts.Node = "c1", "n1"
		if _, err := Open(t.TempDir(), opts); err == nil || !strings.Contains(err.Error(), "ReserveBytes") {
			t.Errorf("%+v: %v", opts, err)
		}
	}
}

package wal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/raftnode/raft/raft/consensus"
)

// sized is a snapshot with so many bytes of data, no two blocks of which are equal.
func sized(bytes int) *consensus.Snapshot {
	s := snapshotAt(5, 1)
	s.Data = make([]byte, bytes)
	for i := range s.Data {
		s.Data[i] = byte(i ^ i/blockBytes)
	}
	return s
}

// Sizes around the borders of blocks come back as they were.
func TestSnapshotSizes(t *testing.T) {
	for _, size := range []int{0, 1, blockBytes - 1, blockBytes, blockBytes + 1, 16 * blockBytes, 16*blockBytes + 1, 3 << 20} {
		dir := t.TempDir()
		l := mustOpen(t, dir, testOptions)
		saves := []consensus.Save{{HardState: hard(1, ""), Entries: entries(1, 1, 9)}, {Snapshot: sized(size), Base: position(5, 1)}}
		mustSave(t, l, saves...)
		mustClose(t, l)
		checkSaved(t, reopened(t, dir), shadow(saves))
	}
	empty := consensus.Save{HardState: hard(1, ""), Snapshot: &consensus.Snapshot{Position: position(9, 1)}, Base: position(9, 1), Installed: true}
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, empty)
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow([]consensus.Save{empty}))
}

// snapshotLog is a directory whose snapshot has several blocks.
func snapshotLog(t testing.TB, opts Options, s *consensus.Snapshot) (content map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, opts)
	mustSave(t, l, consensus.Save{HardState: hard(1, ""), Entries: entries(1, 1, 9)}, consensus.Save{Snapshot: s, Base: position(5, 1)})
	abandon(t, l)
	return files(t, dir)
}

// checkRefused opens the directory: it must be refused with these words and those of every refusal, and stay as it is.
func checkRefused(t *testing.T, content map[string][]byte, wants ...string) {
	t.Helper()
	dir := dirWith(t, content)
	_, err := Open(dir, testOptions)
	if err == nil {
		t.Error("it was opened")
		return
	}
	if wants = append(wants, "must not take part again", dir); !containsAll(err.Error(), wants) {
		t.Errorf("the error does not say all of %q: %v", wants, err)
	}
	if _, err := Scan(dir, nil); err == nil {
		t.Error("scan found nothing wrong")
	}
	after := files(t, dir)
	for name, data := range content {
		if !bytes.Equal(after[name], data) {
			t.Errorf("%s was changed", name)
		}
	}
}

// Rot, loss and confusion of the snapshot file are refused, whatever byte it is.
func TestDamagedSnapshotFile(t *testing.T) {
	snapshot := sized(3*blockBytes + 77)
	content := snapshotLog(t, testOptions, snapshot)
	name := snapshotName(snapshot.Position)
	whole := content[name]
	block := blockBytes + checksumBytes
	head := len(whole) - 3*block - 77 - checksumBytes
	otherNode := snapshotLog(t, Options{Cluster: "c1", Node: "n2"}, snapshot)[name]
	changed := sized(3*blockBytes + 77)
	changed.Data[5]++
	sameStore := fileOf(t, content, changed)
	for what, test := range map[string]struct {
		data []byte
		want string
	}{
		"missing":                 {nil, "is missing"},
		"empty":                   {[]byte{}, "but the file ends too early"},
		"cut in the head":         {whole[:20], "but the file ends too early"},
		"cut in the second block": {whole[:head+block+9], "bytes follow the head"},
		"cut between blocks":      {whole[:head+2*block], "bytes follow the head"},
		"longer":                  {append(slices.Clip(whole), 0), "bytes follow the head"},
		"of another node":         {otherNode, "belongs to another directory"},
		"of another snapshot":     {sameStore, "expected the snapshot that the log speaks of"},
		"blocks swapped": {
			slices.Concat(whole[:head], whole[head+block:head+2*block], whole[head:head+block], whole[head+2*block:]),
			"the checksum of the block",
		},
		"random": {bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 99), "at offset 0"},
	} {
		t.Run(what, func(t *testing.T) {
			damaged := cloned(content)
			if damaged[name] = test.data; test.data == nil {
				delete(damaged, name)
			}
			checkRefused(t, damaged, name, test.want)
		})
	}
}

// fileOf is the snapshot's file as the store of this directory would write it.
func fileOf(t *testing.T, content map[string][]byte, s *consensus.Snapshot) []byte {
	t.Helper()
	id := mustIdentity(t, content)
	var file bytes.Buffer
	if _, err := encodeSnapshot(id, id.salt(), s, func(p []byte) error { _, err := file.Write(p); return err }); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// Each byte of the head, and each 97th of the data, with one bit flipped; and cut at each of them.
func TestFlippedBitInSnapshotFile(t *testing.T) {
	id := fuzzIdentity
	whole := fuzzSnapshot(sized(2*blockBytes + 10))
	head := len(whole) - 2*(blockBytes+checksumBytes) - 10 - checksumBytes
	tried := 0
	for at := 0; at < len(whole); at++ {
		if at > head && at < len(whole)-20 && at%97 != 0 {
			continue
		}
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		for what, data := range map[string][]byte{"flipped": damaged, "cut": whole[:at]} {
			tried++
			r := newSnapshotReader(id, bytes.NewReader(data), uint64(len(data)))
			if s, err := r.read(true); err == nil {
				t.Fatalf("%s at %d: read as %v", what, at, s.Position)
			}
			if at < head && r.offset != 0 || r.offset > uint64(at) {
				t.Fatalf("%s at %d: the damage is reported at %d", what, at, r.offset)
			}
		}
	}
	reportCount(t, tried, "snapshot files with a bit flipped, or cut: all refused")
}

// A head whose lengths are absurd takes no memory.
func TestSnapshotFileOfAbsurdLengths(t *testing.T) {
	for _, at := range []int{28, 35, 36, 37, 38, 41} {
		file := fuzzSnapshot(sized(10))
		file[at] = 0xff
		if _, err := newSnapshotReader(fuzzIdentity, bytes.NewReader(file), uint64(len(file))).read(true); err == nil {
			t.Errorf("byte %d: it was read", at)
		}
	}
}

func TestBadSnapshotIsNotWritten(t *testing.T) {
	for what, save := range map[string]consensus.Save{
		"not newer":                  {Snapshot: snapshotAt(5, 1), Base: position(5, 1)},
		"behind the log":             {Snapshot: snapshotAt(31, 1), Base: position(5, 1)},
		"of another term":            {Snapshot: snapshotAt(9, 2), Base: position(6, 1)},
		"of a term to come":          {Snapshot: snapshotAt(50, 3), Base: position(50, 3), Installed: true},
		"base behind the snapshot":   {Snapshot: snapshotAt(9, 1), Base: position(10, 1)},
		"base goes back":             {Snapshot: snapshotAt(9, 1), Base: position(3, 1)},
		"base of another term":       {Snapshot: snapshotAt(9, 1), Base: position(7, 2)},
		"installed below the commit": {Snapshot: snapshotAt(19, 1), Base: position(19, 1), Installed: true},
		"installed with entries":     {Snapshot: snapshotAt(40, 1), Base: position(30, 1), Installed: true},
		"entry at the base":          {Snapshot: snapshotAt(40, 1), Base: position(40, 1), Installed: true, Entries: entries(40, 1, 1)},
		"bad configuration":          {Snapshot: &consensus.Snapshot{Position: position(9, 1), Config: consensus.Configuration{{ID: "x"}}}, Base: position(9, 1)},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, dir, testOptions)
			before := []consensus.Save{{HardState: hard(2, ""), Entries: entries(1, 1, 30), Commit: 20}, {Snapshot: snapshotAt(5, 1), Base: position(4, 1)}}
			mustSave(t, l, before...)
			content := files(t, dir)
			if err := l.Save([]consensus.Save{save}); err == nil {
				t.Fatal("no error")
			}
			for name, data := range files(t, dir) {
				if !bytes.Equal(data, content[name]) {
					t.Errorf("%s was written", name)
				}
			}
			mustClose(t, l)
			checkSaved(t, reopened(t, dir), shadow(before))
		})
	}
}

// preparable is a log with entries 1 to 30 of term 1, on a disk that takes notes.
func preparable(t *testing.T) (dir string, d *faultyDisk, l *Log, before consensus.Save) {
	t.Helper()
	dir, d = t.TempDir(), &faultyDisk{}
	l = openFaulty(t, dir, d)
	before = consensus.Save{HardState: hard(1, ""), Entries: entries(1, 1, 30), Commit: 25}
	mustSave(t, l, before)
	d.deeds = nil
	return dir, d, l, before
}

func mustPrepare(t *testing.T, l *Log, s *consensus.Snapshot) {
	t.Helper()
	if err := l.PrepareSnapshot(s); err != nil {
		t.Fatal(err)
	}
}

// A prepared snapshot is on stable storage, and the Save that names it writes no file.
func TestPrepareSnapshot(t *testing.T) {
	dir, d, l, before := preparable(t)
	snapshot := snapshotAt(20, 1)
	mustPrepare(t, l, snapshot)
	mustPrepare(t, l, snapshot)
	if want := "create snapwrite snapwrite snapsync rename dir"; strings.Join(d.deeds, " ") != want {
		t.Errorf("PrepareSnapshot did %v, want %s", d.deeds, want)
	}
	checkSaved(t, scannedWell(t, dir), shadow([]consensus.Save{before}))
	d.deeds = nil
	save := consensus.Save{Snapshot: snapshotAt(20, 1), Base: position(20, 1)} // another pointer, the same snapshot
	mustSave(t, l, save)
	if slices.Contains(d.deeds, "create") {
		t.Errorf("Save did %v", d.deeds)
	}
	mustPrepare(t, l, snapshotAt(19, 1)) // overtaken
	mustPrepare(t, l, sized(0))
	checkOneSnapshot(t, dir, 20)
	mustClose(t, l)
	if err := l.PrepareSnapshot(snapshotAt(25, 1)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
	checkSaved(t, reopened(t, dir), shadow([]consensus.Save{before, save}))
}

// A snapshot that was prepared and never saved does not count, and goes.
func TestPreparedAndNotSaved(t *testing.T) {
	dir, _, l, before := preparable(t)
	mustPrepare(t, l, snapshotAt(18, 1))
	mustPrepare(t, l, snapshotAt(20, 1))
	save := consensus.Save{Snapshot: snapshotAt(19, 1), Base: position(19, 1)}
	mustSave(t, l, save)
	if content := files(t, dir); content[snapshotName(position(18, 1))] != nil || content[snapshotName(position(20, 1))] == nil {
		t.Error("want the older prepared one gone, and the newer one there")
	}
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow([]consensus.Save{before, save}))
	checkOneSnapshot(t, dir, 19)
}

// A leader's snapshot at the same place may have other bytes than the one prepared here: what is saved is what was given.
func TestPreparedWithOtherBytes(t *testing.T) {
	dir, _, l, before := preparable(t)
	other := snapshotAt(20, 1)
	other.Data = []byte("the same state, written in another order")
	mustPrepare(t, l, other)
	save := consensus.Save{Snapshot: snapshotAt(20, 1), Base: position(20, 1)}
	mustSave(t, l, save)
	mustPrepare(t, l, other) // too late: it must not replace what counts
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow([]consensus.Save{before, save}))
}

// A preparation that fails promised nothing: it leaves nothing, and may be tried again; the log goes on.
func TestPrepareThatFails(t *testing.T) {
	for _, kind := range []string{"create", "snapwrite", "snapsync", "rename", "dir"} {
		dir, d, l, before := preparable(t)
		d.fail, d.after = kind, 0
		if err := l.PrepareSnapshot(snapshotAt(20, 1)); !errors.Is(err, errDisk) {
			t.Fatalf("%s: %v", kind, err)
		}
		d.fail = ""
		for name := range files(t, dir) {
			if strings.HasSuffix(name, tmpSuffix) {
				t.Errorf("%s: %s is still there", kind, name)
			}
		}
		more := consensus.Save{Entries: entries(31, 1, 1)}
		mustSave(t, l, more)
		mustPrepare(t, l, snapshotAt(20, 1))
		save := consensus.Save{Snapshot: snapshotAt(20, 1), Base: position(20, 1)}
		mustSave(t, l, save)
		mustClose(t, l)
		checkSaved(t, reopened(t, dir), shadow([]consensus.Save{before, more, save}))
	}
	if err := new(Log).PrepareSnapshot(nil); err == nil {
		t.Error("no snapshot was prepared")
	}
}

// Preparations and Saves at the same time, for the race detector: each Save finds its file, by whomever it was written.
func TestPrepareBesideSave(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	saves := []consensus.Save{{HardState: hard(1, ""), Entries: entries(1, 1, 40), Commit: 40}}
	mustSave(t, l, saves...)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for index := consensus.Index(1); index <= 40; index++ {
				if err := l.PrepareSnapshot(snapshotAt(index, 1)); err != nil {
					t.Errorf("prepare %d: %v", index, err)
				}
			}
		})
	}
	for index := consensus.Index(2); index <= 38; index += 4 {
		save := consensus.Save{Snapshot: snapshotAt(index, 1), Base: position(index-1, 1)}
		mustSave(t, l, save)
		saves = append(saves, save)
	}
	group.Wait()
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow(saves))
	checkOneSnapshot(t, dir, 38)
}

// Close waits for a preparation: another process may use the directory from then on.
func TestCloseWaitsForThePreparation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		d := realDisk
		goOn := make(chan struct{})
		d.rename = func(from, to string) error {
			<-goOn
			return os.Rename(from, to)
		}
		l, err := open(dir, testOptions, d)
		if err != nil {
			t.Fatal(err)
		}
		prepared, closed := make(chan error, 1), make(chan error, 1)
		go func() { prepared <- l.PrepareSnapshot(snapshotAt(20, 1)) }()
		synctest.Wait()
		go func() { closed <- l.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("Close did not wait")
		}
		if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("open: %v", err)
		}
		close(goOn)
		if err := errors.Join(<-prepared, <-closed); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, snapshotName(position(20, 1)))); err != nil {
			t.Error(err)
		}
	})
}

func TestDirectoryOfFormat1(t *testing.T) {
	dir := dirWith(t, map[string][]byte{identityName: sealed("raft log\nformat: 1\ncluster: \"c1\"\nnode: \"n1\"\nstore: 00\n")})
	if _, err := Open(dir, testOptions); err == nil || !containsAll(err.Error(), []string{"format of its files is 1", "no conversion", "a new id"}) {
		t.Errorf("open: %v", err)
	}
}

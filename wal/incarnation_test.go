package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// Each start has a number of its own, and the marks of those before it.
func TestEachStartIsAnIncarnation(t *testing.T) {
	dir := t.TempDir()
	var before Incarnation
	for n := uint64(1); n <= maxMarks+3; n++ {
		l := mustOpen(t, dir, testOptions)
		now := l.Recovery().Incarnation
		mustClose(t, l)
		if now.Number != n || len(now.Marks) != int(min(n, maxMarks)) {
			t.Fatalf("start %d is %s", n, now)
		}
		if older := now.Marks[:len(now.Marks)-1]; !slices.Equal(older, before.Marks[len(before.Marks)-len(older):]) {
			t.Fatalf("start %d does not have the marks of the one before", n)
		}
		if found, err := Scan(dir, nil); err != nil || found.Incarnation.String() != now.String() {
			t.Fatalf("a scan finds %s, %v", found.Incarnation, err)
		}
		before = now
	}
	for number, knows := range map[uint64]bool{before.Number: true, before.Number + 1: true, 4: true, 3: false, 0: false} {
		if _, known := before.Has(Start{number, 0}); known != knows {
			t.Errorf("of start %d of %d: known %t", number, before.Number, known)
		}
	}
	newest := before.Newest()
	if has, _ := before.Has(newest); !has {
		t.Error("a start does not come from itself")
	}
	if has, _ := before.Has(Start{newest.Number, newest.Mark + 1}); has {
		t.Error("it comes from a start with another mark")
	}
}

// A copy of the directory that is started has the number of the start that it missed, and another mark.
func TestACopyDivergesWithItsFirstStart(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	copied := dirWith(t, files(t, dir))
	ours, theirs := mustOpen(t, dir, testOptions).Recovery().Incarnation, mustOpen(t, copied, testOptions).Recovery().Incarnation
	if ours.Number != 2 || theirs.Number != 2 || ours.Newest() == theirs.Newest() || ours.Marks[0] != theirs.Marks[0] {
		t.Errorf("%s and %s", ours, theirs)
	}
}

// The number is on stable storage before Open returns, or Open fails.
func TestAnIncarnationThatCannotBeWrittenIsNone(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	d := &faultyDisk{}
	l, err := open(dir, testOptions, d.disk())
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	last := 0
	for _, deed := range d.deeds {
		if deed == "dir" {
			last++
		}
	}
	if _, err := open(dir, testOptions, (&faultyDisk{fail: "dir", after: last - 1}).disk()); err == nil {
		t.Error("it opens although the directory was not fsynced at the end")
	}
	if err := os.Mkdir(filepath.Join(dir, incarnationName+tmpSuffix), dirMode); err != nil {
		t.Fatal(err)
	}
	writeTestFile(t, filepath.Join(dir, incarnationName+tmpSuffix), "x", nil)
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), incarnationName) {
		t.Errorf("open: %v", err)
	}
}

// A log that is refused was not started.
func TestARefusedStartDoesNotCount(t *testing.T) {
	content, list, _ := smallLog(t, 20)
	content[segmentName(1)][list[1].Offset+8] ^= 1
	dir := dirWith(t, content)
	if _, err := Open(dir, testOptions); err == nil {
		t.Fatal("it was opened")
	}
	if after := files(t, dir)[incarnationName]; string(after) != string(content[incarnationName]) {
		t.Errorf("a refused start left %q", after)
	}
}

// FuzzParseIncarnation: any text, as a peer may send it, is refused, or is what the incarnation that it is read as is written as.
func FuzzParseIncarnation(f *testing.F) {
	f.Add("1:00000001")
	f.Add("7:0000000100000002")
	f.Add("01:0000000A") // not as it is written
	f.Add("18446744073709551615:ffffffff")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseIncarnation(text)
		if err != nil {
			return
		}
		if i.String() != text || len(i.Marks) == 0 || len(i.Marks) > maxMarks || uint64(len(i.Marks)) > i.Number {
			t.Fatalf("%q is read as %d starts with %d marks", text, i.Number, len(i.Marks))
		}
	})
}

func TestParseIncarnation(t *testing.T) {
	for _, bad := range []string{
		"", ":", "1:", "1", "0:00000001", "x:00000001", "1:0000000", "1:0000000g", "1:0000000100000002", "01:00000001", "1:0000000A", "-1:00000001",
		"2:00000001,", "2:00000001,3:00000001", "2:00000001,1", "2:00000001,2:00000001,1:00000001", "2:00000001,1:0000001", "9:00000001,1:00000001,2:00000001,3:00000001,4:00000001,5:00000001",
		"1000:" + strings.Repeat("00000001", maxMarks+1), "99999999999999999999:00000001",
	} {
		if i, err := ParseIncarnation(bad); err == nil {
			t.Errorf("%q is read as %v", bad, i)
		}
	}
	var i Incarnation
	for range maxMarks + 7 {
		i = i.next()
	}
	i.Number = 1<<64 - 1
	for range maxAnchors {
		i.Anchors = append(i.Anchors, Start{1<<64 - 1, 7})
	}
	if got, err := ParseIncarnation(i.String()); err != nil || got.String() != i.String() || !slices.Equal(got.Anchors, i.Anchors) || len(i.String()) != 941 {
		t.Errorf("%v, %v, %d bytes", got, err, len(i.String()))
	}
}

// Who took note of a start can be shown it after any number of others, also if the directory was closed in between.
func TestAnAnchorOutlivesTheMarks(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	anchor := l.Recovery().Incarnation.Newest()
	for _, who := range []consensus.ServerID{"n2", `odd "name"`, "n2"} {
		if err := l.Anchor(who); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
	for range maxMarks + 5 {
		mustClose(t, mustOpen(t, dir, testOptions))
	}
	l = mustOpen(t, dir, testOptions)
	defer mustClose(t, l)
	for _, who := range []consensus.ServerID{"n2", `odd "name"`} {
		told, err := ParseIncarnation(l.IncarnationFor(who).String())
		if has, known := told.Has(anchor); err != nil || !has || !known {
			t.Errorf("%s cannot see that start %d comes from start %d: %s, %v", who, told.Number, anchor.Number, told, err)
		}
		if has, known := told.Has(Start{anchor.Number, anchor.Mark + 1}); has || !known {
			t.Errorf("%s takes a copy for it", who)
		}
	}
	if has, known := l.IncarnationFor("n3").Has(anchor); has || known {
		t.Error("n3, who was never anchored, knows")
	}
	if err := l.Anchor("n2"); err != nil || l.IncarnationFor("n2").Anchors[1] != l.Recovery().Incarnation.Newest() {
		t.Errorf("the anchor does not move on: %v", err)
	}
}

// However many servers are told, with whatever names, the file can be read back, and those that were told last are in it.
func TestAnchorsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	const servers = 60
	names := make([]consensus.ServerID, servers)
	for i := range names {
		names[i] = consensus.ServerID(fmt.Sprintf("%0*d", maxIDBytes, i))
		if err := l.Anchor(names[i]); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
	l = mustOpen(t, dir, testOptions)
	defer mustClose(t, l)
	if len(l.IncarnationFor(names[servers-1]).Anchors) != 1 {
		t.Error("who was told last is not in it")
	}
}

// Several at once: each finds what it was told.
func TestAnchorsOfManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	var asking sync.WaitGroup
	for i := range 20 {
		asking.Go(func() {
			if err := l.Anchor(consensus.ServerID(fmt.Sprint("n", i))); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	mustClose(t, l)
	l = mustOpen(t, dir, testOptions)
	defer mustClose(t, l)
	for i := range 20 {
		if len(l.IncarnationFor(consensus.ServerID(fmt.Sprint("n", i))).Anchors) != 1 {
			t.Errorf("n%d is lost", i)
		}
	}
}

// Who took note of a start but could not write it down comes back with the one before: that is an anchor, too.
func TestAnOlderAnchorStays(t *testing.T) {
	dir := t.TempDir()
	var written Start
	for i := range 2 {
		l := mustOpen(t, dir, testOptions)
		if err := l.Anchor("n2"); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			written = l.Recovery().Incarnation.Newest()
		}
		mustClose(t, l)
		for range maxMarks + 5 {
			mustClose(t, mustOpen(t, dir, testOptions))
		}
	}
	l := mustOpen(t, dir, testOptions)
	defer mustClose(t, l)
	if has, known := l.IncarnationFor("n2").Has(written); !has || !known {
		t.Errorf("start %d is not shown by %s", written.Number, l.IncarnationFor("n2"))
	}
}

// A disk without any room keeps nobody from starting: the start goes on as the one before.
func TestAStartThatFindsNoRoomIsNotCounted(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	before := files(t, dir)[incarnationName]
	d := &faultyDisk{}
	l, err := open(dir, testOptions, d.disk())
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	writeTestFile(t, dir, incarnationName, before)
	last := -1
	for _, deed := range d.deeds {
		if deed == "dir" {
			last++
		}
	}
	full := (&faultyDisk{}).disk()
	syncDir := full.syncDir
	full.syncDir = func(dir string) error {
		if last--; last < 0 {
			return &fs.PathError{Op: "write", Path: incarnationName, Err: syscall.ENOSPC}
		}
		return syncDir(dir)
	}
	l, err = open(dir, testOptions, full)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	if got := l.Recovery().Incarnation; got.Number != 1 {
		t.Errorf("it counts as start %d", got.Number)
	}
}

// Whoever lost the file shall not count from 1 again: who knew the node would never let it in.
func TestALostIncarnationIsNoticed(t *testing.T) {
	content, _, _ := smallLog(t, 20)
	delete(content, incarnationName)
	dir := dirWith(t, content)
	var damage *DamageError
	if _, err := Open(dir, testOptions); !errors.As(err, &damage) || damage.File != incarnationName {
		t.Errorf("open: %v", err)
	}
	if _, err := Scan(dir, nil); !errors.As(err, &damage) || damage.File != incarnationName {
		t.Errorf("scan: %v", err)
	}
}

// Snapshots without anything else are no new directory, and nothing is written into one that is refused.
func TestSnapshotsAloneAreNoNewDirectory(t *testing.T) {
	dir := dirWith(t, map[string][]byte{snapshotName(consensus.Position{Index: 3, Term: 1}): []byte("x")})
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), identityName) {
		t.Errorf("got %v", err)
	}
	if _, found := files(t, dir)[identityName]; found {
		t.Error("it has an identity now")
	}
}

package wal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	for number, known := range map[uint64]bool{before.Number: true, before.Number + 1: false, 4: true, 3: false, 0: false} {
		if _, got := before.Mark(number); got != known {
			t.Errorf("the mark of start %d of %d: known %t", number, before.Number, got)
		}
	}
	if mark, _ := before.Mark(before.Number); mark != before.Newest() {
		t.Error("the newest mark is another")
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
	if got, err := ParseIncarnation(i.String()); err != nil || got.String() != i.String() || len(i.String()) != 821 {
		t.Errorf("%v, %v, %d bytes", got, err, len(i.String()))
	}
}

package wal

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What an operator reads when a start is refused, whole: what is wrong, in which file and where, what belongs there, and what to do.
func TestRefusals(t *testing.T) {
	content, names, _ := compactedLog(t)
	first, second, last := names[0], names[1], names[len(names)-1]
	var snapshot string
	for name := range content {
		if isSnapshotName(name) {
			snapshot = name
		}
	}
	l := records(t, dirWith(t, content))
	third := l[2]
	flip := func(name string, at int) func(map[string][]byte) {
		return func(d map[string][]byte) {
			d[name] = bytes.Clone(d[name])
			d[name][at] ^= 1
		}
	}
	remove := func(name string) func(map[string][]byte) { return func(d map[string][]byte) { delete(d, name) } }
	cut := func(name string, to int) func(map[string][]byte) {
		return func(d map[string][]byte) { d[name] = d[name][:to] }
	}
	end := bytes.Index(content[identityName], []byte("checksum"))
	for what, test := range map[string]struct {
		change func(map[string][]byte)
		file   string
		offset int64
		want   string // with # for any number of hexadecimal digits
	}{
		"a bit in the log": {
			flip(first, int(third.Offset+third.Bytes-1)), first, third.Offset,
			"segment file " + first + " at offset N: expected record M, but the checksum is wrong (off by #); " +
				"only the last file can end in an interrupted write, and this is not the last",
		},
		"a segment missing": {
			remove(second), second, -1,
			"segment file " + second + " is missing, and it was there once: segment file " + names[2] + " begins with record " + strings.TrimLeft(names[2], "0") +
				", and record " + strings.TrimLeft(second, "0") + " is in no file; it had the entries FROM to TO, which no snapshot makes superfluous; " +
				"or the file before it had them, and is cut short",
		},
		"the last segment missing": {remove(last), last, -1, "segment file " + last + " is missing, and it was there once: the file newest names it"},
		"the first record missing": {
			func(d map[string][]byte) {
				maps.DeleteFunc(d, func(name string, _ []byte) bool { return isSnapshotName(name) || len(name) == 20 && name != last })
				d[last] = nil
			},
			last, 0,
			"segment file " + last + " at offset 0: expected a record that was on stable storage before the file newest was written, but it does not begin with a record",
		},
		"the snapshot missing": {
			remove(snapshot), snapshot, -1,
			"snapshot file " + snapshot + " is missing, and it was there once: the log says that it counts, and that what it replaces may be gone",
		},
		"a bit in the snapshot": {
			flip(snapshot, len(content[snapshot])-1), snapshot, -2,
			"snapshot file " + snapshot + " at offset N: expected a block of data and its checksum, but the checksum of the block of SIZE bytes is wrong",
		},
		"the snapshot cut": {
			cut(snapshot, 30), snapshot, 0,
			"snapshot file " + snapshot + " at offset 0: expected the head of a snapshot of store STORE, but the file ends too early",
		},
		"newest missing": {remove(newestName), newestName, -1, "the file newest is missing, and it was there once: it was written before " + snapshot},
		"newest empty":   {cut(newestName, 0), newestName, 0, "the file newest at offset 0: expected a text with its checksum behind it, but the file is empty"},
		"incarnation cut": {
			cut(incarnationName, 30), incarnationName, 30,
			"the file incarnation at offset 30: expected a last line with the checksum of the others, but the file ends, so it is damaged",
		},
		"a bit in the identity": {
			flip(identityName, end-3), identityName, int64(end),
			"the file identity at offset N: expected \"checksum: #\\n\" as the last line, but it reads \"checksum: #\\n\", so it or what stands before it is damaged",
		},
		"identity missing": {remove(identityName), identityName, -1, "the file identity is missing, and it was there once: the directory holds a log"},
	} {
		t.Run(what, func(t *testing.T) {
			changed := cloned(content)
			test.change(changed)
			dir := dirWith(t, changed)
			_, err := Open(dir, testOptions)
			var damage *DamageError
			if !errors.As(err, &damage) || damage.File != test.file || damage.Offset != test.offset && test.offset != -2 {
				t.Fatalf("%v", err)
			}
			advice := "wal: open " + dir + ": the log is damaged, and nothing was changed: " + test.want + ". Do not delete single files. " +
				"`raftctl doctor --data-dir " + dir + "` looks closer and says what to do; " +
				"if the disk cannot give it back, this node must not take part again with what is left"
			if test.file == identityName {
				advice = "wal: open " + dir + ": the directory is damaged, and nothing was changed: " + test.want +
					". That file never changes: restore it, a copy of it from a backup of this directory is good, and only of this file. " +
					"`raftctl doctor --data-dir " + dir + "` looks closer and says what to do. " +
					"Without one, this node must not take part again with what is left; " + neverEmpty
			}
			if got := err.Error(); !matches(advice, got) {
				t.Errorf("it says\n%s\nwant\n%s", got, advice)
			}
			if _, scanned := Scan(dir, nil); test.file != identityName && (!errors.As(scanned, &damage) || damage.File != test.file) {
				t.Errorf("scan: %v", scanned)
			}
		})
	}
}

// matches compares word by word; a word of capitals, or with a #, stands for any.
func matches(pattern, text string) bool {
	want, got := strings.Fields(pattern), strings.Fields(text)
	if len(want) != len(got) {
		return false
	}
	for i, word := range want {
		isAny := strings.Contains(word, "#") || strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ:,") == ""
		if !isAny && word != got[i] {
			return false
		}
	}
	return true
}

// Whose directory it is can be asked of the error.
func TestOwnerOfAnotherDirectory(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	for _, opts := range []Options{{Cluster: "c1", Node: "n2"}, {Cluster: "c2", Node: "n1"}} {
		_, err := Open(dir, opts)
		var owner *OwnerError
		if !errors.As(err, &owner) || owner.Cluster != "c1" || owner.Node != "n1" {
			t.Errorf("%+v: %v", opts, err)
		}
		if damage := new(DamageError); errors.As(err, &damage) {
			t.Errorf("it is no damage: %v", err)
		}
	}
}

// A file that the disk does not give back is not called damaged: it may be whole.
func TestUnreadable(t *testing.T) {
	err := advise("/d", &fs.PathError{Op: "read", Path: segmentName(1), Err: errDisk})
	if damage := new(DamageError); errors.As(err, &damage) || !errors.Is(err, errDisk) || !containsAll(err.Error(), []string{"does not give back", "raftctl doctor --data-dir /d"}) {
		t.Errorf("%v", err)
	}
	if err := advise("/d", errDisk); err != errDisk { //nolint:errorlint // as it came
		t.Errorf("%v", err)
	}
}

// What recovery tells of a start is complete: the snapshot's size, what was repaired, and how long it took.
func TestRecoveryIsComplete(t *testing.T) {
	content, names, want := compactedLog(t)
	last := names[len(names)-1]
	content[last] = append(bytes.Clone(content[last]), 9, 9)
	dir := dirWith(t, content)
	l := mustOpen(t, dir, testOptions)
	defer mustClose(t, l)
	r := l.Recovery()
	info, err := os.Stat(filepath.Join(dir, r.SnapshotFile))
	if err != nil || r.SnapshotBytes != info.Size() || r.Snapshot != want.Snapshot.Position {
		t.Errorf("snapshot %+v, %d bytes: %v", r.Snapshot, r.SnapshotBytes, err)
	}
	if r.Duration <= 0 || r.Repaired == nil || r.Repaired.File != last || r.Repaired.BytesCut != 2 {
		t.Errorf("took %v, repaired %v", r.Duration, r.Repaired)
	}
	number, _ := strconv.Atoi(strings.SplitN(r.Incarnation.String(), ":", 2)[0])
	if number < 2 || r.Segments != len(names) || r.Term != want.HardState.Term || r.VotedFor != want.HardState.VotedFor || r.Entries != len(want.Entries) {
		t.Errorf("%+v", r)
	}
}

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/wal"
)

// doctorOn runs `raftctl doctor` without measuring, and gives what it found, by check.
func doctorOn(t *testing.T, dir string) (found map[string]finding, d diagnosis, exit int) {
	t.Helper()
	out, talk, exit := runCtl(t, "doctor", "--no-write", "-o", "json", "--data-dir", dir)
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("%v: %s%s", err, out, talk)
	}
	found = map[string]finding{}
	for _, f := range d.Findings {
		found[f.Check] = f
	}
	return found, d, exit
}

// listing is all that can be seen of a directory, without the times.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		info, statErr := e.Info()
		if err = errors.Join(err, statErr); err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = info.Mode().String() + string(data)
	}
	return all
}

func TestDoctorFindsAllWell(t *testing.T) {
	dir := logOf(t, "n1", inTerm(1, 1, 3, "abcd"), snapshotOf(3, 1, 2, "abc"))
	before := listing(t, dir)
	out, talk, exit := runCtl(t, "doctor", dir)
	if exit != exitDone {
		t.Errorf("exit %d: %s", exit, talk)
	}
	// How full and how fast the disk is, is the machine's.
	checkLogSays(t, out, `ok    identity     node "n1" of cluster "c1", store `, "format 3", "ok    permissions  ", "ok    lock         no process has it open",
		"ok    log          ", "entries 3 to 4, term 1", "ok    snapshot     at 3 of term 1, ", "whole; the log goes on from 3. Members: n1 n2",
		"ok    leftovers    none", " free of ", "16 writes of 4 KiB each with its fsync", "\nverdict: ")
	if strings.Contains(out, "FAIL") || strings.Contains(out, "bring the node back") {
		t.Errorf("it says\n%s", out)
	}
	after := listing(t, dir)
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s was changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("there are %d files, and were %d", len(after), len(before))
	}
}

func TestDoctorBesideANode(t *testing.T) {
	dir := logOf(t, "n1", inTerm(1, 1, 3, "abcd"))
	l, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendTo(t, filepath.Join(dir, firstSegment), "\x7fhalf a record")
	writeEmpty(t, filepath.Join(dir, "newest.tmp"))
	found, _, exit := doctorOn(t, dir)
	if exit != exitDone || found["log"].Grade != gradeOK || found["leftovers"].Grade != gradeOK {
		t.Errorf("exit %d, %+v", exit, found)
	}
	checkLogSays(t, found["lock"].What, "process ", "in flight")
	checkLogSays(t, found["log"].What, "in flight", firstSegment)
}

func TestDoctorFinds(t *testing.T) {
	const snapshotFile = "snapshot-00000000000000000003-00000000000000000001"
	for name, c := range map[string]struct {
		harm  func(t *testing.T, dir string)
		check string
		grade grade
		want  string
		do    string
	}{
		"a torn tail":         {func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, firstSegment), "\x7fhalf") }, "log", gradeWarn, "from offset", "cuts it off"},
		"rot":                 {func(t *testing.T, dir string) { flipBit(t, filepath.Join(dir, firstSegment), 60) }, "log", gradeFail, firstSegment + " at offset", "a start refuses this"},
		"a segment missing":   {func(t *testing.T, dir string) { remove(t, dir, firstSegment) }, "log", gradeFail, firstSegment + " is missing", "a start refuses this"},
		"a damaged snapshot":  {func(t *testing.T, dir string) { flipBit(t, filepath.Join(dir, snapshotFile), 90) }, "snapshot", gradeFail, snapshotFile + " at offset 0", "No older snapshot"},
		"a snapshot missing":  {func(t *testing.T, dir string) { remove(t, dir, snapshotFile) }, "snapshot", gradeFail, snapshotFile + " is missing", "No older snapshot"},
		"a damaged identity":  {func(t *testing.T, dir string) { flipBit(t, filepath.Join(dir, "identity"), 12) }, "identity", gradeFail, "the file identity at offset", "a copy of it from a backup"},
		"a damaged newest":    {func(t *testing.T, dir string) { flipBit(t, filepath.Join(dir, "newest"), 12) }, "log", gradeFail, "the file newest at offset", "a start refuses this"},
		"a damaged count":     {func(t *testing.T, dir string) { flipBit(t, filepath.Join(dir, "incarnation"), 12) }, "log", gradeFail, "the file incarnation at offset", "a start refuses this"},
		"no identity":         {func(t *testing.T, dir string) { remove(t, dir, "identity") }, "identity", gradeFail, "no identity file", "a copy of it from a backup"},
		"a directory for all": {func(t *testing.T, dir string) { chmod(t, dir, 0o755) }, "permissions", gradeWarn, "(0755)", "0700"},
		"a file for all":      {func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "newest"), 0o644) }, "permissions", gradeWarn, "newest (0644)", "0600"},
		"a file for nobody":   {func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "LOCK"), 0o400) }, "permissions", gradeWarn, "cannot read and write", "0600"},
		"what was begun":      {func(t *testing.T, dir string) { writeEmpty(t, filepath.Join(dir, snapshotFile+".tmp")) }, "leftovers", gradeWarn, ".tmp", "the next start removes"},
		"a snapshot not needed": {func(t *testing.T, dir string) {
			writeEmpty(t, filepath.Join(dir, strings.Replace(snapshotFile, "3-", "2-", 1)))
		}, "leftovers", gradeWarn, "00002-", "the next start removes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := logOf(t, "n1", inTerm(1, 1, 3, "abcd"), snapshotOf(3, 1, 2, "abc"))
			c.harm(t, dir)
			found, d, exit := doctorOn(t, dir)
			f := found[c.check]
			if f.Grade != c.grade {
				t.Errorf("%s is %s, want %s", c.check, f.Grade, c.grade)
			}
			checkLogSays(t, f.What, c.want)
			checkLogSays(t, f.Do, c.do)
			if c.grade == gradeWarn {
				if exit != exitDone || d.Verdict != "look at the warnings" || d.Recover != nil {
					t.Errorf("exit %d, %q, %q", exit, d.Verdict, d.Recover)
				}
				return
			}
			if exit != exitNotDone {
				t.Errorf("exit %d", exit)
			}
			checkLogSays(t, d.Verdict, "damaged: "+c.check+": ", c.want)
			checkLogSays(t, strings.Join(d.Recover, "\n"), "raftctl members remove ", "--join", "raftctl members add NEW=", "must not come back empty", "vote twice")
			if _, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1"}); err == nil {
				t.Error("a start does not refuse this")
			}
		})
	}
}

// The text for people ends with the verdict, after what to do, which names the node.
func TestDoctorOnDamageInWords(t *testing.T) {
	dir := logOf(t, "n1", inTerm(1, 1, 3, "abcd"))
	flipBit(t, filepath.Join(dir, firstSegment), 60)
	out, talk, exit := runCtl(t, "doctor", "--no-write", "--data-dir", dir)
	if exit != exitNotDone {
		t.Errorf("exit %d", exit)
	}
	checkLogSays(t, out, "FAIL  log          ", "                   -> a start refuses this", "skip  fsync        ", "raftctl members remove n1\n", "n1 must not come back empty")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	checkLogSays(t, lines[len(lines)-1], "verdict: damaged: log: ", firstSegment+" at offset")
	checkLogSays(t, talk, "raftctl: doctor: "+dir+": damaged\n")
}

func TestDoctorBadUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeEmpty(t, file)
	for _, args := range [][]string{{}, {"--data-dir", t.TempDir()}, {"--data-dir", file}, {"--data-dir", file + "x"}, {"x"}, {"a", "--data-dir", "b"}, {"a", "b"}} {
		out, talk, exit := runCtl(t, append([]string{"doctor"}, args...)...)
		if exit != exitUsage || out != "" {
			t.Errorf("%q: exit %d, %q, %q", args, exit, out, talk)
		}
	}
}

func TestDoctorVerdict(t *testing.T) {
	ok, warn := finding{Check: "a", Grade: gradeOK}, finding{Check: "b", Grade: gradeWarn}
	fail, skip := finding{Check: "c", Grade: gradeFail, What: "rot"}, finding{Check: "d", Grade: gradeSkip}
	for _, c := range []struct {
		findings []finding
		err      error
		want     string
	}{
		{[]finding{ok, skip}, nil, "healthy"},
		{[]finding{warn, ok}, nil, "look at the warnings"},
		{[]finding{fail, warn, ok}, errors.New("rot"), "damaged: c: rot"},
		{[]finding{warn, fail}, errors.New("rot"), "damaged: c: rot"},
		{[]finding{fail}, fs.ErrPermission, "unknown: the directory cannot be read by this user"},
	} {
		d := diagnosis{Findings: c.findings}
		d.conclude(c.err)
		if d.Verdict != c.want || d.damaged != (c.err != nil) || (d.Recover != nil) != strings.HasPrefix(c.want, "damaged") {
			t.Errorf("%v: %+v, want %q", c.findings, d, c.want)
		}
	}
}

func TestDoctorOnTheDisk(t *testing.T) {
	for _, c := range []struct {
		free, all int64
		want      grade
	}{
		{1 << 30, 10 << 30, gradeOK},
		{255 << 20, 10 << 30, gradeWarn},
		{1 << 30, 21 << 30, gradeOK}, // a node's mark is the smaller of the two
		{255 << 20, 1 << 30, gradeOK},
		{51 << 20, 1 << 30, gradeWarn},
	} {
		if f := judgeSpace(wal.Space{Free: c.free, Size: c.all}, 64<<20); f.Grade != c.want {
			t.Errorf("%d of %d: %+v", c.free, c.all, f)
		}
	}
	slow, fast := 21*time.Millisecond, time.Millisecond
	if f := judgeFsync([]time.Duration{slow, fast, fast, fast}); f.Grade != gradeOK || !strings.Contains(f.What, "median 1ms, most 21ms") {
		t.Errorf("one slow: %+v", f)
	}
	if f := judgeFsync([]time.Duration{slow, slow, fast, slow}); f.Grade != gradeWarn || !strings.Contains(f.Do, "20ms") {
		t.Errorf("most slow: %+v", f)
	}
}

func TestPlainWord(t *testing.T) {
	for word, want := range map[string]string{"n1": "n1", "node-1.rack_2": "node-1.rack_2", "a b": `"a b"`, "\x1b[2J": `"\x1b[2J"`, "$(x)": `"$(x)"`} {
		if got := plainWord(word); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
}

func appendTo(t *testing.T, path, data string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(data)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeEmpty(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Beside a node, a compaction may take files away while they are read: it is tried again, and not believed at once.
func TestDoctorReadsAgainBesideANode(t *testing.T) {
	for _, c := range []struct {
		busy   bool
		broken int // so often it fails
		reads  int
		fails  bool
	}{{true, 1, 2, false}, {true, 9, 3, true}, {false, 1, 1, true}} {
		reads := 0
		_, err := scanBeside(c.busy, func() (wal.Recovery, error) {
			if reads++; reads <= c.broken {
				return wal.Recovery{}, fs.ErrNotExist
			}
			return wal.Recovery{}, nil
		})
		if reads != c.reads || (err != nil) != c.fails {
			t.Errorf("%+v: %d reads, %v", c, reads, err)
		}
	}
}

func TestDoctorFindsAnotherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := logOf(t, "n1", inTerm(1, 1, 3, "abcd"))
	if err := os.Chown(filepath.Join(dir, "newest"), 4711, -1); err != nil {
		t.Fatal(err)
	}
	found, _, _ := doctorOn(t, dir)
	f := found["permissions"]
	if f.Grade != gradeWarn {
		t.Errorf("%+v", f)
	}
	checkLogSays(t, f.What, "newest", "is user 0's")
	checkLogSays(t, f.Do, "chown -R")
}

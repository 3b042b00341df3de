package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

// logOf makes the data directory of a node that saved this.
func logOf(t *testing.T, node consensus.ServerID, saves ...consensus.Save) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: node, SegmentBytes: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, save := range saves {
		err = errors.Join(err, l.Save([]consensus.Save{save}))
	}
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// inTerm is a Save of entries from index on, one for each letter, in a term.
func inTerm(term consensus.Term, index consensus.Index, commit consensus.Index, letters string) consensus.Save {
	s := consensus.Save{HardState: &consensus.HardState{Term: term}, Commit: commit}
	for i := range len(letters) {
		s.Entries = append(s.Entries, consensus.Entry{
			Index: index + consensus.Index(i), Term: term, Kind: consensus.EntryCommand, Data: []byte(letters[i : i+1]),
		})
	}
	return s
}

func snapshotOf(index consensus.Index, term consensus.Term, base consensus.Index, state string) consensus.Save {
	s := consensus.Save{Snapshot: &consensus.Snapshot{
		Position: consensus.Position{Index: index, Term: term}, Config: consensus.Voters("n1", "n2"), Data: []byte(state),
	}}
	if base > 0 {
		s.Base = consensus.Position{Index: base, Term: term}
	}
	return s
}

// runCtl runs all of raftctl.
func runCtl(t *testing.T, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, talk bytes.Buffer
	exit = run(t.Context(), args, nil, &out, &talk)
	return out.String(), talk.String(), exit
}

func TestLogDiff(t *testing.T) {
	config := consensus.Entry{Index: 3, Term: 1, Kind: consensus.EntryConfiguration, Data: consensus.Voters("n1", "n7").Encode()}
	installed := snapshotOf(3, 1, 3, "abc")
	installed.Installed, installed.HardState = true, &consensus.HardState{Term: 1}
	alone := installed
	alone.Snapshot = &consensus.Snapshot{Position: installed.Snapshot.Position, Config: consensus.Voters("n1"), Data: []byte("abc")}
	noise := []consensus.Save{inTerm(1, 1, 0, "ab")}
	for range 200 { // several segments, and the first ones go
		noise = append(noise, consensus.Save{Commit: 2}, consensus.Save{HardState: &consensus.HardState{Term: 1}})
	}
	for name, c := range map[string]struct {
		a, b []consensus.Save
		exit int
		want []string
	}{
		"the same": {
			[]consensus.Save{inTerm(1, 1, 2, "abc")},
			[]consensus.Save{inTerm(1, 1, 0, "abcd")},
			0,
			[]string{"entries 1 to 3, which both have", "they agree as far as both go", "neither has one"},
		},
		"what was overwritten does not count": {
			[]consensus.Save{inTerm(1, 1, 0, "axyz"), inTerm(2, 2, 0, "b")},
			[]consensus.Save{inTerm(1, 1, 0, "a"), inTerm(2, 2, 0, "bc")},
			0,
			[]string{"entries 1 to 2, which both have"},
		},
		"neither is committed": {
			[]consensus.Save{inTerm(1, 1, 1, "abc")},
			[]consensus.Save{inTerm(1, 1, 1, "a"), inTerm(2, 2, 1, "xy")},
			1,
			[]string{"first difference is at index 2", `term 1, command, "b"`, `term 2, command, "x"`, "normal: neither"},
		},
		"one is committed": {
			[]consensus.Save{inTerm(1, 1, 1, "abc")},
			[]consensus.Save{inTerm(1, 1, 1, "a"), inTerm(2, 2, 2, "xy")},
			1,
			[]string{`"x" (committed)`, `normal: only "n2"`, `puts "n1" right`},
		},
		"both are committed": {
			[]consensus.Save{inTerm(1, 1, 2, "abc")},
			[]consensus.Save{inTerm(1, 1, 1, "a"), inTerm(2, 2, 2, "xy")},
			1,
			[]string{"VIOLATION: both have recorded that index 2 is committed: State Machine Safety"},
		},
		"two entries of one term": {
			[]consensus.Save{inTerm(1, 1, 0, "ab")},
			[]consensus.Save{inTerm(1, 1, 0, "aB")},
			1,
			[]string{"VIOLATION: two entries at index 2 of term 1: the Log Matching Property"},
		},
		"only the kind differs": {
			[]consensus.Save{inTerm(1, 1, 0, "a")},
			[]consensus.Save{{HardState: &consensus.HardState{Term: 1}, Entries: []consensus.Entry{{Index: 1, Term: 1, Kind: consensus.EntryValue, Data: []byte("a")}}}},
			1,
			[]string{`term 1, command, "a"`, `term 1, value, "a"`},
		},
		"the same term behind a difference": {
			[]consensus.Save{inTerm(1, 1, 0, "a"), inTerm(3, 2, 0, "b")},
			[]consensus.Save{inTerm(2, 1, 0, "a"), inTerm(3, 2, 0, "b")},
			1,
			[]string{"index 1:", "VIOLATION: both have an entry of the same term at index 2"},
		},
		"a configuration": {
			[]consensus.Save{inTerm(1, 1, 0, "ab"), {Entries: []consensus.Entry{config}}},
			[]consensus.Save{inTerm(1, 1, 0, "ab"), inTerm(2, 3, 0, "c")},
			1,
			[]string{"term 1, config, members n1 n7"},
		},
		"snapshots at one place": {
			[]consensus.Save{inTerm(1, 1, 3, "abc"), snapshotOf(3, 1, 2, "abc")},
			[]consensus.Save{installed, inTerm(1, 4, 0, "d")},
			0,
			[]string{"no index is in both logs", "both at 3 of term 1, the same 3 bytes", "entries 3 to 3", "entries 4 to 4"},
		},
		"states that differ": {
			[]consensus.Save{inTerm(1, 1, 3, "abcd"), snapshotOf(3, 1, 1, "abX")},
			[]consensus.Save{installed, inTerm(1, 4, 0, "d")},
			1,
			[]string{"entries 4 to 4, which both have", "VIOLATION: the snapshots at 3 of term 1 hold different states, of 3 and 3 bytes"},
		},
		"members that differ": {
			[]consensus.Save{inTerm(1, 1, 3, "abcd"), snapshotOf(3, 1, 1, "abc")},
			[]consensus.Save{alone},
			1,
			[]string{`have different members, "n1 n2" and "n1"`},
		},
		"a snapshot beside an entry": {
			[]consensus.Save{installed},
			[]consensus.Save{inTerm(2, 1, 0, "abc")},
			1,
			[]string{"no entries behind 3, commit", "at index 3:", "term 1, in its snapshot (committed)", `term 2, command, "c"`, `normal: only "n1"`},
		},
		"snapshots at different places": {
			[]consensus.Save{inTerm(1, 1, 3, "abcd"), snapshotOf(3, 1, 3, "abc")},
			[]consensus.Save{inTerm(1, 1, 3, "abcd"), snapshotOf(2, 1, 1, "ab")},
			0,
			[]string{"at 3 of term 1 and at 2 of term 1: not compared", "entries 4 to 4, which both have"},
		},
		"compacted": {
			append(noise, inTerm(1, 3, 3, "cdef"), snapshotOf(3, 1, 3, "abc"), inTerm(2, 6, 3, "F")),
			[]consensus.Save{inTerm(1, 1, 3, "abcdeX")},
			1,
			[]string{"entries 4 to 6, which both have", "at index 6:", `"F"`, `"X"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := logOf(t, "n1", c.a...), logOf(t, "n2", c.b...)
			out, talk, exit := runCtl(t, "log", "diff", a, b)
			if exit != c.exit {
				t.Errorf("exit %d, want %d: %s", exit, c.exit, talk)
			}
			checkLogSays(t, out, c.want...)
			out, _, exit = runCtl(t, "log", "diff", b, a, "-o", "json")
			var d logDiff
			if err := json.Unmarshal([]byte(out), &d); err != nil || exit != c.exit || d.Agree != (c.exit == 0) || d.A.Node != "n2" {
				t.Errorf("the other way round: exit %d, %+v, %v", exit, d, err)
			}
		})
	}
}

// What cannot be compared is neither the same nor different.
func TestLogDiffThatCannotBe(t *testing.T) {
	good := logOf(t, "n1", inTerm(1, 1, 2, "abc"))
	damaged := logOf(t, "n2", inTerm(1, 1, 2, "abc"))
	flipBit(t, filepath.Join(damaged, firstSegment), 60)
	other := t.TempDir()
	l, err := wal.Open(other, wal.Options{Cluster: "c2", Node: "n1"})
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		exit int
		want string
	}{
		"damaged":         {[]string{good, damaged}, exitUnknown, "raftctl doctor --data-dir " + damaged},
		"another cluster": {[]string{good, other}, exitUsage, "nothing in common"},
		"no log":          {[]string{t.TempDir(), good}, exitUsage, "there is no log in"},
		"absent":          {[]string{good, filepath.Join(good, "absent")}, exitUsage, "there is no directory"},
		"one only":        {[]string{good}, exitUsage, "accepts 2 arg"},
	} {
		out, talk, exit := runCtl(t, append([]string{"log", "diff"}, c.args...)...)
		if exit != c.exit || out != "" {
			t.Errorf("%s: exit %d, want %d, and %q", name, exit, c.exit, out)
		}
		checkLogSays(t, talk, c.want)
	}
}

const firstSegment = "00000000000000000001"

func flipBit(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		data[at] ^= 1
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What stands before a gap, or before a snapshot that was installed, is dead.
func TestLogSumsForget(t *testing.T) {
	entry := func(seq uint64, i consensus.Index) wal.Record {
		return wal.Record{Seq: seq, Type: "entry", Entry: consensus.Entry{Index: i, Term: 1, Kind: consensus.EntryNoop}}
	}
	before := []wal.Record{{Seq: 1, Type: "start"}, entry(2, 1), entry(3, 2)}
	for name, behind := range map[string][]wal.Record{
		"a gap":                 {{Seq: 9, Type: "start"}, entry(10, 6), entry(11, 7)},
		"an installed snapshot": {{Seq: 4, Type: "snapshot", Installed: true}, entry(5, 6), entry(6, 7)},
		"a gap, and the rest is replaced": {
			{Seq: 9, Type: "start"}, entry(10, 8), entry(11, 6), entry(12, 7),
		},
	} {
		var l logSums
		for _, r := range append(before[:len(before):len(before)], behind...) {
			if err := l.add(r); err != nil {
				t.Fatal(err)
			}
		}
		if _, dead := l.at(2); l.first != 6 || len(l.sums) != 2 || dead {
			t.Errorf("%s: %d entries from %d", name, len(l.sums), l.first)
		}
	}
}

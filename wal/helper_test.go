package wal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

var testOptions = Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096}

func mustOpen(t testing.TB, dir string, opts Options) *Log {
	t.Helper()
	l, err := Open(dir, opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// mustSave saves, and then is idle.
func mustSave(t testing.TB, l *Log, saves ...consensus.Save) {
	t.Helper()
	if err := l.Save(saves); err != nil {
		t.Fatalf("save: %v", err)
	}
	if err := l.Mark(); err != nil {
		t.Fatalf("mark: %v", err)
	}
}

// encode gives the payload of any record.
func encode(s salt, r *record) []byte {
	if r.kind != recordEntries {
		return s.appendRecord(nil, r)
	}
	var u run
	for i := range r.entries {
		u.add(&r.entries[i])
	}
	return u.payload(s, r.seq, r.back)
}

func mustLoad(t testing.TB, l *Log) consensus.Saved {
	t.Helper()
	saved, err := l.Load()
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return saved
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// reopened gives what a new process would load from dir.
func reopened(t testing.TB, dir string) consensus.Saved {
	t.Helper()
	l := mustOpen(t, dir, testOptions)
	defer mustClose(t, l)
	return mustLoad(t, l)
}

func hard(term consensus.Term, votedFor consensus.ServerID) *consensus.HardState {
	return &consensus.HardState{Term: term, VotedFor: votedFor}
}

// entries makes n entries from index on. The data tells index and term.
func entries(index consensus.Index, term consensus.Term, n int) []consensus.Entry {
	made := make([]consensus.Entry, n)
	for i := range made {
		at := index + consensus.Index(i)
		made[i] = consensus.Entry{Index: at, Term: term, Kind: consensus.EntryCommand, Data: fmt.Appendf(nil, "entry %d of term %d", at, term)}
	}
	return made
}

// snapshotAt is the snapshot of the tests' state machine at a place: its data depends on nothing else.
func snapshotAt(index consensus.Index, term consensus.Term) *consensus.Snapshot {
	config := append(consensus.Voters("n1", "n2"), consensus.Member{ID: "n3", Address: "localhost:7003", Suffrage: consensus.Learner})
	data := bytes.Repeat(fmt.Appendf(nil, "state at %d of term %d. ", index, term), int(index)*int(index)%5000)
	return &consensus.Snapshot{Position: consensus.Position{Index: index, Term: term}, Config: config, Data: data}
}

func position(index consensus.Index, term consensus.Term) consensus.Position {
	return consensus.Position{Index: index, Term: term}
}

// shadow is what a log must be: the sum of the Saves.
func shadow(saves []consensus.Save) consensus.Saved {
	var sum consensus.Saved
	for _, s := range saves {
		sum.Add(s)
	}
	return sum
}

func equal(a, b consensus.Saved) bool {
	if a.HardState != b.HardState || len(a.Entries) != len(b.Entries) || a.Base != b.Base || !equalSnapshot(a.Snapshot, b.Snapshot) {
		return false
	}
	for i := range a.Entries {
		x, y := a.Entries[i], b.Entries[i]
		if x.Index != y.Index || x.Term != y.Term || x.Kind != y.Kind || string(x.Data) != string(y.Data) {
			return false
		}
	}
	return true
}

func equalSnapshot(a, b *consensus.Snapshot) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Position == b.Position && slices.Equal(a.Config, b.Config) && bytes.Equal(a.Data, b.Data)
}

func checkSaved(t testing.TB, got, want consensus.Saved) {
	t.Helper()
	if !equal(got, want) {
		t.Fatalf("loaded %s, want %s", brief(got), brief(want))
	}
}

func brief(s consensus.Saved) string {
	text := fmt.Sprintf("term %d, vote %q, %d entries", s.HardState.Term, s.HardState.VotedFor, len(s.Entries))
	if s.Snapshot != nil {
		text += fmt.Sprintf(" behind %v, snapshot at %v of %d bytes", s.Base, s.Snapshot.Position, len(s.Snapshot.Data))
	}
	for _, e := range s.Entries[max(0, len(s.Entries)-3):] {
		text += fmt.Sprintf(" (%d,%d,%.40q)", e.Index, e.Term, e.Data)
	}
	return text
}

// story is a life of a server: elections, entries, a conflict that is overwritten, a snapshot.
func story() []consensus.Save {
	return []consensus.Save{
		{HardState: hard(1, "n1")},
		{Entries: entries(1, 1, 3)},
		{Entries: entries(4, 1, 1), Commit: 2},
		{HardState: hard(2, "")},
		{HardState: hard(2, "n2")},
		{Entries: entries(3, 2, 4), Commit: 3}, // in place of 3 and 4
		{HardState: hard(5, "n3"), Entries: entries(7, 2, 1)},
		{Entries: entries(5, 5, 2), Commit: 4},
		{Entries: []consensus.Entry{{Index: 7, Term: 5, Kind: consensus.EntryNoop}}, Commit: 7},
		{Snapshot: snapshotAt(5, 5), Base: position(3, 2), Commit: 7},
	}
}

// files reads all regular files of dir but the lock.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string][]byte{}
	for _, e := range list {
		if e.Name() == lockName {
			continue
		}
		if content[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return content
}

// dirWith makes a directory that holds these files.
func dirWith(t testing.TB, content map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range content {
		writeTestFile(t, dir, name, data)
	}
	return dir
}

func writeTestFile(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, fileMode); err != nil {
		t.Fatal(err)
	}
}

// records lists the records in dir.
func records(t testing.TB, dir string) []Record {
	t.Helper()
	var list []Record
	if _, err := Scan(dir, func(r Record) error { list = append(list, r); return nil }); err != nil {
		t.Fatalf("scan: %v", err)
	}
	return list
}

package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

func TestAnEmptyLogIsEmptyAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l := mustOpen(t, dir, testOptions)
	if !l.Recovery().NewDirectory {
		t.Error("the directory was not reported as new")
	}
	mustClose(t, l)
	l = mustOpen(t, dir, testOptions)
	if l.Recovery().NewDirectory {
		t.Error("the directory was reported as new twice")
	}
	checkSaved(t, mustLoad(t, l), consensus.Saved{})
}

// What was saved is loaded: after each Save of a story, by a new process.
func TestRestartAfterEachSave(t *testing.T) {
	dir := t.TempDir()
	saves := story()
	for i := range saves {
		l := mustOpen(t, dir, testOptions)
		checkSaved(t, mustLoad(t, l), shadow(saves[:i]))
		mustSave(t, l, saves[i])
		mustClose(t, l)
	}
	checkSaved(t, reopened(t, dir), shadow(saves))
}

// The same Saves, in one call: one group commit.
func TestOneBatchOfManySaves(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, story()...)
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow(story()))
}

// No Close: the lock goes with the file, so this needs only that it is closed.
func TestRestartWithoutClose(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, story()...)
	abandon(t, l)
	checkSaved(t, reopened(t, dir), shadow(story()))
}

// abandon lets go of the lock and nothing else, as a kill would.
func abandon(t testing.TB, l *Log) {
	t.Helper()
	l.closed = true
	// What was allocated ahead would be zeros behind all that the tests look at; those that are about it do not come here.
	if err := errors.Join(l.giveBack(), l.lock.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestConflictingSuffixStaysOverwritten(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	saves := []consensus.Save{
		{HardState: hard(1, "n1"), Entries: entries(1, 1, 10), Commit: 4},
		{HardState: hard(3, "n2"), Entries: entries(5, 3, 1), Commit: 5},
	}
	mustSave(t, l, saves[0])
	mustSave(t, l, saves[1])
	mustClose(t, l)
	got := reopened(t, dir)
	checkSaved(t, got, shadow(saves))
	if last := got.Entries[len(got.Entries)-1]; last.Index != 5 || last.Term != 3 {
		t.Fatalf("the log ends with entry %d of term %d, want 5 of term 3", last.Index, last.Term)
	}
}

func TestManySegmentsAndSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	saves := []consensus.Save{{HardState: hard(1, "n1")}}
	next := consensus.Index(1)
	l := mustOpen(t, dir, testOptions)
	for range 60 {
		batch := []consensus.Save{{Commit: next - 1}}
		for range random.IntN(20) {
			data := bytes.Repeat([]byte{byte(next)}, random.IntN(700)) // zeros among them
			batch[0].Entries = append(batch[0].Entries, consensus.Entry{Index: next, Term: 1, Kind: consensus.EntryCommand, Data: data})
			next++
		}
		if len(saves) == 1 {
			batch = append(saves, batch...)
		}
		mustSave(t, l, batch...)
		saves = append(saves, batch[len(batch)-1])
		checkNewest(t, dir)
	}
	mustClose(t, l)
	l = mustOpen(t, dir, Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096})
	if l.Recovery().Segments < 20 {
		t.Errorf("%d segments, want many", l.Recovery().Segments)
	}
	checkSaved(t, mustLoad(t, l), shadow(saves))
	mustSave(t, l, consensus.Save{Entries: entries(next, 1, 100)})
	checkNewest(t, dir)
	mustClose(t, l)
	saves = append(saves, consensus.Save{Entries: entries(next, 1, 100)})
	checkSaved(t, reopened(t, dir), shadow(saves))
}

// checkNewest checks that the file "newest" names the newest segment there is.
func checkNewest(t *testing.T, dir string) {
	t.Helper()
	list, err := listDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := readIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := readNewest(dir, id)
	if last := list.segments[len(list.segments)-1].first; err != nil || newest != last {
		t.Fatalf("newest names %d (%v), the newest segment is %d", newest, err, last)
	}
}

func TestBigEntries(t *testing.T) {
	dir := t.TempDir()
	save := consensus.Save{HardState: hard(1, "n1")}
	for i := range consensus.Index(5) {
		data := make([]byte, 1<<20)
		data[i], data[len(data)-1] = byte(i), 7
		save.Entries = append(save.Entries, consensus.Entry{Index: i + 1, Term: 1, Kind: consensus.EntryCommand, Data: data})
	}
	for _, segmentBytes := range []int{4096, 1 << 20, 0} {
		l := mustOpen(t, filepath.Join(dir, "x"), Options{Cluster: "c1", Node: "n1", SegmentBytes: segmentBytes})
		mustSave(t, l, save)
		mustClose(t, l)
		checkSaved(t, reopened(t, filepath.Join(dir, "x")), shadow([]consensus.Save{save}))
	}
}

func TestEmptySavesWriteNothing(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1"), Entries: entries(1, 1, 1)})
	before := files(t, dir)
	mustSave(t, l)
	mustSave(t, l, consensus.Save{}, consensus.Save{Commit: 1})
	if after := files(t, dir); len(after) != len(before) || !bytes.Equal(after[segmentName(1)], before[segmentName(1)]) {
		t.Error("an empty Save changed the files")
	}
}

// A caller that contradicts itself is refused before anything is written, with the two facts.
func TestSaveThatContradictsWhatWasSaved(t *testing.T) {
	before := consensus.Save{HardState: hard(3, "n1"), Entries: append(entries(1, 1, 2), entries(3, 3, 2)...), Commit: 2}
	for _, test := range []struct {
		name string
		save consensus.Save
		want []string
	}{
		{"term goes back", consensus.Save{HardState: hard(2, "")}, []string{"term 2", "term 3"}},
		{"second vote", consensus.Save{HardState: hard(3, "n2")}, []string{`"n2"`, `"n1"`, "term 3"}},
		{"vote withdrawn", consensus.Save{HardState: hard(3, "")}, []string{`""`, `"n1"`}},
		{"vote for too long a name", consensus.Save{HardState: hard(4, consensus.ServerID(strings.Repeat("x", 2000)))}, []string{"2000", "1024"}},
		{"gap", consensus.Save{Entries: entries(6, 3, 1)}, []string{"entry 6", "last entry, 4"}},
		{"index 0", consensus.Save{Entries: entries(0, 3, 1)}, []string{"entry 0"}},
		{"overwrites a committed entry", consensus.Save{Entries: entries(2, 3, 1)}, []string{"entry 2", "commitIndex is 2"}},
		{"term above currentTerm", consensus.Save{Entries: entries(5, 4, 1)}, []string{"term 4", "currentTerm is 3"}},
		{"term 0", consensus.Save{Entries: entries(5, 0, 1)}, []string{"term 0"}},
		{"term goes back in the log", consensus.Save{Entries: entries(5, 2, 1)}, []string{"term 2", "term 3"}},
		{"term goes back in one Save", consensus.Save{Entries: append(entries(3, 3, 1), entries(4, 2, 1)...)}, []string{"entry 4", "term 3"}},
		{"not contiguous", consensus.Save{Entries: append(entries(3, 3, 1), entries(3, 3, 1)...)}, []string{"entry 3 behind entry 3"}},
		{"unknown kind", consensus.Save{Entries: []consensus.Entry{{Index: 5, Term: 3, Kind: 99}}}, []string{"kind 99"}},
		{"too large", consensus.Save{Entries: []consensus.Entry{{Index: 5, Term: 3, Data: make([]byte, MaxEntryBytes+1)}}}, []string{"67108865", "67108864"}},
		{"commit behind the log", consensus.Save{Entries: entries(5, 3, 1), Commit: 6}, []string{"commitIndex 6", "last entry, 5"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, dir, testOptions)
			mustSave(t, l, before)
			size := len(files(t, dir)[segmentName(1)])
			err := l.Save([]consensus.Save{{HardState: hard(3, "n1")}, test.save})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if after := len(files(t, dir)[segmentName(1)]); after != size {
				t.Errorf("%d bytes were written", after-size)
			}
			if err := l.Save([]consensus.Save{{HardState: hard(9, "")}}); err == nil {
				t.Error("a later Save was taken")
			}
			mustClose(t, l)
			checkSaved(t, reopened(t, dir), shadow([]consensus.Save{before}))
		})
	}
	if err := new(state).setHard(*hard(0, "n1")); err == nil {
		t.Error("a vote in term 0 was taken")
	}
}

// commitIndex is volatile: a restarted server counts it anew. What was committed is protected all the same.
func TestCommitMayBeLowerAfterARestart(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1"), Entries: entries(1, 1, 5), Commit: 4})
	mustClose(t, l)
	l = mustOpen(t, dir, testOptions)
	if l.Recovery().Commit != 4 {
		t.Errorf("commit %d is on record, want 4", l.Recovery().Commit)
	}
	mustSave(t, l, consensus.Save{HardState: hard(2, ""), Commit: 0})
	if err := l.Save([]consensus.Save{{Entries: entries(4, 2, 1)}}); err == nil {
		t.Error("entry 4, committed before the restart, was overwritten")
	}
}

func TestLoadOnlyOnce(t *testing.T) {
	l := mustOpen(t, t.TempDir(), testOptions)
	mustLoad(t, l)
	if _, err := l.Load(); err == nil {
		t.Error("Load worked twice")
	}
}

func TestAfterClose(t *testing.T) {
	l := mustOpen(t, t.TempDir(), testOptions)
	mustClose(t, l)
	mustClose(t, l)
	if err := l.Save([]consensus.Save{{HardState: hard(1, "")}}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Save after Close: %v", err)
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1"), Entries: entries(1, 1, 300)})
	for name, mode := range map[string]os.FileMode{".": 0o700, lockName: 0o600, identityName: 0o600, newestName: 0o600, incarnationName: 0o600, segmentName(1): 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, want %v (%v)", name, info.Mode().Perm(), mode, err)
		}
	}
}

package wal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// fill saves entries of term 1 from first on, until there are so many segments, and gives the Saves.
func fillSegments(t testing.TB, l *Log, first consensus.Index, segments int) (saves []consensus.Save, last consensus.Index) {
	t.Helper()
	for last = first - 1; len(l.spans) < segments; last += 10 {
		save := consensus.Save{Entries: entries(last+1, 1, 10), Commit: last}
		mustSave(t, l, save)
		saves = append(saves, save)
	}
	return saves, last
}

func segmentNames(t testing.TB, dir string) []string {
	t.Helper()
	list, err := listDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list.segments {
		names = append(names, s.name)
	}
	return names
}

// The hard state, the snapshot and the entries behind the base outlive the files that they were written to.
func TestCompactionKeepsWhatCounts(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	saves := []consensus.Save{{HardState: hard(1, "n2")}}
	mustSave(t, l, saves...)
	more, last := fillSegments(t, l, 1, 6)
	saves = append(saves, more...)
	before := segmentNames(t, dir)
	for _, index := range []consensus.Index{last / 2, last - 20} {
		save := consensus.Save{Snapshot: snapshotAt(index, 1), Base: position(index-30, 1), Commit: last}
		mustSave(t, l, save)
		saves = append(saves, save)
		checkSaved(t, scannedWell(t, dir), shadow(saves))
	}
	after := segmentNames(t, dir)
	if len(after) > 2 || len(before) < 6 || slices.Contains(after, before[0]) {
		t.Errorf("the segments are %v, were %v", after, before)
	}
	checkOneSnapshot(t, dir, last-20)
	more, _ = fillSegments(t, l, last+1, 4)
	saves = append(saves, more...)
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow(saves))
	if r := mustOpen(t, dir, testOptions).Recovery(); r.Snapshot != position(last-20, 1) || r.Base != position(last-50, 1) || r.Term != 1 || r.VotedFor != "n2" ||
		r.SnapshotFile != snapshotName(r.Snapshot) || r.SnapshotBytes < 100 || r.Members != "n1 n2 n3(learner)" || r.Entries != int(r.LastIndex-r.Base.Index) {
		t.Errorf("recovery: %+v", r)
	}
}

func scannedWell(t testing.TB, dir string) consensus.Saved {
	t.Helper()
	saved, _, err := scanned(dir)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// checkOneSnapshot checks that no snapshot file is there but the one at index.
func checkOneSnapshot(t testing.TB, dir string, index consensus.Index) {
	t.Helper()
	var names []string
	for name := range files(t, dir) {
		if strings.HasPrefix(name, "snapshot") {
			names = append(names, name)
		}
	}
	if len(names) != 1 || !strings.HasPrefix(names[0], fmt.Sprintf("snapshot-%020d-", index)) || strings.HasSuffix(names[0], tmpSuffix) {
		t.Errorf("the snapshot files are %v, want the one at %d", names, index)
	}
}

// Nothing remains of the log behind an installed snapshot; the log goes on behind that.
func TestInstalledSnapshot(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	saves := []consensus.Save{
		{HardState: hard(3, "n1"), Entries: entries(1, 1, 150), Commit: 7},
		{Snapshot: snapshotAt(100, 2), Base: position(100, 2), Installed: true, Entries: entries(101, 3, 2), Commit: 100}, // other terms: a conflict
		{HardState: hard(4, ""), Entries: entries(102, 4, 1)},
	}
	for i, save := range saves {
		mustSave(t, l, save)
		checkSaved(t, scannedWell(t, dir), shadow(saves[:i+1]))
	}
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), shadow(saves))
	checkOneSnapshot(t, dir, 100)
}

// However much is saved, the directory does not grow beyond what counts and two segments.
func TestTheDirectoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1")})
	last, most := consensus.Index(0), 0
	for round := range 60 {
		mustSave(t, l, consensus.Save{Entries: entries(last+1, 1, 100)})
		last += 100
		if round == 30 {
			l.removed = maxRemoved - 1 // tidwall/wal is opened anew
		}
		mustSave(t, l, consensus.Save{Snapshot: snapshotAt(last-5, 1), Base: position(last-10, 1), Commit: last})
		total := 0
		for _, data := range files(t, dir) {
			total += len(data)
		}
		most = max(most, total)
	}
	if l.removed > 60 || l.removed == 0 {
		t.Errorf("%d segments were removed since tidwall/wal was opened", l.removed)
	}
	if limit := 4*4096 + 5000*25; most > limit || len(l.spans) > 3 {
		t.Errorf("the directory had up to %d bytes, and now has %d segments", most, len(l.spans))
	}
	mustClose(t, l)
	got := reopened(t, dir)
	if len(got.Entries) != 10 || got.Base != position(last-10, 1) || got.HardState != *hard(1, "n1") {
		t.Errorf("got %s", brief(got))
	}
}

// compactingSave is a Save with all there can be in one, for a log that fillSegments made.
func compactingSave(last consensus.Index) consensus.Save {
	return consensus.Save{HardState: hard(2, "n3"), Snapshot: snapshotAt(last-21, 1), Base: position(last-30, 1), Entries: entries(last+1, 2, 60), Commit: last}
}

// What a Save with a snapshot does, in this order. The file is whole, has its name, and both are durable before the log speaks
// of it; that is durable before anything is removed.
func TestOrderOfCompaction(t *testing.T) {
	d := &faultyDisk{}
	l := openFaulty(t, t.TempDir(), d)
	mustSave(t, l, consensus.Save{HardState: hard(1, "n2")})
	_, last := fillSegments(t, l, 1, 4)
	mustSave(t, l, consensus.Save{Snapshot: snapshotAt(9, 1), Base: position(9, 1), Commit: last})
	d.deeds = nil
	save := compactingSave(last)
	save.Entries = save.Entries[:1]
	mustSave(t, l, save)
	want := "create snapwrite snapwrite snapsync rename dir write sync remove remove remove write"
	if got := strings.Join(d.deeds, " "); got != want {
		t.Errorf("Save did %s, want %s", got, want)
	}
}

// A crash before or after each step of a Save that compacts: recovery gives what was before, or a prefix of
// the Save, and finishes what was begun.
func TestCrashAtEachStepOfCompaction(t *testing.T) {
	crashes := 0
	for stopAt, done := 1, false; !done; stopAt++ {
		crashes = stopAt - 1
		dir := t.TempDir()
		d := &faultyDisk{}
		l := openFaulty(t, dir, d)
		acked := []consensus.Save{{HardState: hard(1, "n2")}}
		mustSave(t, l, acked...)
		more, last := fillSegments(t, l, 1, 4)
		old := consensus.Save{Snapshot: snapshotAt(9, 1), Base: position(9, 1), Commit: last}
		mustSave(t, l, old)
		acked = append(append(acked, more...), old)
		save := compactingSave(last)
		d.deeds, d.stopAt = nil, stopAt
		done = savedOrFailed(t, l, &save)
		if done && stopAt < 12 {
			t.Fatalf("a Save in %d steps", stopAt-1)
		}
		if !done && l.Save([]consensus.Save{{HardState: hard(9, "")}}) == nil {
			t.Errorf("stopped at %v: a later Save was taken", d.deeds)
		}
		abandon(t, l)
		got := reopened(t, dir)
		if !isPrefixOnTop(got, shadow(acked), save) {
			t.Fatalf("stopped at %v: got %s", d.deeds, brief(got))
		}
		checkOneSnapshot(t, dir, got.Snapshot.Index)
		if names := segmentNames(t, dir); got.Snapshot.Index > 9 && len(names) > 2 {
			t.Errorf("stopped at %v: the segments are %v", d.deeds, names)
		}
		rest := consensus.Save{HardState: hard(3, ""), Snapshot: snapshotAt(last, 1), Base: position(last-1, 1), Entries: entries(last+1, 3, 1)}
		l = mustOpen(t, dir, testOptions)
		mustSave(t, l, rest)
		mustClose(t, l)
		got.Add(rest)
		checkSaved(t, reopened(t, dir), got)
	}
	reportCount(t, crashes, "crashes, each at another step of one compaction: recovered, and finished")
}

// isPrefixOnTop tells whether got is state, with the first records of save.
func isPrefixOnTop(got, state consensus.Saved, save consensus.Save) bool {
	steps := []consensus.Save{{}, {HardState: save.HardState}}
	if save.Snapshot != nil {
		steps = append(steps, consensus.Save{HardState: save.HardState, Snapshot: save.Snapshot, Base: save.Base, Installed: save.Installed})
	}
	for n := range save.Entries {
		step := save
		step.Entries = save.Entries[:n+1]
		steps = append(steps, step)
	}
	return slices.ContainsFunc(steps, func(step consensus.Save) bool { return equal(got, onTop(state, []consensus.Save{step})) })
}

// The record of the snapshot fills its segment, so that nothing of the next is durable yet: it must not be the first.
func TestTheFirstSegmentIsAlwaysDurable(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	filler := entries(1, 1, 1)
	filler[0].Data = make([]byte, 3900)
	saves := []consensus.Save{{HardState: hard(1, "n2"), Entries: filler}}
	mustSave(t, l, saves...)
	filler = entries(2, 1, 1)
	filler[0].Data = make([]byte, testOptions.SegmentBytes-int(l.tail)-30)
	saves = append(saves, consensus.Save{Entries: filler}, consensus.Save{Snapshot: snapshotAt(2, 1), Base: position(2, 1), Commit: 2})
	mustSave(t, l, saves[1:]...)
	abandon(t, l)
	names := segmentNames(t, dir)
	if list := records(t, dir); len(names) != 2 || names[0] != segmentName(1) || list[len(list)-3].Type != "snapshot" || list[len(list)-2].Type != "start" {
		t.Fatalf("the segments are %v", names)
	}
	for range 2 {
		writeTestFile(t, dir, names[1], nil) // the power cut
		// Open marks, which begins the next segment, and fsyncs that no more than Save does.
		l = mustOpen(t, dir, testOptions)
		checkSaved(t, mustLoad(t, l), shadow(saves))
		abandon(t, l)
	}
	checkSaved(t, reopened(t, dir), shadow(saves))
	checkSaved(t, reopened(t, dir), shadow(saves))
	if names = segmentNames(t, dir); len(names) != 1 || names[0] == segmentName(1) {
		t.Errorf("Open did not finish the compaction: %v", names)
	}
	checkSaved(t, reopened(t, dir), shadow(saves))
}

// compactedLog is a directory that compaction left with several segments, the first of them not number 1.
func compactedLog(t testing.TB) (content map[string][]byte, names []string, want consensus.Saved) {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	saves := []consensus.Save{{HardState: hard(1, "n2")}}
	mustSave(t, l, saves...)
	more, last := fillSegments(t, l, 1, 6)
	saves = append(append(saves, more...), consensus.Save{Snapshot: snapshotAt(last-20, 1), Base: position(last/2, 1), Commit: last})
	mustSave(t, l, saves[len(saves)-1])
	abandon(t, l)
	names = segmentNames(t, dir)
	if len(names) < 3 || names[0] == segmentName(1) {
		t.Fatalf("the segments are %v", names)
	}
	return files(t, dir), names, shadow(saves)
}

// A segment that is needed is missed, whichever it is; one that is not may come back from the dead.
func TestMissingSegmentsBehindACompaction(t *testing.T) {
	content, names, want := compactedLog(t)
	checkSaved(t, reopened(t, dirWith(t, content)), want)
	for _, name := range names {
		changed := cloned(content)
		delete(changed, name)
		dir := dirWith(t, changed)
		_, err := Open(dir, testOptions)
		if err == nil || !strings.Contains(err.Error(), "must not take part again") {
			t.Fatalf("without %s: open: %v", name, err)
		}
		if wants := []string{"begins with record", "the entries", "missing"}; name != names[len(names)-1] && !containsAll(err.Error(), wants) {
			t.Errorf("without %s: the error does not say all of %q: %v", name, wants, err)
		}
		changed[name] = nil
		if _, err := Open(dirWith(t, changed), testOptions); err == nil && name != names[len(names)-1] {
			t.Errorf("with %s emptied it was opened", name)
		}
	}
	// All but the last, which compaction could have left alone.
	only := cloned(content)
	for _, name := range names[:len(names)-1] {
		delete(only, name)
	}
	only[names[len(names)-1]] = nil
	if _, err := Open(dirWith(t, only), testOptions); err == nil || !strings.Contains(err.Error(), "does not begin with a record") {
		t.Errorf("open: %v", err)
	}
	delete(only, newestName)
	delete(only, incarnationName)
	delete(only, snapshotName(want.Snapshot.Position))
	if _, err := Open(dirWith(t, only), testOptions); err == nil || !strings.Contains(err.Error(), "does not begin with a record") {
		t.Errorf("without %s: open: %v", newestName, err)
	}
}

// A snapshot proves that the directory was in use: without its log it is not a new one.
func TestSnapshotWithoutALog(t *testing.T) {
	content, names, _ := compactedLog(t)
	for _, name := range append(names, newestName) {
		delete(content, name)
	}
	checkRefused(t, content, newestName+" is missing", "snapshot-")
}

func containsAll(text string, wants []string) bool {
	return !slices.ContainsFunc(wants, func(want string) bool { return !strings.Contains(text, want) })
}

func cloned(content map[string][]byte) map[string][]byte {
	c := map[string][]byte{}
	for name, data := range content {
		c[name] = bytes.Clone(data)
	}
	return c
}

// A power cut may undo any of the removals: nobody fsyncs them.
func TestRemovalsThatDidNotLast(t *testing.T) {
	dir := t.TempDir()
	d := &faultyDisk{}
	noRemoval := d.disk()
	noRemoval.remove = func(string) error { return nil }
	l, err := open(dir, testOptions, noRemoval)
	if err != nil {
		t.Fatal(err)
	}
	saves := []consensus.Save{{HardState: hard(1, "n2")}}
	mustSave(t, l, saves...)
	more, last := fillSegments(t, l, 1, 5)
	more, last = append(more, consensus.Save{Entries: entries(last+1, 1, 10)}), last+10 // in the fifth for certain
	mustSave(t, l, more[len(more)-1])
	saves = append(append(saves, more...), consensus.Save{Snapshot: snapshotAt(5, 1), Base: position(5, 1), Commit: last},
		consensus.Save{Snapshot: snapshotAt(last, 1), Base: position(last-1, 1), Commit: last})
	mustSave(t, l, saves[len(saves)-2])
	mustSave(t, l, saves[len(saves)-1])
	abandon(t, l)
	content, names := files(t, dir), segmentNames(t, dir)
	for removed := range 1 << 4 { // any of the first four
		changed := cloned(content)
		for i := range 4 {
			if removed&(1<<i) != 0 {
				delete(changed, names[i])
			}
		}
		dir := dirWith(t, changed)
		checkSaved(t, scannedWell(t, dir), shadow(saves))
		checkSaved(t, reopened(t, dir), shadow(saves))
		checkOneSnapshot(t, dir, last)
		if left := segmentNames(t, dir); len(left) != 1 {
			t.Errorf("the segments are %v", left)
		}
	}
}

// What interrupted processes left is removed, and what is not ours is not.
func TestSnapshotLitter(t *testing.T) {
	content, _, want := compactedLog(t)
	name := snapshotName(want.Snapshot.Position)
	for _, litter := range []string{name + tmpSuffix, snapshotName(position(3, 1)), snapshotName(position(9999, 9)), snapshotName(position(9999, 9)) + tmpSuffix} {
		content[litter] = []byte("half of it")
	}
	content["snapshot-of-mine"] = []byte("x")
	dir := dirWith(t, content)
	checkSaved(t, reopened(t, dir), want)
	after := files(t, dir)
	if string(after["snapshot-of-mine"]) != "x" {
		t.Error("a file of somebody else is gone")
	}
	if err := os.Remove(filepath.Join(dir, "snapshot-of-mine")); err != nil {
		t.Fatal(err)
	}
	checkOneSnapshot(t, dir, want.Snapshot.Index)
}

// An overwritten entry holds no segment back, and a live one does.
func TestSpans(t *testing.T) {
	var s spans
	s.begin(1)
	s.add(1, 1)
	s.add(50, 50)
	s.begin(100)
	s.add(51, 51)
	s.begin(200)
	s.add(20, 22) // in place of 20 to 51
	if want := (spans{{1, 19}, {100, 19}, {200, 22}}); !slices.Equal(s, want) {
		t.Errorf("got %v, want %v", s, want)
	}
	for _, test := range []struct {
		base   consensus.Index
		synced uint64
		want   int
	}{{18, 300, 0}, {19, 300, 2}, {19, 150, 1}, {99, 300, 2}, {99, 99, 0}} {
		if got := s.dead(test.base, test.synced); got != test.want {
			t.Errorf("base %d, synced %d: %d are dead, want %d", test.base, test.synced, got, test.want)
		}
	}
}

// A start that is not the sum of the records before it is damage, though its checksum is right.
func TestStartThatContradictsTheRecordsBefore(t *testing.T) {
	content, names, _ := longLog(t, testOptions)
	id := mustIdentity(t, content)
	name := names[1]
	first := mustNumber(t, name)
	var real Record
	for _, r := range records(t, dirWith(t, content)) {
		if r.Seq == first {
			real = r
		}
	}
	good := start{hard: *hard(real.Term, real.VotedFor), last: real.Last, commit: real.Commit}
	for what, change := range map[string]func(s *start){
		"nothing": func(*start) {},
		"vote":    func(s *start) { s.hard.VotedFor = "n7" },
		"last":    func(s *start) { s.last.Index-- },
		"commit":  func(s *start) { s.commit-- },
		"snapshot": func(s *start) {
			s.snapshot = marker{Position: position(1, 1), base: position(1, 1), file: fileSum{bytes: 1, checksum: 2}}
		},
	} {
		changed := good
		change(&changed)
		payload := id.salt().appendRecord(nil, &record{kind: recordStart, seq: first, back: first - real.Synced, start: changed})
		damaged := cloned(content)
		damaged[name] = slices.Concat([]byte{byte(len(payload))}, payload, content[name][real.Bytes:])
		_, err := Open(dirWith(t, damaged), testOptions)
		if what == "nothing" && err != nil || what != "nothing" && (err == nil || !strings.Contains(err.Error(), name+" at offset 0")) {
			t.Errorf("another %s: %v", what, err)
		}
	}
}

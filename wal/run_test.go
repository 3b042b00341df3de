package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// wideOptions are for logs whose segments hold records of many entries.
var wideOptions = Options{Cluster: "c1", Node: "n1", SegmentBytes: 16 << 20}

// sizedEntries are entries from first on with so many bytes each, random ones.
func sizedEntries(first consensus.Index, term consensus.Term, n, size int) []consensus.Entry {
	list := entries(first, term, n)
	random := rand.New(rand.NewPCG(uint64(first), uint64(size)))
	for i := range list {
		list[i].Data = make([]byte, size)
		fill(random, list[i].Data)
	}
	return list
}

// runsOf gives, for each record of entries in dir, first index and count: "5+3".
func runsOf(t *testing.T, dir string) (runs []string) {
	t.Helper()
	left := 0
	for _, r := range records(t, dir) {
		if r.Type != "entry" {
			continue
		}
		if left == 0 {
			left = r.Entries
			runs = append(runs, fmt.Sprintf("%d+%d", r.Entry.Index, r.Entries))
		}
		left--
	}
	if left != 0 {
		t.Errorf("a record lacks %d entries", left)
	}
	return runs
}

// The entries of one call are one record, also over several Saves, as long as nothing stands between them, each follows the one before, and
// they do not get too long.
func TestEntriesThatFollowAreOneRecord(t *testing.T) {
	three := consensus.Save{HardState: hard(2, "n1"), Entries: entries(1, 1, 3)}
	for name, test := range map[string]struct {
		saves []consensus.Save
		want  string
	}{
		"one Save":                  {[]consensus.Save{three}, "1+3"},
		"Saves that follow":         {[]consensus.Save{three, {Entries: entries(4, 1, 1)}, {Commit: 2}, {Entries: entries(5, 2, 2)}}, "1+6"},
		"a term in between":         {[]consensus.Save{three, {HardState: hard(3, ""), Entries: entries(4, 3, 2)}}, "1+3 4+2"},
		"a conflict":                {[]consensus.Save{three, {Entries: entries(3, 2, 2)}}, "1+3 3+2"},
		"a snapshot in between":     {[]consensus.Save{three, {Snapshot: snapshotAt(2, 1), Base: position(1, 1), Entries: entries(4, 1, 2)}}, "1+3 4+2"},
		"more than a record takes":  {[]consensus.Save{{HardState: hard(1, ""), Entries: sizedEntries(1, 1, 5, maxRunBytes/5*2)}}, "1+2 3+2 5+1"},
		"one that is larger":        {[]consensus.Save{three, {Entries: sizedEntries(4, 2, 1, maxRunBytes+1)}, {Entries: entries(5, 2, 1)}}, "1+3 4+1 5+1"},
		"two that only just fit":    {[]consensus.Save{{HardState: hard(1, ""), Entries: sizedEntries(1, 1, 2, maxRunBytes/2-maxEntryHead)}}, "1+2"},
		"two that only just do not": {[]consensus.Save{{HardState: hard(1, ""), Entries: sizedEntries(1, 1, 2, maxRunBytes/2)}}, "1+1 2+1"},
	} {
		dir := t.TempDir()
		l := mustOpen(t, dir, wideOptions)
		mustSave(t, l, test.saves...)
		abandon(t, l)
		if got := strings.Join(runsOf(t, dir), " "); got != test.want {
			t.Errorf("%s: the records are %s, want %s", name, got, test.want)
		}
		checkSaved(t, reopened(t, dir), shadow(test.saves))
	}
}

// A record ends where it fills its segment, so that no segment is longer than before by more than an entry.
func TestARecordEndsWithItsSegment(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	save := consensus.Save{HardState: hard(1, "n1"), Entries: sizedEntries(1, 1, 100, 100)}
	mustSave(t, l, save)
	abandon(t, l)
	for name, data := range files(t, dir) {
		if len(name) == 20 && len(data) > testOptions.SegmentBytes+300 {
			t.Errorf("%s has %d bytes", name, len(data))
		}
	}
	if n := len(segmentNames(t, dir)); n != 3 {
		t.Errorf("%d segments", n)
	}
	checkSaved(t, reopened(t, dir), shadow([]consensus.Save{save}))
}

// Each record of entries that no Save writes is refused, however its checksum looks, and no memory is taken for what it says and does not hold.
func TestRecordsOfEntriesThatNobodyWrites(t *testing.T) {
	entry := func(term, length uint64, data string) string {
		return string(uvarints(term)) + "\x00" + string(uvarints(length)) + data
	}
	half := string(make([]byte, maxRunBytes/2))
	for name, test := range map[string]struct {
		body string
		want string
	}{
		"no entry":                   {string(uvarints(8, 0)), "do not fit"},
		"no entry from 0 on":         {string(uvarints(0, 0)), "do not fit"},
		"no body":                    {"", "do not fit"},
		"more than there are":        {string(uvarints(8, 3)) + entry(6, 1, "a") + entry(6, 1, "b"), "do not fit"},
		"far more than there are":    {string(uvarints(8, math.MaxUint64-8)) + entry(6, 1, "a"), "do not fit"},
		"fewer than there are":       {string(uvarints(8, 1)) + entry(6, 1, "a") + entry(6, 1, "b"), "do not fit"},
		"indexes that end":           {string(uvarints(math.MaxUint64, 2)) + entry(6, 1, "a") + entry(6, 1, "b"), "do not fit"},
		"longer than the rest":       {string(uvarints(8, 1)) + entry(6, 2, "a"), "do not fit"},
		"longer than anything":       {string(uvarints(8, 2)) + entry(6, math.MaxUint64, "a") + entry(6, 1, "b"), "do not fit"},
		"an end in a length":         {string(uvarints(8, 1)) + "\x06\x00\xff", "do not fit"},
		"an end in a term":           {string(uvarints(8, 2)) + entry(6, 0, "") + "\xff", "do not fit"},
		"a count of two bytes":       {"\x08\x81\x00" + entry(6, 1, "a"), "do not fit"},
		"two that are too long":      {string(uvarints(8, 2)) + entry(6, maxRunBytes/2, half) + entry(6, maxRunBytes/2, half), "do not fit"},
		"a term that falls":          {string(uvarints(8, 2)) + entry(6, 0, "") + entry(5, 0, ""), "entry 9 of term 5 behind an entry of term 6"},
		"a term that is yet to be":   {string(uvarints(8, 2)) + entry(6, 0, "") + entry(7, 0, ""), "currentTerm is 6"},
		"a gap before it":            {string(uvarints(13, 1)) + entry(6, 0, ""), "does not follow"},
		"a committed one among them": {string(uvarints(7, 2)) + entry(6, 0, "") + entry(6, 0, ""), "committed"},
	} {
		content, list, _ := smallLog(t, 20)
		last := list[len(list)-1]
		payload := appendHead(nil, recordEntries, last.Seq+1, 1)
		payload = append(payload, test.body...)
		mustIdentity(t, content).salt().seal(payload)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := decodeRecord(payload, nil)
		runtime.ReadMemStats(&after)
		if err == nil && test.want == "do not fit" {
			t.Errorf("%s: decoded to %d entries", name, len(r.entries))
		}
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 64<<10 {
			t.Errorf("%s: %d bytes of memory were taken", name, bytes)
		}
		name1 := segmentName(1)
		content[name1] = append(append(slices.Clone(content[name1]), uvarints(uint64(len(payload)))...), payload...)
		_, err = Open(dirWith(t, content), testOptions)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), fmt.Sprintf("offset %d", last.Offset+last.Bytes)) {
			t.Errorf("%s: open: %v", name, err)
		}
	}
}

func uvarints(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// tearing is a log with two batches of long records, of which the second was never acknowledged.
type tearing struct {
	*bench
	data  []byte // of the segment, without a mark behind the second batch
	begin int    // of the second
	list  []Record
	acked consensus.Saved
}

// newTearing makes one whose second batch begins so many bytes behind the beginning of a sector.
func newTearing(t *testing.T, phase int64, second ...consensus.Save) *tearing {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, wideOptions)
	first := consensus.Save{HardState: hard(1, "n1"), Entries: sizedEntries(1, 1, 39, 1000)}
	mustSave(t, l, first)
	const least = 300 // so that all lengths take two bytes
	before := l.tail
	mustSave(t, l, consensus.Save{Entries: sizedEntries(40, 1, 1, least)})
	beside := l.tail - before - least
	pad := sizedEntries(40, 1, 1, least+int((phase-l.tail-beside-least)%sectorBytes+sectorBytes)%sectorBytes)
	mustSave(t, l, consensus.Save{Entries: pad})
	first.Entries = append(first.Entries, pad...)
	begin := l.tail
	if begin%sectorBytes != phase {
		t.Fatalf("the batch begins at %d, not %d behind the beginning of a sector", begin, phase)
	}
	if err := l.Save(second); err != nil {
		t.Fatal(err)
	}
	abandon(t, l)
	content := files(t, dir)
	return &tearing{newBench(t, content, segmentName(1)), content[segmentName(1)], int(begin), records(t, dir), shadow([]consensus.Save{first})}
}

// states are what may be found behind a crash: the first batch, and records of the second, from its beginning on.
func (e *tearing) states() []consensus.Saved {
	n := recordAt(e.list, e.begin)
	return statesOnTop(e.acked, e.list[n:])
}

// Sectors of a write reach the disk in any order, or pages do, and the file gets longer before or after: of a batch that was not acknowledged, whatever is missing is
// cut off, with all behind it, and never refused: not with long records either, and not if their data looks like what is missing.
func TestTornRecordOfManySectors(t *testing.T) {
	zeros := sizedEntries(41, 1, 150, 1000)
	for i := range zeros {
		if i%3 == 0 {
			clear(zeros[i].Data)
		}
	}
	random := rand.New(rand.NewPCG(21, 22))
	tried := 0
	for name, test := range map[string]struct {
		phase  int64
		second []consensus.Save
	}{
		"random data":                     {33, []consensus.Save{{HardState: hard(2, "n2"), Entries: sizedEntries(41, 2, 70, 1000)}, {HardState: hard(3, ""), Entries: sizedEntries(111, 3, 80, 1000)}}},
		"zeros in it":                     {0, []consensus.Save{{Entries: zeros}}},
		"one entry":                       {200, []consensus.Save{{Entries: sizedEntries(41, 1, 1, 300_000)}}},
		"short ones":                      {400, []consensus.Save{{Entries: sizedEntries(41, 1, 9000, 3)}}},
		"a sector ends in its length":     {sectorBytes - 1, []consensus.Save{{Entries: zeros}}},
		"a sector ends in its length too": {sectorBytes - 2, []consensus.Save{{Entries: sizedEntries(41, 1, 150, 1000)}}},
	} {
		e := newTearing(t, test.phase, test.second...)
		states := e.states()
		for range tries(30, 500) {
			tried++
			unit := []int{sectorBytes, 4096}[random.IntN(2)]
			size := len(e.data)
			if random.IntN(3) == 0 {
				size = e.begin + 1 + random.IntN(size-e.begin-1)
			}
			torn := slices.Clone(e.data[:size])
			firstLost := size
			share := 1 + random.IntN(40) // one in so many is lost
			for at := e.begin; at < size; at += unit - at%unit {
				if random.IntN(share) == 0 {
					clear(torn[at:min(size, at-at%unit+unit)])
					firstLost = min(firstLost, at)
				}
			}
			got, _, err := e.scan(torn, e.begin)
			if err != nil {
				t.Fatalf("%s, units of %d lost from %d on, of [%d, %d): refused: %v", name, unit, firstLost, e.begin, size, err)
			}
			whole := recordAt(e.list, firstLost) - recordAt(e.list, e.begin)
			if !slices.ContainsFunc(states[whole:], func(s consensus.Saved) bool { return equal(s, got) }) {
				t.Fatalf("%s, units of %d lost from %d on: got %s", name, unit, firstLost, brief(got))
			}
		}
	}
	reportCount(t, tried, "writes of long records that nobody acknowledged and that reached the disk in part, in any order: all cut where they are torn")
}

// tries is how often to try something with random numbers.
func tries(few, many int) int {
	if torture() {
		return many
	}
	return few
}

// The same damage to what was acknowledged is refused, whether a mark says so or the records of the next Save.
func TestDamagedLongRecordThatWasAcknowledged(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 24))
	for name, after := range map[string]func(l *Log) error{
		"a mark":        func(l *Log) error { return l.Mark() },
		"the next Save": func(l *Log) error { return l.Save([]consensus.Save{{Entries: entries(191, 2, 1)}}) },
		"Close":         func(l *Log) error { return l.Close() },
	} {
		dir := t.TempDir()
		l := mustOpen(t, dir, wideOptions)
		mustSave(t, l, consensus.Save{HardState: hard(2, "n1"), Entries: sizedEntries(1, 1, 40, 1000)})
		begin := l.tail
		if err := l.Save([]consensus.Save{{Entries: sizedEntries(41, 2, 150, 1000)}}); err != nil {
			t.Fatal(err)
		}
		end := l.tail
		if err := after(l); err != nil {
			t.Fatal(err)
		}
		if !l.closed {
			abandon(t, l)
		}
		content := files(t, dir)
		b := newBench(t, content, segmentName(1))
		for range tries(20, 500) {
			data := slices.Clone(content[segmentName(1)])
			at := int(begin) + random.IntN(int(end-begin))
			switch random.IntN(3) {
			case 0:
				clear(data[at-at%sectorBytes : min(int(end), at-at%sectorBytes+sectorBytes)])
			case 1:
				data[at] ^= 1 << random.IntN(8)
			case 2:
				clear(data[at:end])
			}
			if bytes.Equal(data, content[segmentName(1)]) {
				continue
			}
			if got, _, err := b.scan(data, 0); err == nil || !strings.Contains(err.Error(), "says so") {
				t.Fatalf("%s, at %d: got %s, %v", name, at, brief(got), err)
			}
		}
	}
}

// Save leaves no mark; Mark does, once; and so does Close.
func TestMark(t *testing.T) {
	d := &faultyDisk{}
	dir := t.TempDir()
	l := openFaulty(t, dir, d)
	lastOf := func() Record { list := records(t, dir); return list[len(list)-1] }
	for _, term := range []consensus.Term{1, 2} {
		if err := l.Save([]consensus.Save{{HardState: hard(term, "n1")}}); err != nil {
			t.Fatal(err)
		}
		if got := lastOf(); got.Type != "hard" || term == 2 && got.Synced != got.Seq-1 {
			t.Errorf("behind a Save stands %+v", got)
		}
	}
	d.deeds = nil
	for range 3 {
		if err := l.Mark(); err != nil {
			t.Fatal(err)
		}
	}
	if got := lastOf(); !slices.Equal(d.deeds, []string{"write"}) || got.Type != "mark" || got.Synced != got.Seq-1 {
		t.Errorf("three times Mark did %v, and left %+v", d.deeds, got)
	}
	if err := l.Save([]consensus.Save{{Entries: entries(1, 1, 2)}}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if got := lastOf(); got.Type != "mark" {
		t.Errorf("Close left %+v at the end", got)
	}
	if err := l.Mark(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("mark: %v", err)
	}
}

func TestFailedMarkIsFinal(t *testing.T) {
	d := &faultyDisk{}
	dir := t.TempDir()
	l := openFaulty(t, dir, d)
	if err := l.Save([]consensus.Save{{HardState: hard(1, "n1")}}); err != nil {
		t.Fatal(err)
	}
	d.fail = "write"
	if err := l.Mark(); err == nil || !strings.Contains(err.Error(), "wal: mark: write: ") {
		t.Errorf("mark: %v", err)
	}
	for _, err := range []error{l.Save([]consensus.Save{{HardState: hard(2, "")}}), l.Mark()} {
		if err == nil || !strings.Contains(err.Error(), "refused since an earlier") {
			t.Errorf("afterwards: %v", err)
		}
	}
	mustClose(t, l)
	checkSaved(t, reopened(t, dir), consensus.Saved{HardState: *hard(1, "n1")})
}

// An open log without its last mark is as good as one with it: Open makes certain, and says so.
func TestKilledBeforeTheMark(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	save := consensus.Save{HardState: hard(1, "n1"), Entries: entries(1, 1, 5)}
	if err := l.Save([]consensus.Save{save}); err != nil {
		t.Fatal(err)
	}
	abandon(t, l)
	checkSaved(t, reopened(t, dir), shadow([]consensus.Save{save}))
	list := records(t, dir)
	if last := list[len(list)-1]; last.Type != "mark" || last.Synced != last.Seq-1 {
		t.Errorf("Open left %+v at the end", last)
	}
}

// The path of each acknowledgement takes no memory of its own: what is measured is what tidwall/wal's copy of the segment takes as it grows.
func TestSaveTakesNoMemory(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{Cluster: "c1", Node: "n1"})
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1")})
	batch := []consensus.Save{{Entries: entries(1, 1, 1)}}
	got := testing.AllocsPerRun(100, func() {
		if err := l.Save(batch); err != nil {
			t.Fatal(err)
		}
		batch[0].Entries[0].Index++
	})
	if got > 1 {
		t.Errorf("a Save of one entry made %v allocations", got)
	}
}

// Formats that were never released are refused with what to do.
func TestIdentityOfAnOlderFormat(t *testing.T) {
	for _, format := range []string{"1", "2"} {
		dir := t.TempDir()
		writeTestFile(t, dir, identityName, sealed("raft log\nformat: "+format+"\ncluster: \"c1\"\nnode: \"n1\"\nstore: 00112233445566778899aabbccddeeff\n"))
		before := files(t, dir)
		_, err := Open(dir, testOptions)
		if err == nil || !containsAll(err.Error(), []string{"format of its files is " + format, "there is no conversion", "new id"}) {
			t.Errorf("open: %v", err)
		}
		if after := files(t, dir); !bytes.Equal(after[identityName], before[identityName]) || len(after) != 1 {
			t.Errorf("format %s: Open changed the directory", format)
		}
		if _, err := os.Stat(dir + "/" + segmentName(1)); err == nil {
			t.Error("a segment was made")
		}
	}
}

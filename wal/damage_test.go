package wal

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// smallLog is the directory of a server that lived the story and was killed, its records, and what
// a log with the first n of them holds, for each n. The last batch has two records of each two entries, and size scales their data.
func smallLog(t testing.TB, size int) (content map[string][]byte, list []Record, states []consensus.Saved) {
	t.Helper()
	return smallLogOf(t, story(), size)
}

func smallLogOf(t testing.TB, saves []consensus.Save, size int) (content map[string][]byte, list []Record, states []consensus.Saved) {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	for _, save := range saves {
		mustSave(t, l, save)
	}
	last := []consensus.Save{{HardState: hard(6, "n1"), Entries: entries(8, 6, 2)}, {HardState: hard(6, "n1"), Entries: entries(10, 6, 2)}}
	for _, save := range last {
		for i := range save.Entries {
			save.Entries[i].Data = bytes.Repeat(save.Entries[i].Data, size)
		}
	}
	mustSave(t, l, last...)
	abandon(t, l)
	list = records(t, dir)
	return files(t, dir), list, prefixStates(list)
}

// prefixStates replays records the naive way, from the first of all on.
func prefixStates(list []Record) []consensus.Saved { return statesOnTop(consensus.Saved{}, list) }

// statesOnTop gives what a log holds before the first of these records, and behind each.
func statesOnTop(sum consensus.Saved, list []Record) []consensus.Saved {
	states := []consensus.Saved{sum}
	for _, r := range list {
		switch r.Type {
		case "hard":
			sum.Add(consensus.Save{HardState: hard(r.Term, r.VotedFor)})
		case "entry":
			sum.Add(consensus.Save{Entries: []consensus.Entry{r.Entry}})
		case "snapshot":
			sum.Add(consensus.Save{Snapshot: snapshotAt(r.Snapshot.Index, r.Snapshot.Term), Base: r.Base, Installed: r.Installed})
		}
		states = append(states, sum)
	}
	return states
}

// scanned gives what Open would recover from dir, without the fsyncs.
func scanned(dir string) (consensus.Saved, *Repair, error) {
	s := scanner{keep: true}
	_, err := s.readOnly(dir)
	return s.saved(), s.repair, err
}

// A bench is one segment, under damage.
type bench struct {
	t    *testing.T
	dir  string
	name string
	id   identity
	file *os.File
}

func newBench(t *testing.T, content map[string][]byte, name string) *bench {
	t.Helper()
	b := &bench{t: t, dir: dirWith(t, content), name: name}
	var err error
	if b.id, err = readIdentity(b.dir); err == nil {
		b.file, err = os.OpenFile(filepath.Join(b.dir, name), os.O_RDWR, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.file.Close() })
	return b
}

// scan puts data into the segment, from offset at to the end, and gives what is recovered.
func (b *bench) scan(data []byte, at int) (consensus.Saved, *Repair, error) {
	_, err := b.file.WriteAt(data[at:], int64(at))
	if err == nil {
		err = b.file.Truncate(int64(len(data)))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	files, err := listDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	s := scanner{id: b.id, incarnation: Incarnation{}.next(), keep: true}
	err = s.scan(b.dir, files, 1)
	return s.saved(), s.repair, err
}

// recordAt is the number of whole records before offset.
func recordAt(list []Record, offset int) int {
	n := 0
	for n < len(list) && int(list[n].Offset+list[n].Bytes) <= offset {
		n++
	}
	return n
}

// Every bit of a log whose Saves were all acknowledged is flipped: it is refused, or nothing is lost.
func TestFlippedBitInAcknowledgedData(t *testing.T) {
	content, list, states := smallLog(t, 1)
	name := segmentName(1)
	b := newBench(t, content, name)
	mark := int(list[len(list)-1].Offset) // the last record: nothing was promised on it
	for bit := range len(content[name]) * 8 {
		damaged := bytes.Clone(content[name])
		damaged[bit/8] ^= 1 << (bit % 8)
		got, repair, err := b.scan(damaged, max(0, bit/8-1))
		switch {
		case bit/8 < mark && err == nil:
			t.Fatalf("bit %d of byte %d flipped: not noticed (repair %+v)", bit%8, bit/8, repair)
		case bit/8 < mark && (!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "offset")):
			t.Fatalf("the error does not say where: %v", err)
		case err == nil && !equal(got, states[len(states)-1]):
			t.Fatalf("bit %d of byte %d, in the last mark, flipped: got %s", bit%8, bit/8, brief(got))
		}
	}
}

// The same where the last batch was not acknowledged: what is recovered is a prefix that has all that was.
func TestDamagedUnacknowledgedBatch(t *testing.T) {
	content, list, states := smallLog(t, 20)
	name := segmentName(1)
	b := newBench(t, content, name)
	whole := content[name][:list[len(list)-1].Offset] // without the last mark
	acked := len(list) - 1
	for list[acked-1].Type != "mark" {
		acked--
	}
	begin := int(list[acked].Offset)
	boundary := map[int]bool{}
	for _, r := range list {
		boundary[int(r.Offset)] = true
	}
	random := rand.New(rand.NewPCG(3, 4))
	tried, refusals := 0, 0
	for _, kind := range []struct {
		name   string
		damage func(data []byte, at int) []byte
		// mustOpen tells where a refusal would be wrong, since an interrupted write does just this.
		mustOpen func(at int) bool
	}{
		{"cut", func(data []byte, at int) []byte { return data[:at] }, func(int) bool { return true }},
		{"zeroed", func(data []byte, at int) []byte { clear(data[at:]); return data }, func(at int) bool { return at%sectorBytes == 0 }},
		{"cut and zeros", func(data []byte, at int) []byte { return append(data[:at], make([]byte, 4096)...) }, func(at int) bool { return at%sectorBytes == 0 || boundary[at] }},
		{"garbage", func(data []byte, at int) []byte { fill(random, data[at:]); return data }, func(int) bool { return false }},
		{"one bit", func(data []byte, at int) []byte { data[at] ^= 1 << random.IntN(8); return data }, func(int) bool { return false }},
		{"one sector lost", func(data []byte, at int) []byte {
			clear(data[at-at%sectorBytes+sectorBytes : min(len(data), at-at%sectorBytes+2*sectorBytes)])
			return data
		}, func(int) bool { return true }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			refused := 0
			for at := begin; at < len(whole); at++ {
				if kind.name == "one sector lost" && at-at%sectorBytes+sectorBytes >= len(whole) {
					break
				}
				tried++
				got, repair, err := b.scan(kind.damage(bytes.Clone(whole), at), begin)
				if err != nil {
					refused++
					if kind.mustOpen(at) {
						t.Fatalf("at %d: refused: %v", at, err)
					}
					continue
				}
				n := recordAt(list, at)
				if kind.name == "one sector lost" {
					n = recordAt(list, at-at%sectorBytes+sectorBytes)
				}
				if n < acked || !equal(got, states[n]) {
					t.Fatalf("at %d: got %s (repair %+v), want the first %d records", at, brief(got), repair, n)
				}
			}
			t.Logf("%d of %d refused", refused, len(whole)-begin)
			refusals += refused
		})
	}
	reportCount(t, tried, "damages at each byte of a last batch that nobody acknowledged: %d refused, the rest cut where the damage begins", refusals)
}

func fill(random *rand.Rand, data []byte) {
	for i := range data {
		data[i] = byte(random.Uint32())
	}
}

// A repaired log goes on from where it was cut: no garbage is left to be found by the crash after next.
func TestTornTailIsCutAndTheLogGoesOn(t *testing.T) {
	content, list, states := smallLog(t, 20)
	name := segmentName(1)
	lastEntry := list[len(list)-2]
	for _, at := range []int64{lastEntry.Offset + 1, lastEntry.Offset + lastEntry.Bytes/2, lastEntry.Offset + lastEntry.Bytes - 1} {
		content[name] = content[name][:at]
		dir := dirWith(t, content)
		l := mustOpen(t, dir, testOptions)
		repaired := l.Recovery().Repaired
		if repaired == nil || repaired.File != name || repaired.Offset != lastEntry.Offset || repaired.BytesCut != at-lastEntry.Offset {
			t.Fatalf("cut at %d: repaired %+v", at, repaired)
		}
		if said := repaired.String(); !strings.Contains(said, "a tail that is not whole (") || !strings.Contains(said, name) || !strings.Contains(said, repaired.Reason) {
			t.Errorf("the report is %q", said)
		}
		want := states[recordAt(list, int(at))]
		checkSaved(t, mustLoad(t, l), want)
		more := consensus.Save{HardState: hard(7, ""), Entries: entries(10, 7, 2)}
		mustSave(t, l, more)
		abandon(t, l)
		want.Add(more)
		checkSaved(t, reopened(t, dir), want)
	}
}

// Open makes durable what it found, and says so: rot in it is refused from then on.
func TestRecoveredTailCountsAsAcknowledged(t *testing.T) {
	content, list, _ := smallLog(t, 20)
	name := segmentName(1)
	lastEntry := list[len(list)-2]
	content[name] = content[name][:lastEntry.Offset+lastEntry.Bytes]
	dir := dirWith(t, content)
	mustClose(t, mustOpen(t, dir, testOptions))
	data := files(t, dir)[name]
	if after := records(t, dir); after[len(after)-1].Type != "mark" || after[len(after)-1].Synced != lastEntry.Seq {
		t.Errorf("the last record is %+v, want a mark for record %d", after[len(after)-1], lastEntry.Seq)
	}
	// Alone, this would pass for a torn write: the sector is empty.
	clear(data[lastEntry.Offset : lastEntry.Offset+lastEntry.Bytes])
	writeTestFile(t, dir, name, data)
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "says so") {
		t.Errorf("open: %v", err)
	}
}

func TestOpenAndCloseDoNotGrowTheLog(t *testing.T) {
	content, _, _ := smallLog(t, 20)
	dir := dirWith(t, content)
	for range 3 {
		mustClose(t, mustOpen(t, dir, testOptions))
	}
	if got := files(t, dir)[segmentName(1)]; !bytes.Equal(got, content[segmentName(1)]) {
		t.Errorf("the log has %d bytes, had %d", len(got), len(content[segmentName(1)]))
	}
}

// longLog spans several segments.
func longLog(t testing.TB, opts Options) (content map[string][]byte, names []string, want consensus.Saved) {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, opts)
	saves := []consensus.Save{{HardState: hard(1, "n1"), Entries: entries(1, 1, 20)}}
	for i := range consensus.Index(50) {
		saves = append(saves, consensus.Save{Entries: entries(21+10*i, 1, 10), Commit: 20 + 10*i})
	}
	for _, save := range saves {
		mustSave(t, l, save)
	}
	abandon(t, l)
	list, err := listDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range list.segments {
		names = append(names, seg.name)
	}
	if len(names) < 3 {
		t.Fatalf("only %d segments", len(names))
	}
	return files(t, dir), names, shadow(saves)
}

func TestFlippedBitInOlderSegments(t *testing.T) {
	content, names, want := longLog(t, Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096})
	for i, name := range names {
		b := newBench(t, content, name)
		for at := i; at < len(content[name]); at += 7 {
			damaged := bytes.Clone(content[name])
			damaged[at] ^= 1 << (at % 8)
			got, _, err := b.scan(damaged, 0)
			if err == nil && (i < len(names)-1 || !equal(got, want)) {
				t.Fatalf("%s: bit of byte %d flipped: not noticed", name, at)
			}
		}
	}
}

func TestFilesThatAreMissingOrForeign(t *testing.T) {
	content, names, _ := longLog(t, Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096})
	other, otherNames, _ := longLog(t, Options{Cluster: "c1", Node: "n2", SegmentBytes: 4096})
	lastName := names[len(names)-1]
	for _, test := range []struct {
		name   string
		change func(dir map[string][]byte)
		want   []string
	}{
		{"first segment missing", func(d map[string][]byte) { delete(d, names[0]) }, []string{names[1], names[0] + " is missing"}},
		{"middle segment missing", func(d map[string][]byte) { delete(d, names[1]) }, []string{names[2], names[1] + " is missing"}},
		{"last segment missing", func(d map[string][]byte) { delete(d, lastName) }, []string{lastName + " is missing"}},
		{"all segments missing", func(d map[string][]byte) {
			for _, name := range names {
				delete(d, name)
			}
		}, []string{lastName + " is missing"}},
		{"first segment empty", func(d map[string][]byte) { d[names[0]] = nil }, []string{names[1], "cut short"}},
		{"middle segment empty", func(d map[string][]byte) { d[names[1]] = nil }, []string{names[2], "cut short"}},
		{"middle segment cut inside a record", func(d map[string][]byte) { d[names[1]] = d[names[1]][:len(d[names[1]])-3] }, []string{names[1] + " at offset", "not the last"}},
		{"middle segment with zeros behind", func(d map[string][]byte) { d[names[1]] = append(bytes.Clone(d[names[1]]), make([]byte, 99)...) }, []string{names[1] + " at offset", "not the last"}},
		{"segments swapped", func(d map[string][]byte) { d[names[0]], d[names[1]] = d[names[1]], d[names[0]] }, []string{names[0] + " at offset 0", "it holds record"}},
		{"a segment twice", func(d map[string][]byte) { d[lastName] = d[names[0]] }, []string{lastName + " at offset 0", "it holds record 1"}},
		{"first segment of another node", func(d map[string][]byte) { d[names[0]] = other[otherNames[0]] }, []string{names[0] + " at offset 0"}},
		{"last segment of another node", func(d map[string][]byte) { d[lastName] = other[otherNames[len(otherNames)-1]] }, []string{lastName + " at offset 0", "another store"}},
		{"last segment is random", func(d map[string][]byte) { d[lastName] = bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 99) }, []string{lastName + " at offset 0"}},
		{"no identity", func(d map[string][]byte) { delete(d, identityName) }, []string{identityName, "missing", "restore", neverEmpty}},
		{"only newest", func(d map[string][]byte) {
			for name := range d {
				if name != newestName {
					delete(d, name)
				}
			}
		}, []string{identityName, "missing"}},
		{"identity of another node", func(d map[string][]byte) { d[identityName] = other[identityName] }, []string{`"n2"`, `"n1"`}},
		{"newest of another node", func(d map[string][]byte) { d[newestName] = other[newestName] }, []string{newestName, "not written for this directory"}},
		{"identity damaged", func(d map[string][]byte) {
			d[identityName] = bytes.Replace(d[identityName], []byte("n1"), []byte("n7"), 1)
		}, []string{identityName, "damaged"}},
		{"identity empty", func(d map[string][]byte) { d[identityName] = nil }, []string{identityName, "damaged"}},
		{"newest damaged", func(d map[string][]byte) { d[newestName] = d[newestName][1:] }, []string{newestName, "damaged"}},
		{"only identity and incarnation", func(d map[string][]byte) {
			for name := range d {
				if name != identityName && name != incarnationName {
					delete(d, name)
				}
			}
		}, []string{newestName + " is missing", incarnationName}},
		{"only incarnation", func(d map[string][]byte) {
			for name := range d {
				if name != incarnationName {
					delete(d, name)
				}
			}
		}, []string{identityName, "missing"}},
		{"incarnation of another node", func(d map[string][]byte) { d[incarnationName] = other[incarnationName] }, []string{incarnationName, "not written for this directory"}},
		{"incarnation damaged", func(d map[string][]byte) { d[incarnationName] = d[incarnationName][1:] }, []string{incarnationName, "damaged"}},
		{"a pending truncation", func(d map[string][]byte) { d[names[1]+".START"] = nil }, []string{names[1] + ".START", "move it away"}},
		{"a segment numbered 0", func(d map[string][]byte) { d[segmentName(0)] = nil }, []string{segmentName(0), "move it away"}},
		{"a number too large", func(d map[string][]byte) { d[strings.Repeat("9", 20)] = nil }, []string{strings.Repeat("9", 20)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := map[string][]byte{}
			for name, data := range content {
				changed[name] = data
			}
			test.change(changed)
			dir := dirWith(t, changed)
			_, err := Open(dir, testOptions)
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, want := range append(test.want, dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			after := files(t, dir)
			for name, data := range changed {
				if !bytes.Equal(after[name], data) {
					t.Errorf("%s was changed", name)
				}
			}
			if len(after) != len(changed) {
				t.Errorf("%d files, were %d", len(after), len(changed))
			}
		})
	}
}

// A log of one file that was emptied is not a log that was never written to.
func TestTheOnlySegmentWithoutItsFirstRecord(t *testing.T) {
	content, _, _ := smallLog(t, 1)
	name := segmentName(1)
	whole := content[name]
	for what, data := range map[string][]byte{
		"emptied":                    nil,
		"cut in the first record":    whole[:3],
		"zeroed":                     make([]byte, len(whole)),
		"zeroed and cut":             make([]byte, 5),
		"one record of zeros":        make([]byte, len(firstRecord(mustIdentity(t, content)))),
		"a length that runs off it":  {0x7f, 1, 2},
		"bytes of a text that grows": []byte("hello\n"),
	} {
		content[name] = data
		dir := dirWith(t, content)
		_, err := Open(dir, testOptions)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "must not take part again") {
			t.Errorf("%s: open: %v", what, err)
		}
		if _, scanErr := Scan(dir, nil); scanErr == nil {
			t.Errorf("%s: scan found nothing wrong", what)
		}
		if after := files(t, dir); !bytes.Equal(after[name], data) {
			t.Errorf("%s: the file was changed to %x", what, after[name])
		}
	}
}

func TestASegmentFileLongerThanAnyCanBe(t *testing.T) {
	content, _, _ := smallLog(t, 20)
	dir := dirWith(t, content)
	if err := os.Truncate(filepath.Join(dir, segmentName(1)), 1<<40); err != nil { // sparse
		t.Skipf("no sparse files here: %v", err)
	}
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "more than any segment can have") {
		t.Errorf("open: %v", err)
	}
}

// Sparse zeros behind the log, up to what a segment may have: they may have been allocated ahead. No memory is taken for them.
func TestALongRunOfZerosIsCutOff(t *testing.T) {
	content, list, states := smallLog(t, 20)
	dir := dirWith(t, content)
	size := int64(len(content[segmentName(1)]))
	if err := os.Truncate(filepath.Join(dir, segmentName(1)), size+32<<20); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	l := mustOpen(t, dir, testOptions)
	checkSaved(t, mustLoad(t, l), states[len(list)])
	if r := l.Recovery(); r.Repaired != nil || r.Bytes != size {
		t.Errorf("the log has %d bytes, want %d; repaired: %v", r.Bytes, size, r.Repaired)
	}
	mustClose(t, l)
	if now := int64(len(files(t, dir)[segmentName(1)])); now > size+100 {
		t.Errorf("the file has %d bytes", now)
	}
}

func TestRecordOfANewerVersion(t *testing.T) {
	content, list, _ := smallLog(t, 20)
	dir := dirWith(t, content)
	id, err := readIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	seq := list[len(list)-1].Seq + 1
	for _, r := range []record{
		{kind: 9, seq: seq, back: 1},
		{kind: recordEntries, seq: seq, back: 1, entries: []consensus.Entry{{Index: 12, Term: 6}, {Index: 13, Term: 6, Kind: 9}}},
	} {
		payload := encode(id.salt(), &r)
		writeTestFile(t, dir, segmentName(1), append(append(bytes.Clone(content[segmentName(1)]), byte(len(payload))), payload...))
		if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("open: %v", err)
		}
	}
}

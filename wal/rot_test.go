package wal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// A victim is a directory with a compacted log of several segments, all of it acknowledged, and what it may be read as.
type victim struct {
	t       *testing.T
	dir     string
	content map[string][]byte
	names   []string                   // of all files
	last    string                     // the last segment
	mark    int                        // the offset in it of the last record: nothing was promised on it
	whole   consensus.Saved            // what it holds
	shorter map[string]consensus.Saved // what a shorter log would hold, by brief
	tried   int
	opened  int // with Open, which changes files: on a copy
	refused int
	cut     int // read as a shorter log
	wrong   int
}

// openEvery is which of the damages are given to Open too: it fsyncs, and takes its time.
const openEvery = 37

// newVictim makes one. size is how much data entries have, segments how many files there are.
func newVictim(t *testing.T, node consensus.ServerID, size, segments int) *victim {
	t.Helper()
	v := &victim{t: t, dir: t.TempDir(), shorter: map[string]consensus.Saved{}}
	opts := testOptions
	opts.Node = node
	l := mustOpen(t, v.dir, opts)
	save := consensus.Save{HardState: hard(2, "n2"), Entries: entries(1, 1, 9)}
	mustSave(t, l, save)
	v.whole.Add(save)
	for last := consensus.Index(9); len(l.spans) < segments || l.tail < minSegmentBytes/2; last += 10 {
		save = consensus.Save{Entries: entries(last+1, 2, 10), Commit: last}
		if len(l.spans) == 2 && v.whole.Snapshot == nil {
			save.Snapshot, save.Base = snapshotAt(7, 1), position(5, 1)
		}
		for i := range save.Entries {
			save.Entries[i].Data = bytes.Repeat(save.Entries[i].Data, size)
		}
		mustSave(t, l, save)
		v.whole.Add(save)
	}
	abandon(t, l)
	checkSaved(t, scannedWell(t, v.dir), v.whole)
	v.content, v.last = files(t, v.dir), segmentName(l.spans[len(l.spans)-1].first)
	v.names = slices.Sorted(maps.Keys(v.content))
	list := records(t, v.dir)
	v.mark = int(list[len(list)-1].Offset)
	for n := len(v.whole.Entries); n >= 0; n-- {
		prefix := v.whole
		prefix.Entries = v.whole.Entries[:n]
		v.shorter[brief(prefix)] = prefix
	}
	return v
}

// put changes one file; nil removes it.
func (v *victim) put(name string, data []byte) {
	v.t.Helper()
	path := filepath.Join(v.dir, name)
	if data != nil {
		writeTestFile(v.t, v.dir, name, data)
	} else if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		v.t.Fatal(err)
	}
}

// heal puts all files back.
func (v *victim) heal(names ...string) {
	v.t.Helper()
	for _, name := range names {
		v.put(name, v.content[name])
	}
}

// judge reads the damaged directory: it must be refused, or read as it was. If the damage goes up to the end of the last segment,
// behind which no record speaks of it, a shorter log is right too.
func (v *victim) judge(what string, toTheEnd bool) {
	v.t.Helper()
	v.tried++
	got, _, err := scanned(v.dir)
	if v.tried%openEvery == 0 {
		v.open(what, got, err)
	}
	switch {
	case err != nil:
		v.refused++
		return
	case equal(got, v.whole):
		return
	}
	if prefix, ok := v.shorter[brief(got)]; !ok || !toTheEnd || !equal(got, prefix) {
		v.t.Errorf("%s: it is read as %s, and was %s", what, brief(got), brief(v.whole))
		if v.wrong++; v.wrong == 5 {
			v.t.FailNow()
		}
		return
	}
	v.cut++
}

// open tells whether Open, on a copy, says the same as the look at it.
func (v *victim) open(what string, want consensus.Saved, wantErr error) {
	v.t.Helper()
	v.opened++
	dir := filepath.Join(v.dir, "copy")
	if err := os.Mkdir(dir, dirMode); err != nil {
		v.t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			v.t.Error(err)
		}
	}()
	for _, name := range v.names {
		data, err := os.ReadFile(filepath.Join(v.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			v.t.Fatal(err)
		}
		writeTestFile(v.t, dir, name, data)
	}
	l, err := Open(dir, testOptions)
	if err != nil {
		if wantErr == nil {
			v.t.Errorf("%s: open: %v, and a scan finds nothing wrong", what, err)
		}
		return
	}
	if got := mustLoad(v.t, l); wantErr != nil || !equal(got, want) {
		v.wrong++
		v.t.Errorf("%s: opened with %s; a scan finds %s, %v", what, brief(got), brief(want), wantErr)
	}
	mustClose(v.t, l)
}

func (v *victim) report(what string) {
	v.t.Helper()
	reportLine(v.t, fmt.Sprintf("%6d %s: %d refused, %d not noticed since nothing was lost, %d cut at the end of the last file, %d wrong states; Open said the same on %d copies",
		v.tried, what, v.refused, v.tried-v.refused-v.cut-v.wrong, v.cut, v.wrong, v.opened))
}

// Each bit of each file of a log is flipped: it is refused, in words that name the file, or nothing is lost.
func TestTortureEveryBit(t *testing.T) {
	v := newVictim(t, "n1", 2, 4)
	defer v.report("single bits flipped, of all files of a small log")
	step := 101
	if torture() {
		step = 1
	}
	for _, name := range v.names {
		f, err := os.OpenFile(filepath.Join(v.dir, name), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		whole := v.content[name]
		for bit := 0; bit < 8*len(whole); bit += step {
			at := bit / 8
			if _, err := f.WriteAt([]byte{whole[at] ^ 1<<(bit%8)}, int64(at)); err != nil {
				t.Fatal(err)
			}
			refused := v.refused
			v.judge(fmt.Sprintf("bit %d of byte %d of %s", bit%8, at, name), false)
			if v.refused == refused && (name != v.last || at < v.mark) {
				t.Fatalf("bit %d of byte %d of %s: not noticed", bit%8, at, name)
			}
			if _, _, err := scanned(v.dir); err != nil && !strings.Contains(err.Error(), name) {
				t.Fatalf("bit %d of byte %d of %s: %v", bit%8, at, name, err)
			}
			if _, err := f.WriteAt(whole[at:at+1], int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Each file of a log is cut at each byte, zeroed from there on, filled with garbage from there on.
func TestTortureEveryOffset(t *testing.T) {
	v := newVictim(t, "n1", 2, 4)
	defer v.report("files cut, zeroed or overwritten from each byte on")
	random := rand.New(rand.NewPCG(13, 14))
	step := 53
	if torture() {
		step = 1
	}
	for _, name := range v.names {
		whole := v.content[name]
		for at := 0; at < len(whole); at += step {
			zeroed, garbage := bytes.Clone(whole), bytes.Clone(whole)
			clear(zeroed[at:])
			fill(random, garbage[at:])
			for what, data := range map[string][]byte{"cut": whole[:at:at], "zeroed": zeroed, "garbage": garbage} {
				v.put(name, data)
				v.judge(fmt.Sprintf("%s from byte %d on: %s", name, at, what), name == v.last)
			}
		}
		v.heal(name)
	}
}

// Each file, and each two of them, and each three: missing, empty, halved, zeroed, doubled, of another node.
func TestTortureFilesInAllCombinations(t *testing.T) {
	v, other := newVictim(t, "n1", 2, 4), newVictim(t, "n2", 2, 4)
	defer v.report("combinations of files missing, empty, halved, zeroed, doubled, swapped or of another node")
	harms := map[string]func(name string) []byte{
		"missing":         func(string) []byte { return nil },
		"empty":           func(string) []byte { return []byte{} },
		"halved":          func(name string) []byte { return v.content[name][:len(v.content[name])/2] },
		"zeroed":          func(name string) []byte { return make([]byte, len(v.content[name])) },
		"twice":           func(name string) []byte { return bytes.Repeat(v.content[name], 2) },
		"of another node": func(name string) []byte { return other.content[name] },
		"its neighbour": func(name string) []byte {
			return v.content[v.names[(slices.Index(v.names, name)+1)%len(v.names)]]
		},
	}
	var harm func(from, left int, what string, toTheEnd bool)
	harm = func(from, left int, what string, toTheEnd bool) {
		for i := from; i < len(v.names) && left > 0; i++ {
			for kind, harmed := range harms {
				name := v.names[i]
				v.put(name, harmed(name))
				what, toTheEnd := what+", "+name+" "+kind, toTheEnd || name == v.last
				v.judge(what, toTheEnd)
				harm(i+1, left-1, what, toTheEnd)
			}
			v.heal(v.names[i])
		}
	}
	depth := 2
	if torture() {
		depth = 3
	}
	harm(0, depth, "with", false)
}

// Damage of any kind and length in a large log, anywhere.
func TestTortureLargeLog(t *testing.T) {
	tries := 25
	if torture() {
		tries = 3000
	}
	v := newVictim(t, "n1", 30, 150)
	defer v.report("damages in a log of many segments")
	random := rand.New(rand.NewPCG(15, 16))
	for range tries {
		name := v.names[random.IntN(len(v.names))]
		data := bytes.Clone(v.content[name])
		at := random.IntN(len(data))
		length := 1 + random.IntN(1+random.IntN(min(len(data)-at, 2000)))
		span := data[at : at+length]
		kind := random.IntN(4)
		switch kind {
		case 0:
			span[0] ^= 1 << random.IntN(8)
			length = 1
		case 1:
			clear(span)
		case 2:
			fill(random, span)
		case 3:
			copy(span, data[random.IntN(len(data)):])
		}
		v.put(name, data)
		v.judge(fmt.Sprintf("%s, %d bytes from %d on, kind %d", name, length, at, kind), name == v.last && at+length > v.mark)
		v.heal(name)
	}
}

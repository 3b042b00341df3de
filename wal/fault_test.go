package wal

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	tidwall "github.com/tidwall/wal"

	"github.com/raftnode/raft/raft/consensus"
)

var errDisk = errors.New("the disk is on fire")

// faultyDisk notes what is done, and fails the n-th deed of a kind.
type faultyDisk struct {
	deeds []string
	fail  string // "write", "rewrite", "sync", "dir", "create", "snapwrite", "snapsync", "rename" or "remove"
	after int    // so many of them succeed before
	// stopAt is the number of the first deed, of any kind, from which on nothing is done any more; 0: none.
	stopAt int
	hang   string // such a deed waits for goOn
	goOn   chan struct{}
	// rewritten is what was written again, from one offset to another.
	rewritten [][2]int64
}

func (d *faultyDisk) do(deed string) error {
	d.deeds = append(d.deeds, deed)
	if deed == d.hang {
		<-d.goOn
	}
	if d.stopAt > 0 && len(d.deeds) >= d.stopAt {
		return errDisk
	}
	if deed != d.fail {
		return nil
	}
	if d.after--; d.after < 0 {
		return errDisk
	}
	return nil
}

func (d *faultyDisk) disk() disk {
	return disk{
		ahead: allocateNow,
		open: func(dir string, opts *tidwall.Options) (appendLog, error) {
			log, err := realDisk.open(dir, opts)
			return &faultyLog{log, d}, err
		},
		rewrite: func(f readerWriterAt, from, to int64) error {
			if err := d.do("rewrite"); err != nil {
				return err
			}
			d.rewritten = append(d.rewritten, [2]int64{from, to})
			return rewrite(f, from, to)
		},
		syncDir: func(dir string) error {
			if err := d.do("dir"); err != nil {
				return err
			}
			return fsyncDir(dir)
		},
		create: func(path string) (writableFile, error) {
			if err := d.do("create"); err != nil {
				return nil, err
			}
			f, err := realDisk.create(path)
			return &faultyFile{f, d}, err
		},
		rename: func(from, to string) error {
			if err := d.do("rename"); err != nil {
				return err
			}
			return os.Rename(from, to)
		},
		remove: func(path string) error {
			if err := d.do("remove"); err != nil {
				return err
			}
			return os.Remove(path)
		},
		space: SpaceOf, allocate: allocate,
	}
}

// faultyFile is a snapshot that is being written.
type faultyFile struct {
	writableFile
	disk *faultyDisk
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.disk.do("snapwrite"); err != nil {
		n, _ := f.writableFile.Write(p[:len(p)/2])
		return n, err
	}
	return f.writableFile.Write(p)
}

func (f *faultyFile) Sync() error {
	if err := f.disk.do("snapsync"); err != nil {
		return err
	}
	return f.writableFile.Sync()
}

type faultyLog struct {
	appendLog
	disk *faultyDisk
}

func (l *faultyLog) WriteBatch(b *tidwall.Batch) error {
	if err := l.disk.do("write"); err != nil {
		return err
	}
	return l.appendLog.WriteBatch(b)
}

func (l *faultyLog) Sync() error {
	if err := l.disk.do("sync"); err != nil {
		return err
	}
	return l.appendLog.Sync()
}

func (l *faultyLog) Close() error {
	if err := l.disk.do("close"); err != nil {
		return err
	}
	return l.appendLog.Close()
}

func openFaulty(t *testing.T, dir string, d *faultyDisk) *Log {
	t.Helper()
	l, err := open(dir, testOptions, d.disk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// What Save does, in this order: write, fsync, and only then the mark, which is not waited for.
func TestSaveFsyncsBeforeItReturns(t *testing.T) {
	d := &faultyDisk{}
	l := openFaulty(t, t.TempDir(), d)
	d.deeds = nil
	mustSave(t, l, story()[:9]...)
	if want := []string{"write", "sync", "write"}; !slices.Equal(d.deeds, want) {
		t.Errorf("Save did %v, want %v", d.deeds, want)
	}
}

// A new segment's directory entry is durable before anything in it is fsynced, let alone acknowledged.
func TestNewSegmentsAreFsyncedIntoTheDirectory(t *testing.T) {
	d := &faultyDisk{}
	l := openFaulty(t, t.TempDir(), d)
	d.deeds = nil
	mustSave(t, l, consensus.Save{HardState: hard(1, "n1"), Entries: entries(1, 1, 400)})
	if want := "write dir write dir write sync write"; strings.Join(d.deeds, " ") != want {
		t.Errorf("Save did %v, want %v", d.deeds, want)
	}
}

// Open makes durable what it found before it returns, its parent directory too.
func TestOpenFsyncsWhatItFound(t *testing.T) {
	content, list, _ := smallLog(t, 1)
	content[segmentName(1)] = content[segmentName(1)][:list[len(list)-1].Offset]
	d := &faultyDisk{}
	openFaulty(t, dirWith(t, content), d)
	if want := "dir rewrite sync dir write dir"; strings.Join(d.deeds, " ") != want {
		t.Errorf("Open did %v, want %v", d.deeds, want)
	}
}

func TestCreationIsFsynced(t *testing.T) {
	d := &faultyDisk{}
	openFaulty(t, t.TempDir(), d)
	// parent; identity; the first record; segment; segment again, before it is named; newest; incarnation. The record comes before the name.
	if want := "dir dir write sync dir dir dir dir"; strings.Join(d.deeds, " ") != want {
		t.Errorf("Open did %v, want %v", d.deeds, want)
	}
}

// Each write and fsync of a life fails in turn. The first error is final, nothing is tried again, and
// what was acknowledged is there for the next process.
func TestFirstErrorIsFinal(t *testing.T) {
	for _, kind := range []string{"write", "sync", "dir"} {
		for after := range 12 {
			t.Run(fmt.Sprintf("%s %d", kind, after), func(t *testing.T) {
				dir := t.TempDir()
				d := &faultyDisk{}
				l := openFaulty(t, dir, d)
				acked := []consensus.Save{{HardState: hard(1, "n1")}}
				mustSave(t, l, acked[0])
				d.fail, d.after = kind, after
				var inFlight consensus.Save
				for i := consensus.Index(0); ; i++ {
					inFlight = consensus.Save{Entries: entries(1+60*i, 1, 60)}
					if !savedOrFailed(t, l, &inFlight) {
						break
					}
					acked = append(acked, inFlight)
				}
				done := len(d.deeds)
				for range 3 {
					if err := l.Save([]consensus.Save{{HardState: hard(2, "")}}); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "earlier") {
						t.Errorf("Save after a failure: %v", err)
					}
				}
				mustClose(t, l)
				if len(d.deeds) != done {
					t.Errorf("after the failure it still did %v", d.deeds[done:])
				}
				checkAckedKept(t, reopened(t, dir), acked, inFlight)
			})
		}
	}
}

// savedOrFailed saves, and tells whether it worked, and then is idle. The error, of either, must be the disk's.
func savedOrFailed(t *testing.T, l *Log, save *consensus.Save) bool {
	t.Helper()
	saveErr := l.Save([]consensus.Save{*save})
	for _, err := range []error{saveErr, l.Mark()} {
		if err != nil && !errors.Is(err, errDisk) {
			t.Fatalf("save: %v", err)
		}
	}
	return saveErr == nil
}

// checkAckedKept checks that got is what acked made, with any prefix of the Save that was in flight.
func checkAckedKept(t *testing.T, got consensus.Saved, acked []consensus.Save, inFlight consensus.Save) {
	t.Helper()
	if equal(got, shadow(acked)) {
		return
	}
	half := consensus.Save{HardState: inFlight.HardState}
	for n := range len(inFlight.Entries) + 1 {
		half.Entries = inFlight.Entries[:n]
		if equal(got, shadow(append(acked[:len(acked):len(acked)], half))) {
			return
		}
	}
	t.Fatalf("got %s, want %s and perhaps more", brief(got), brief(shadow(acked)))
}

func TestOpenThatFailsIsNotOpen(t *testing.T) {
	for _, kind := range []string{"sync", "dir", "write", "rewrite"} {
		for after := range 5 {
			content, list, _ := smallLogOf(t, story()[:9], 1) // no snapshot: that would miss the file newest
			content[segmentName(1)] = content[segmentName(1)][:list[len(list)-1].Offset]
			dir := dirWith(t, content)
			d := &faultyDisk{fail: kind, after: after}
			l, err := open(dir, testOptions, d.disk())
			if err == nil {
				mustClose(t, l)
				continue // it has fewer of this kind to do
			}
			if !errors.Is(err, errDisk) {
				t.Errorf("%s %d: %v", kind, after, err)
			}
			checkSaved(t, reopened(t, dir), prefixStates(list)[len(list)])
		}
	}
	d := &faultyDisk{}
	broken := d.disk()
	broken.open = func(string, *tidwall.Options) (appendLog, error) { return nil, errDisk }
	if _, err := open(t.TempDir(), testOptions, broken); !errors.Is(err, errDisk) {
		t.Errorf("open: %v", err)
	}
}

// A creation that fails at any write or fsync promised nothing: the next one finds no damage, and begins.
func TestCreationThatFailsCanBeTriedAgain(t *testing.T) {
	failed := 0
	for _, kind := range []string{"sync", "dir", "write"} {
		for after := range 6 {
			dir := t.TempDir()
			l, err := open(dir, testOptions, (&faultyDisk{fail: kind, after: after}).disk())
			if err == nil {
				mustClose(t, l)
			} else if failed++; !errors.Is(err, errDisk) {
				t.Errorf("%s %d: %v", kind, after, err)
			}
			checkSaved(t, reopened(t, dir), consensus.Saved{})
		}
	}
	if failed != 8 { // 6 directories, the first record, its fsync
		t.Errorf("%d creations failed, want 7", failed)
	}
}

func TestCloseSaysWhatFailed(t *testing.T) {
	d := &faultyDisk{fail: "close"}
	l := openFaulty(t, t.TempDir(), d)
	if err := l.Close(); !errors.Is(err, errDisk) {
		t.Errorf("close: %v", err)
	}
}

// After a failed fsync the kernel may show pages that it will never write: what nobody acknowledged is
// written again before it is believed, and no more than that.
func TestRewriteOfTheUnprovenTail(t *testing.T) {
	content, list, _ := smallLog(t, 20)
	content[segmentName(1)] = content[segmentName(1)][:list[len(list)-1].Offset]
	s := scanner{}
	if _, err := s.readOnly(dirWith(t, content)); err != nil {
		t.Fatal(err)
	}
	lastMark := len(list) - 2
	for list[lastMark].Type != "mark" {
		lastMark--
	}
	// That mark was written behind the fsync, so it is as unproven as what follows.
	if from := s.unproven[0]; from != list[lastMark].Offset {
		t.Errorf("unproven from offset %d, want %d", from, list[lastMark].Offset)
	}
}

// The same at the door: Open does write it again, up to where the log ends, and before the fsync.
func TestOpenWritesAgainWhatNoRecordProves(t *testing.T) {
	content, list, _ := smallLog(t, 20)
	whole := content[segmentName(1)]
	mark := list[len(list)-1]
	lastEntry := list[len(list)-2]
	acked := slices.IndexFunc(list, func(r Record) bool { return r.Seq == lastEntry.Synced+1 })
	for name, cut := range map[string]int64{
		"whole":              mark.Offset + mark.Bytes,
		"without its mark":   mark.Offset,
		"torn in the mark":   mark.Offset + 1,
		"torn in the entry":  mark.Offset - 3,
		"torn in the second": list[acked+2].Offset + 1,
	} {
		d := &faultyDisk{}
		content[segmentName(1)] = whole[:cut]
		openFaulty(t, dirWith(t, content), d)
		end := list[recordAt(list, int(cut))-1]
		// From the mark of the Save before on: its own fsync is the next one's.
		want := [][2]int64{{list[acked].Offset, end.Offset + end.Bytes}}
		if name == "whole" {
			want = [][2]int64{{mark.Offset, mark.Offset + mark.Bytes}}
		}
		if !slices.Equal(d.rewritten, want) || !strings.HasPrefix(strings.Join(d.deeds, " "), "dir rewrite sync") {
			t.Errorf("%s: written again was %v, want %v; Open did %v", name, d.rewritten, want, d.deeds)
		}
	}
}

// memFile counts the bytes that are written to it.
type memFile struct {
	data    string
	written []string
	fail    error
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) { return copy(p, f.data[off:]), nil }

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if f.data[off:off+int64(len(p))] != string(p) {
		return 0, errors.New("other bytes than before")
	}
	f.written = append(f.written, string(p))
	return len(p), f.fail
}

func TestRewriteWritesTheSameBytesToTheSamePlace(t *testing.T) {
	f := &memFile{data: strings.Repeat("abcdefghi", 300<<10)}
	if err := rewrite(f, 5, int64(len(f.data)-3)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.written, ""); got != f.data[5:len(f.data)-3] || len(f.written) != 3 {
		t.Errorf("%d bytes in %d writes", len(got), len(f.written))
	}
	f.fail = errDisk
	if err := rewrite(f, 0, 1); !errors.Is(err, errDisk) {
		t.Errorf("rewrite: %v", err)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/wal"
)

const mib = 1 << 20

// What the flags leave open, the size of the disk decides.
func TestMarks(t *testing.T) {
	for _, c := range []struct {
		low, reserve, size int64
		want               marks
	}{
		{unset, unset, math.MaxInt64, marks{256 * mib, 384 * mib, 64 * mib}},
		{unset, unset, 5120 * mib, marks{256 * mib, 384 * mib, 64 * mib}},
		{unset, unset, 1600 * mib, marks{80 * mib, 120 * mib, 20 * mib}},
		{unset, 0, 1600 * mib, marks{80 * mib, 100 * mib, 0}},
		{8 * mib, unset, 1600 * mib, marks{8 * mib, 12 * mib, 2 * mib}},
		{8 * mib, 30 * mib, 40 * mib, marks{8 * mib, 40 * mib, 30 * mib}},
		{0, unset, 1600 * mib, marks{}},
	} {
		got, err := marksFor(&config{lowSpace: c.low, reserve: c.reserve}, c.size)
		if err != nil || got != c.want {
			t.Errorf("%d, %d on a disk of %d: %+v, %v, want %+v", c.low, c.reserve, c.size, got, err, c.want)
		}
	}
	_, err := marksFor(&config{lowSpace: 8 * mib, reserve: 30 * mib, dataDir: "d"}, 40*mib-1)
	if want := "--low-space 8.0 MiB and --reserve 30.0 MiB need 40.0 MiB free on the file system of d, which has 40.0 MiB in all"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestIsLow(t *testing.T) {
	m := marks{low: 100, high: 150}
	for _, c := range []struct {
		was  bool
		free int64
		want bool
	}{
		{false, 100, false}, {false, 99, true}, {true, 99, true}, {true, 149, true}, {true, 150, false}, {false, 149, false}, {false, 0, true},
	} {
		if got := m.isLow(c.was, c.free); got != c.want {
			t.Errorf("low %v and then %d free: %v, want %v", c.was, c.free, got, c.want)
		}
	}
}

// fakeReserve is a reserve that notes what is done to it.
type fakeReserve struct {
	held, want int64
	fail       error
	done       []string
}

func (r *fakeReserve) ReserveBytes() int64 { return r.held }

func (r *fakeReserve) ReleaseReserve() (bytes int64, err error) {
	r.done = append(r.done, "release")
	bytes, r.held = r.held, 0
	return bytes, r.fail
}

func (r *fakeReserve) RestoreReserve() error {
	r.done = append(r.done, "restore")
	if r.fail == nil {
		r.held = r.want
	}
	return r.fail
}

// spaced is a watch of a disk that is played.
type spaced struct {
	*space
	out     bytes.Buffer
	free    int64
	fail    error
	reserve *fakeReserve // notes also what is told
}

func newSpaced(held int64) *spaced {
	s := &spaced{reserve: &fakeReserve{held: held, want: 20}}
	s.space = &space{
		log: hclog.New(&hclog.LoggerOptions{Output: &s.out, DisableTime: true}), dir: "d", marks: marks{low: 100, high: 150, reserve: 20},
		reserve: s.reserve, wake: make(chan struct{}, 1),
		look: func() (wal.Space, error) { return wal.Space{Free: s.free, Size: 1000}, s.fail },
		tell: func(noSpace bool) { s.reserve.done = append(s.reserve.done, fmt.Sprint("tell ", noSpace)) },
	}
	return s
}

// shortened tells whether the log is to be shortened, since it was asked last.
func (s *spaced) shortened() bool {
	select {
	case <-s.wake:
		return true
	default:
		return false
	}
}

// A day of a disk that fills up: what is done, and what a person reads of it.
func TestSpaceThatRunsLow(t *testing.T) {
	s := newSpaced(20)
	s.free = 500
	s.begin(time.Unix(1, 0))
	low := "[WARN]  LOW ON DISK SPACE: %d B free of 1000 B on the file system of d: this node takes no writes, and does not lead while another can, until 150 B are free; " +
		"reads go on. Free space there, outside of the data directory. To shorten the log, %s, and a snapshot is tried now and every 30s\n"
	for _, step := range []struct {
		at       int
		free     int64
		fail     error // of the look
		broken   error // of the reserve
		done     string
		says     string
		low      bool
		shortens bool
	}{
		{at: 1, free: 100},
		{at: 2, free: 99, done: "tell true, release", says: fmt.Sprintf(low, 99, "the reserve of 20 B was given up"), low: true, shortens: true},
		{at: 3, free: 119, low: true},
		{at: 31, free: 149, low: true},
		{at: 32, free: 90, low: true, shortens: true},
		{at: 33, free: 150, broken: syscall.ENOSPC, done: "restore", says: "[WARN]  the reserve cannot be kept: when the disk is full, there is no room to shorten the log: error=\"no space left on device\"\n", low: true},
		{at: 34, free: 150, broken: syscall.ENOSPC, done: "restore", low: true},
		{at: 35, free: 150, done: "restore, tell false", says: "[INFO]  the disk has room again: this node takes writes: free=\"150 B\"\n"},
		{at: 36, free: 149},
		{at: 37, fail: errors.New("who knows"), says: "[WARN]  how full the disk is cannot be found out: until it can, this node does not notice when it is nearly full: error=\"who knows\"\n"},
		{at: 38, fail: errors.New("who knows")},
		{at: 39, free: 149},
		{at: 40, fail: errors.New("who knows")},
		{at: 61, free: 7, done: "tell true, release", says: fmt.Sprintf(low, 7, "the reserve of 20 B was given up"), low: true}, // the log was shortened a moment ago
		{at: 62, fail: errors.New("who knows"), low: true},
		{at: 63, free: 200, broken: errors.New("no such call"), done: "restore, tell false", says: "[INFO]  the disk has room again: this node takes writes: free=\"200 B\"\n"},
		{at: 99, free: 0, done: "tell true, release", says: fmt.Sprintf(low, 0, "there is no reserve"), low: true, shortens: true},
	} {
		s.out.Reset()
		s.free, s.fail, s.reserve.fail, s.reserve.done = step.free, step.fail, step.broken, nil
		s.see(time.Unix(int64(step.at), 0))
		if got := s.out.String(); got != step.says {
			t.Errorf("at %d it says %q, want %q", step.at, got, step.says)
		}
		if got := strings.Join(s.reserve.done, ", "); got != step.done {
			t.Errorf("at %d it does %s, want %s", step.at, got, step.done)
		}
		if got := s.shortened(); got != step.shortens {
			t.Errorf("at %d the log is shortened: %v", step.at, got)
		}
		disk, watched := s.status()
		if !watched || disk.Low != step.low || step.fail == nil && (disk.FreeBytes != step.free || disk.Error != "") || step.fail != nil && disk.Error != step.fail.Error() ||
			disk.ReserveBytes != s.reserve.held || disk.LowBytes != 100 || disk.HighBytes != 150 {
			t.Errorf("at %d the status is %+v", step.at, disk)
		}
	}
}

// A node that ended low has no reserve, and begins low until there is room for it; one that never was begins as the disk is.
func TestSpaceAtTheBeginning(t *testing.T) {
	for _, c := range []struct {
		held, free int64
		done       string
		low        bool
	}{
		{20, 149, "", false},
		{20, 99, "tell true, release", true},
		{0, 149, "tell true, release", true},
		{0, 150, "restore", false},
	} {
		s := newSpaced(c.held)
		s.free = c.free
		s.begin(time.Unix(1, 0))
		if disk, _ := s.status(); disk.Low != c.low || strings.Join(s.reserve.done, ", ") != c.done || s.shortened() != c.low {
			t.Errorf("%d held and %d free: %+v, did %v", c.held, c.free, disk, s.reserve.done)
		}
	}
	s := newSpaced(0)
	s.marks = marks{}
	s.begin(time.Unix(1, 0))
	s.run(t.Context()) // returns
	if _, watched := s.status(); watched || len(s.reserve.done) > 0 {
		t.Errorf("nobody is to watch, but it does %v", s.reserve.done)
	}
}

// A node that begins low takes no writes, also while nobody can tell how full the disk is; what is seen then decides.
func TestSpaceThatCannotBeSeenAtTheBeginning(t *testing.T) {
	for _, c := range []struct {
		free       int64
		done, says string
		low        bool
	}{
		{149, "tell true, release", "LOW ON DISK SPACE: 149 B free", true},
		{150, "restore, tell false", "the disk has room again", false},
	} {
		s := newSpaced(0)
		s.fail = errors.New("who knows")
		s.begin(time.Unix(1, 0))
		s.see(time.Unix(2, 0))
		if disk, _ := s.status(); !disk.Low || disk.Error != "who knows" || strings.Join(s.reserve.done, ", ") != "tell true" ||
			strings.Count(s.out.String(), "it takes no writes until it is found out that the disk has room") != 1 {
			t.Errorf("before anything is seen: %+v, did %v, says %s", disk, s.reserve.done, s.out.String())
		}
		s.free, s.fail, s.reserve.done = c.free, nil, nil
		s.see(time.Unix(3, 0))
		s.see(time.Unix(4, 0))
		if disk, _ := s.status(); disk.Low != c.low || strings.Join(s.reserve.done, ", ") != c.done || strings.Count(s.out.String(), c.says) != 1 {
			t.Errorf("with %d free: %+v, did %v, says %s", c.free, disk, s.reserve.done, s.out.String())
		}
	}
	s := newSpaced(20)
	s.fail = errors.New("who knows")
	if s.begin(time.Unix(1, 0)); len(s.reserve.done) > 0 {
		t.Errorf("it did not end low, but does %v", s.reserve.done)
	}
}

// A file for which there is no room is written when there is, also where nobody watches the disk; any other error ends the start.
func TestAFileForWhichThereIsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpaced(0)
		s.marks = marks{}
		fail, tries := error(syscall.EIO), 0
		write := func() error {
			tries++
			return fail
		}
		if err := s.write("that", write); !errors.Is(err, syscall.EIO) || s.owed != nil {
			t.Errorf("a disk that fails: %v", err)
		}
		fail, tries = &os.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}, 0
		if err := s.write("that", write); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*spaceEvery+spaceEvery/2) // virtual
		defer cancel()
		s.run(ctx)
		if tries != 3 || strings.Count(s.out.String(), "there is no room to write that") != 1 || strings.Contains(s.out.String(), "it is written that") {
			t.Errorf("%d tries, says %s", tries, s.out.String())
		}
		fail = nil
		ctx, cancel = context.WithTimeout(t.Context(), 2*spaceEvery+spaceEvery/2)
		defer cancel()
		s.run(ctx)
		if tries != 4 || strings.Count(s.out.String(), "it is written that") != 1 || len(s.reserve.done) > 0 {
			t.Errorf("%d tries, did %v, says %s", tries, s.reserve.done, s.out.String())
		}
	})
}

// The disk is looked at also while a snapshot takes its time.
func TestSpaceIsWatchedWhileTheLogIsShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpaced(20)
		tries := make(chan error)
		var free atomic.Int64
		s.look = func() (wal.Space, error) { return wal.Space{Free: free.Load(), Size: 1000}, nil }
		s.compact = func(ctx context.Context) (bool, error) {
			select {
			case err := <-tries:
				return err == nil, err
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		s.begin(time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		go s.run(ctx)
		go s.shorten(ctx)
		time.Sleep(40 * time.Second) // virtual; a try and the next wait
		free.Store(500)
		time.Sleep(2 * time.Second)
		if disk, _ := s.status(); disk.Low {
			t.Error("the disk has room, and nobody has seen it")
		}
		for _, err := range []error{errors.New("no room for it"), nil} {
			free.Store(0)
			time.Sleep(compactEvery + time.Second)
			tries <- err
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		for _, want := range []string{"the log was not shortened: reason=\"no room for it\"", "took a snapshot to shorten the log"} {
			if strings.Count(s.out.String(), want) != 1 {
				t.Errorf("it does not say %q once:\n%s", want, s.out.String())
			}
		}
	})
}

// The directory need not be there yet.
func TestSpaceAt(t *testing.T) {
	dir := t.TempDir()
	for _, at := range []string{dir, filepath.Join(dir, "not", "yet")} {
		if found, err := spaceAt(at); err != nil || found.Size <= 0 {
			t.Errorf("%s: %+v, %v", at, found, err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := spaceAt(filepath.Join(file, "below")); err == nil {
		t.Error("below a file there is no space")
	}
}

// A node asks for more than the disk has: it says so, and makes nothing.
func TestMoreSpaceThanTheDiskHas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	found, err := spaceAt(dir)
	if err != nil || found.Size > 1<<40 {
		t.Skipf("the disk has %d bytes, %v", found.Size, err)
	}
	last := begin(t, alone(dir, "--low-space", "1024GiB")...).end(t, exitFailed)
	if !strings.Contains(last, "cannot start: --low-space 1.0 TiB") || !strings.Contains(last, "give less") {
		t.Errorf("the last line is %q", last)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory is there: %v", err)
	}
}

// What a disk failed with tells what to do. The error before it has the file and what happened.
func TestAdviceForADisk(t *testing.T) {
	c := &config{dataDir: "data/n1"}
	for errno, want := range map[error][]string{
		syscall.ENOSPC: {"no space left on device. Free space on the file system of data/n1 (`df data/n1`)", "start the node again: nothing that was acknowledged is lost"},
		syscall.EDQUOT: {"a larger quota"},
		syscall.EIO:    {"input/output error. The disk or its file system failed", "`dmesg`", "`raftctl doctor --data-dir data/n1`", "start the node again"},
		syscall.EROFS:  {"read-only because of an error", "mount it for writing"},
		syscall.EMFILE: {"too many open files. Let it open more files (`ulimit -n`)"},
		io.EOF:         {"sync data/n1/0001: EOF"},
	} {
		got := adviseDisk(c, fmt.Errorf("wal: save: fsync: %w", &os.PathError{Op: "sync", Path: "data/n1/0001", Err: errno})).Error()
		want = append(want, "wal: save: fsync: sync data/n1/0001: ")
		if missing := slices.IndexFunc(want, func(w string) bool { return !strings.Contains(got, w) }); missing >= 0 {
			t.Errorf("%v: %q, want %q", errno, got, want[missing])
		}
	}
}

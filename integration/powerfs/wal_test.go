//go:build linux

package powerfs_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/raftnode/raft/integration/powerfs"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

// mounted gives a file system and where it is.
func mounted(t *testing.T) (*powerfs.FS, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts a file system")
	}
	fs, dir := powerfs.New(), t.TempDir()
	unmount, err := fs.Mount(dir)
	if err != nil {
		skip(t, "no FUSE here: /dev/fuse is needed, and root or the package fuse3", err)
	}
	t.Cleanup(func() {
		runtime.GC() // what a failed log has open
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	return fs, dir
}

// A server is a directory with a log, what it has promised, and what was on its way.
type server struct {
	t        *testing.T
	fs       *powerfs.FS
	dir      string
	random   *rand.Rand
	promised consensus.Saved
	commit   consensus.Index
	inFlight []consensus.Save
	beside   bool // snapshots are prepared beside the Saves
	count    tally
}

func newServer(t *testing.T, seed uint64) *server {
	fs, dir := mounted(t)
	return &server{t: t, fs: fs, dir: filepath.Join(dir, "data", "n1"), random: rand.New(rand.NewPCG(seed, 11))}
}

// open opens the log, which must work unless a fault came; what it holds must be what was promised, with some of what was on its way.
func (s *server) open() *wal.Log {
	s.t.Helper()
	before := s.fs.Changes()
	log, err := wal.Open(s.dir, wal.Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096 + s.random.IntN(8000)})
	if err != nil {
		if !s.fs.Faulted() {
			s.count.failedStarts++
			s.t.Errorf("open, without a fault: %v", err)
		}
		return nil
	}
	got, err := log.Load()
	switch {
	case err != nil:
		s.t.Fatal(err)
	case !isPrefix(got, s.promised, s.inFlight):
		s.count.judge(got, s.promised)
		s.t.Errorf("behind %d changes: got %s, promised was %s, on its way %d Saves", before, brief(got), brief(s.promised), len(s.inFlight))
	}
	if r := log.Recovery(); r.Commit > s.commit {
		s.commit = r.Commit
	}
	s.promised, s.inFlight = got, nil
	return log
}

// live opens the log and saves until a fault comes, or n Saves are acknowledged.
func (s *server) live(n int) {
	s.t.Helper()
	log := s.open()
	if log == nil {
		return
	}
	life := &life{random: s.random, sum: s.promised, commit: s.commit}
	var preparing sync.WaitGroup
	for range n {
		batch := life.batch()
		s.inFlight = append(s.inFlight, batch...)
		if s.random.IntN(3) == 0 && batch[0].Snapshot != nil {
			_ = log.PrepareSnapshot(batch[0].Snapshot) // if it fails, Save may try again
		}
		if s.beside && s.random.IntN(4) == 0 {
			ahead := snapshotAt(consensus.Position{Index: life.last() + 1, Term: life.sum.HardState.Term})
			preparing.Go(func() { _ = log.PrepareSnapshot(ahead) }) // perhaps a Save will name it
		}
		if err := log.Save(batch); err != nil {
			if !s.fs.Faulted() {
				s.t.Fatalf("save, without a fault: %v", err)
			}
			if log.Save(batch) == nil {
				s.t.Errorf("after %v the next Save was taken", err)
			}
			break
		}
		for _, save := range s.inFlight {
			s.promised.Add(save)
		}
		s.inFlight, s.commit = nil, life.commit
		s.count.acknowledged++
		if s.random.IntN(2) == 0 {
			continue // as if the next one waited already
		}
		if err := log.Mark(); err != nil {
			if !s.fs.Faulted() {
				s.t.Fatalf("mark, without a fault: %v", err)
			}
			break
		}
	}
	preparing.Wait()
	_ = log.Close() // nothing is promised by it
}

// The power fails at a random change of a random life, in recovery too; what was promised is there, each time.
func TestPowerLossOfALog(t *testing.T) {
	lives := 40
	if torture() {
		lives = 1500
	}
	s := newServer(t, 1)
	s.beside = true
	for life := range lives {
		s.fs.CutAt(1 + s.random.IntN(1+s.random.IntN(200)))
		s.live(60)
		s.fs.PowerLoss(powerfs.Random(s.random))
		s.count.faults++
		if t.Failed() {
			t.Fatalf("in life %d", life)
		}
	}
	s.live(5)
	s.count.report(t, "power losses of a log")
}

// The power fails at each change of one life in turn, the first of all, with nothing left of what was not fsynced, and then at each change of
// the recovery.
func TestPowerLossAtEachChange(t *testing.T) {
	step := 9
	if torture() {
		step = 1
	}
	var count tally
	for at, done := 1, false; !done && !t.Failed(); at += step {
		t.Run(fmt.Sprint("change ", at), func(t *testing.T) {
			for again := 1; again < 40; again += step {
				s := newServer(t, 2)
				s.fs.CutAt(at)
				s.live(12)
				done = !s.fs.Down()
				s.fs.PowerLoss(powerfs.Everything())
				s.fs.CutAt(again)
				s.live(0)
				recovered := !s.fs.Down()
				s.fs.PowerLoss(powerfs.Everything())
				s.live(3)
				s.count.faults += 2
				count.add(&s.count)
				if recovered || t.Failed() {
					break
				}
			}
		})
	}
	count.report(t, "power losses at each change")
}

// Each change of a life fails in turn, once, with the process going on: it ends, and the next one finds what was promised,
// also after a loss of power, for which an fsync that failed has written nothing.
func TestFaultAtEachChange(t *testing.T) {
	step := 1
	for _, failure := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		var count tally
		for at, done := 1, false; !done && !t.Failed(); at += step {
			t.Run(fmt.Sprintf("%v %d", failure, at), func(t *testing.T) {
				s := newServer(t, 3)
				s.fs.FailAt(at, failure)
				s.live(12)
				done = !s.fs.Faulted()
				s.fs.FailAt(0, 0)
				s.live(4)
				s.fs.PowerLoss(powerfs.Random(s.random))
				s.live(4)
				s.count.faults++
				count.add(&s.count)
			})
		}
		if !torture() {
			step = 9 // of the fsyncs, that was all
		}
		count.report(t, fmt.Sprintf("faults (%v) at each change, each followed by a power loss", failure))
	}
}

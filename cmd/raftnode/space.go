package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/wal"
)

const (
	// spaceEvery is how often the free space is looked at: what is written meanwhile must be little beside --low-space.
	spaceEvery = time.Second
	// compactEvery is how often a node whose disk is nearly full tries to shorten its log.
	compactEvery = 30 * time.Second
	// compactTime is how long one try may take.
	compactTime = time.Minute
)

// The default of --low-space: enough for what is in flight, and for a snapshot of a state of moderate size; but of a small disk no more than
// one in so many bytes, or a node on it could never write.
const (
	defaultLowBytes = 256 << 20
	defaultLowShare = 20
)

// marks say when a disk is nearly full. Between them it is what it was: else a node on the edge would come and go.
type marks struct {
	low     int64 // with less free it is; 0: nobody looks
	high    int64 // with as much free it is not any more
	reserve int64 // bytes that are kept back as long as it is not
}

// marksFor takes what the flags leave open from the size of the disk. The way from low to high is more than the reserve, which comes back there.
func marksFor(c *config, size int64) (marks, error) {
	m := marks{low: c.lowSpace, reserve: c.reserve}
	if m.low == unset {
		m.low = min(defaultLowBytes, size/defaultLowShare)
	}
	switch {
	case m.low == 0:
		return marks{}, nil
	case m.reserve == unset:
		m.reserve = m.low / 4
	}
	m.high = m.low + m.reserve + m.low/4
	if m.high > size {
		return marks{}, fmt.Errorf("--low-space %s and --reserve %s need %s free on the file system of %s, which has %s in all: give less, or a larger disk",
			api.Size(m.low), api.Size(m.reserve), api.Size(m.high), c.dataDir, api.Size(size))
	}
	return m, nil
}

// isLow tells whether a disk with so much free is nearly full, after it was so or was not.
func (m marks) isLow(was bool, free int64) bool {
	if was {
		return free < m.high
	}
	return free < m.low
}

// owed is a file for which there was no room. The node works without it.
type owed struct {
	what  string
	write func() error
}

// reserver is what the watch needs of a *wal.Log.
type reserver interface {
	ReserveBytes() int64
	ReleaseReserve() (int64, error)
	RestoreReserve() error
}

// space watches the file system of the data directory: a node must stop taking writes before it cannot write.
type space struct {
	log     hclog.Logger
	dir     string
	marks   marks
	look    func() (wal.Space, error)
	reserve reserver
	tell    func(noSpace bool)
	compact func(context.Context) (taken bool, err error)

	wake chan struct{} // who shortens the log; has room for one

	// Of the goroutine of run.
	low         bool      // the disk is nearly full
	told        bool      // that it is
	toldError   bool      // that nothing can be found out
	toldReserve bool      // that it cannot be kept
	asked       time.Time // when the log was to be shortened last
	blind       bool      // low since the beginning, and nothing could be found out yet
	owed        *owed     // nil: nothing is

	mu   sync.Mutex // guards disk
	disk api.Disk
}

// spaceAt asks for the file system that dir is on, or will be.
func spaceAt(dir string) (wal.Space, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return wal.Space{}, err
	}
	for {
		found, err := wal.SpaceOf(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return found, err
		}
		dir = filepath.Dir(dir)
	}
}

// begin tells how the disk stands, before the node works. Without the reserve that it should have the node was low when it ended, or has too
// little room to be anything else.
func (s *space) begin(now time.Time) {
	held := s.reserve.ReserveBytes()
	s.low = s.marks.reserve > 0 && held == 0
	s.note(func(d *api.Disk) { *d = api.Disk{LowBytes: s.marks.low, HighBytes: s.marks.high, ReserveBytes: held} })
	if s.marks.low == 0 {
		return
	}
	s.see(now)
	if s.low && !s.told { // it could not be seen how the disk stands now, and writes would be without a reserve
		s.blind, s.told = true, true
		s.tell(true)
		s.note(func(d *api.Disk) { d.Low = true })
		s.log.Warn("this node ended low on disk space, or never had its reserve: it takes no writes until it is found out that the disk has room; reads go on")
	}
}

// write writes a file that the node can do without, at once or when there is room. Call it before run.
func (s *space) write(what string, write func() error) error {
	err := write()
	if wal.IsNoSpace(err) {
		s.owed = &owed{what, write}
		s.log.Warn("there is no room to write "+what+": this is tried again until there is", "error", err)
		return nil
	}
	return err
}

// settle tries again to write what is owed.
func (s *space) settle() {
	if s.owed == nil || s.owed.write() != nil {
		return
	}
	s.log.Info("there is room again, and it is written " + s.owed.what)
	s.owed = nil
}

// status is what the node says of its disk.
func (s *space) status() (disk api.Disk, watched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disk, s.marks.low > 0
}

func (s *space) note(change func(*api.Disk)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.disk)
}

// see looks once, and does what is to be done. While nothing can be found out, all stays as it was.
func (s *space) see(now time.Time) {
	found, err := s.look()
	if err != nil {
		s.note(func(d *api.Disk) { d.Error = err.Error() })
		if !s.toldError {
			s.log.Warn("how full the disk is cannot be found out: until it can, this node does not notice when it is nearly full", "error", err)
		}
		s.toldError = true
		return
	}
	low := s.marks.isLow(s.low, found.Free)
	if s.low && !low {
		low = !s.takeReserve()
	}
	s.low = low
	s.note(func(d *api.Disk) { d.FreeBytes, d.Low, d.Error = found.Free, low, "" })
	switch {
	case low && (!s.told || s.blind):
		s.enter(found)
	case !low && s.told:
		s.tell(false)
		s.log.Info("the disk has room again: this node takes writes", "free", api.Size(found.Free))
	}
	s.told, s.blind = low, false
	s.note(func(d *api.Disk) { d.ReserveBytes = s.reserve.ReserveBytes() })
	if low && now.Sub(s.asked) >= compactEvery {
		s.asked = now
		select {
		case s.wake <- struct{}{}:
		default: // at it still
		}
	}
}

// enter makes the node take no writes, gives the reserve up, and says so.
func (s *space) enter(found wal.Space) {
	s.tell(true)
	reserve := "there is no reserve"
	switch bytes, err := s.reserve.ReleaseReserve(); {
	case err != nil:
		reserve = err.Error()
	case bytes > 0:
		reserve = "the reserve of " + api.Size(bytes) + " was given up"
	}
	s.log.Warn(fmt.Sprintf("LOW ON DISK SPACE: %s free of %s on the file system of %s: this node takes no writes, and does not lead while another can, until %s are free; "+
		"reads go on. Free space there, outside of the data directory. To shorten the log, %s, and a snapshot is tried now and every %v",
		api.Size(found.Free), api.Size(found.Size), s.dir, api.Size(s.marks.high), reserve, compactEvery))
}

// takeReserve takes the reserve back. Without the room for it the disk is not what it says it is.
func (s *space) takeReserve() bool {
	err := s.reserve.RestoreReserve()
	if err != nil && !s.toldReserve {
		s.toldReserve = true
		s.log.Warn("the reserve cannot be kept: when the disk is full, there is no room to shorten the log", "error", err)
	}
	return !wal.IsNoSpace(err)
}

// run looks until ctx ends.
func (s *space) run(ctx context.Context) {
	if s.marks.low == 0 && s.owed == nil {
		return
	}
	ticker := time.NewTicker(spaceEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if s.marks.low > 0 {
				s.see(now)
			}
			s.settle()
		}
	}
}

// shorten lets a snapshot take the place of the log when it is asked to, until ctx ends. A large one takes a while, and the disk is looked at meanwhile.
func (s *space) shorten(ctx context.Context) {
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		try, cancel := context.WithTimeout(ctx, compactTime)
		taken, err := s.compact(try)
		cancel()
		switch {
		case err == nil && taken:
			s.log.Info("took a snapshot to shorten the log")
		case err != nil && !errors.Is(err, raft.ErrClosed) && ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			s.log.Warn("the log was not shortened", "reason", err)
		}
	}
}

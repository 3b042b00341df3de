package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	tidwall "github.com/tidwall/wal"

	"github.com/raftnode/raft/raft/consensus"
)

// Options are what a directory is opened with.
type Options struct {
	// Cluster is the identity of the cluster. It is bound to the directory when that is created, and must be the
	// same each time. At most 1024 bytes.
	Cluster string
	// Node is the identity of this node; the same holds for it.
	Node consensus.ServerID
	// SegmentBytes is how long a file grows before the next is begun. It may differ from time to
	// time. Default 4 MiB, at least 4 KiB, at most 1 GiB. Compaction removes whole files.
	SegmentBytes int
	// ReserveBytes of the disk are kept back, as a file, for the day when it is full: once ReleaseReserve has given them back, there is
	// room for a snapshot, and with that for less log. An Open that has too little room gives them up by itself, also one that fails for that, so that
	// the next one has it. The file is made by an Open that leaves ReserveAbove free besides, and
	// by RestoreReserve. Without it, for whatever reason, the log works all the same. 0: none is kept, and one that is there is removed.
	ReserveBytes int64
	ReserveAbove int64
}

const (
	defaultSegmentBytes = 4 << 20
	minSegmentBytes     = 4 << 10 // more than a record of type start can have

	maxReserveBytes = 1 << 40
)

func (o *Options) check() error {
	switch {
	case o.Cluster == "" || len(o.Cluster) > maxIDBytes:
		return fmt.Errorf("the cluster's identity has %d bytes: give it 1 to %d", len(o.Cluster), maxIDBytes)
	case o.Node == "" || len(o.Node) > maxIDBytes:
		return fmt.Errorf("the node's identity has %d bytes: give it 1 to %d", len(o.Node), maxIDBytes)
	case o.SegmentBytes != 0 && (o.SegmentBytes < minSegmentBytes || o.SegmentBytes > maxSegmentBytes):
		return fmt.Errorf("SegmentBytes is %d: give %d to %d, or 0 for %d", o.SegmentBytes, minSegmentBytes, maxSegmentBytes, defaultSegmentBytes)
	case o.ReserveBytes < 0 || o.ReserveBytes > maxReserveBytes || o.ReserveAbove < 0:
		return fmt.Errorf("ReserveBytes is %d and ReserveAbove %d: give 0 to %d, and at least 0", o.ReserveBytes, o.ReserveAbove, maxReserveBytes)
	}
	return nil
}

// Open opens the log in dir, and creates the directory and the log if they are not there. It reads and
// checks all of it, cuts off a tail that is not whole, and returns when all that is left is on stable storage.
// It refuses a directory of another cluster or node, one that is in use, and one that is damaged; the
// error says what is wrong, where, and what to do.
func Open(dir string, opts Options) (*Log, error) { return open(dir, opts, realDisk) }

func open(dir string, opts Options, disk disk) (*Log, error) {
	began := time.Now()
	l, err := openLocked(dir, opts, disk)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", dir, err)
	}
	l.recovery.Duration = time.Since(began)
	return l, nil
}

func openLocked(dir string, opts Options, disk disk) (*Log, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	if opts.SegmentBytes == 0 {
		opts.SegmentBytes = defaultSegmentBytes
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := makeDir(dir, disk.syncDir); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	l := &Log{dir: dir, segmentBytes: int64(opts.SegmentBytes), disk: disk, lock: lock, batch: new(tidwall.Batch)}
	l.reserve = reserve{dir: dir, want: opts.ReserveBytes, disk: &l.disk}
	l.reserve.yield()
	err = signLock(lock)
	if err == nil {
		err = l.recover(opts)
	}
	if err != nil {
		return nil, errors.Join(l.makeRoom(advise(dir, err)), lock.Close())
	}
	l.reserve.settle(opts.ReserveAbove)
	l.recovery.ReserveBytes = l.reserve.held
	return l, nil
}

// makeRoom gives the reserve up if that was what an Open lacked, as where a quota counts and not the free space.
func (l *Log) makeRoom(err error) error {
	if !IsNoSpace(err) {
		return err
	}
	if bytes, failed := l.reserve.release(); failed == nil && bytes > 0 {
		return fmt.Errorf("%w; the reserve of %d bytes was given up, so try once more", err, bytes)
	}
	return err
}

// recover brings the directory into a state in which tidwall/wal may open it, and opens it.
func (l *Log) recover(opts Options) error {
	files, err := listDir(l.dir)
	if err != nil {
		return err
	}
	for _, name := range files.litter {
		if err := os.Remove(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	created, err := l.identify(opts, len(files.segments)+len(files.snapshots) > 0)
	if err != nil {
		return err
	}
	l.newest, err = readNewest(l.dir, l.id)
	if err != nil {
		return err
	}
	l.starts.starts, err = readStarts(l.dir, l.id)
	if err != nil {
		return err
	}
	s := scanner{id: l.id, incarnation: l.starts.now, keep: true}
	if err := s.scan(l.dir, files, l.newest); err != nil {
		return err
	}
	l.recovery = s.report(files.segments)
	l.recovery.NewDirectory = created
	if len(files.segments) > 0 {
		if err := s.mend(l.dir, l.disk); err != nil {
			return err
		}
	}
	l.salt = s.salt
	saved := s.saved()
	l.saved = &saved
	l.state, l.seq, l.synced, l.tail = s.state, s.seq, s.seq, s.tailSize
	l.head, l.spans = s.state.start(), s.spans
	l.snapshots = snapshotFiles{dir: l.dir, id: l.id, salt: l.salt, disk: &l.disk, files: map[consensus.Position]*snapshotFile{}}
	l.snapshots.adopt(&s.state.snapshot)
	if err := l.start(&s); err != nil {
		return err
	}
	if err := l.cleanUp(files.snapshots); err != nil {
		return err
	}
	return l.incarnate()
}

// cleanUp finishes the compaction that a crash may have interrupted: no snapshot counts but the newest of the log.
func (l *Log) cleanUp(snapshots []string) error {
	for _, name := range snapshots {
		if name == snapshotName(l.head.snapshot.Position) {
			continue
		}
		if err := l.disk.remove(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	return l.compact()
}

// identify reads whose directory this is, or makes it ours if it is nobody's.
func (l *Log) identify(opts Options, inUse bool) (created bool, err error) {
	l.id, err = readIdentity(l.dir)
	if err == nil {
		return false, l.id.check(opts)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, name := range []string{newestName, incarnationName} {
		_, err := os.Lstat(filepath.Join(l.dir, name))
		inUse = inUse || !errors.Is(err, fs.ErrNotExist)
	}
	if inUse {
		return false, missing(identityName, "the directory holds a log")
	}
	l.id = newIdentity(opts)
	return true, writeFileAtomic(l.dir, identityName, sealed(l.id.text()), l.disk.syncDir)
}

// start opens the log behind a scan, and makes what the scan found durable: it may have been in
// memory only, and from now on promises are made on it.
func (l *Log) start(s *scanner) error {
	first := max(s.tail.first, 1)
	if l.tail >= l.segmentBytes {
		// The crash came before the next segment could be created.
		first, l.tail = l.seq+1, 0
	}
	if err := createFile(filepath.Join(l.dir, segmentName(first))); err != nil {
		return err
	}
	if err := l.openAppendLog(); err != nil {
		return err
	}
	// After an error log stays open until the process ends: closing it would fsync once more.
	return l.settle(s, first)
}

// openAppendLog opens the files that hold the records up to seq.
func (l *Log) openAppendLog() error {
	// All by hand, since tidwall/wal writes into its Options and has groups read the files.
	opts := tidwall.Options{NoSync: true, SegmentSize: int(l.segmentBytes), SegmentCacheSize: 1, DirPerms: dirMode, FilePerms: fileMode}
	log, err := l.disk.open(l.dir, &opts)
	if err != nil {
		return err
	}
	l.log, l.removed = log, 0
	if last, err := l.log.LastIndex(); err != nil {
		return err
	} else if last != l.seq {
		panic(fmt.Sprintf("wal: tidwall/wal finds %d records where the scan found %d", last, l.seq))
	}
	return nil
}

func (l *Log) settle(s *scanner, first uint64) error {
	if s.seq == 0 {
		// A first record before anything names its file: a log without one has lost it.
		if err := l.mark(); err != nil {
			return err
		}
	}
	if err := l.log.Sync(); err != nil {
		return fmt.Errorf("fsync: %w", err)
	}
	l.synced = l.seq
	if err := l.disk.syncDir(l.dir); err != nil {
		return fmt.Errorf("fsync the directory: %w", err)
	}
	if first > l.newest { // unless the first record filled its segment
		if err := l.announce(first); err != nil {
			return err
		}
		// Recovery counts on it wherever there is an incarnation or a snapshot.
		if err := l.disk.syncDir(l.dir); err != nil {
			return fmt.Errorf("fsync the directory: %w", err)
		}
	}
	if l.ahead == 0 {
		l.allocateAhead(first)
	}
	if s.seq == 0 || s.lastKind == recordMark {
		return nil
	}
	return l.mark()
}

// createFile creates an empty file, unless there is one.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	return f.Close()
}

// announce makes a new segment's directory entry durable, and then says that the segment exists. In this order, with the text written
// first, one commit of a journaling file system does for both. Nobody waits for the rename: a power cut can bring the older
// text back, which names an older segment.
func (l *Log) announce(first uint64) error {
	if _, err := os.Stat(filepath.Join(l.dir, segmentName(first))); err != nil {
		return fmt.Errorf("a new segment was expected: %w", err)
	}
	path := filepath.Join(l.dir, newestName)
	if err := writeFileSynced(path+tmpSuffix, sealed(newestText(l.id, first))); err != nil {
		return err
	}
	if err := l.disk.syncDir(l.dir); err != nil {
		return fmt.Errorf("fsync the directory: %w", err)
	}
	if err := os.Rename(path+tmpSuffix, path); err != nil {
		return err
	}
	l.newest = first
	l.allocateAhead(first)
	return nil
}

package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// syncEveryBytes is how much of a snapshot is written before it is fsynced. The fsync of the log beside it may have to
// wait for what the file system has gathered, so that must not be much.
const syncEveryBytes = 1 << 20

// snapshotFiles are the snapshots on disk. Its methods may be called from any goroutine.
type snapshotFiles struct {
	dir  string
	id   identity
	salt salt
	disk *disk

	mu      sync.Mutex
	files   map[consensus.Position]*snapshotFile
	counts  consensus.Index // of the newest that a Save named
	closed  bool
	writers sync.WaitGroup
}

// snapshotFile is one that is whole, or on its way.
type snapshotFile struct {
	snapshot *consensus.Snapshot // nil once it counts: its memory is then the caller's alone
	done     chan struct{}       // closed when sum and err are there
	sum      fileSum
	err      error
}

// PrepareSnapshot writes the file of a snapshot, so that the Save that names it need not: a large one takes longer than
// an election timeout, and Save holds up everything. It may be called beside Save, from any goroutine. Until that Save the file
// does not count, and the next Open removes it. For a snapshot that a Save has overtaken it does nothing.
// An error is not final: nothing was promised, and the call may be repeated.
func (l *Log) PrepareSnapshot(snapshot *consensus.Snapshot) error {
	if snapshot == nil {
		return errors.New("wal: prepare snapshot: there is none")
	}
	if _, err := l.snapshots.ensure(snapshot, false); err != nil && !errors.Is(err, errOvertaken) {
		return fmt.Errorf("wal: prepare snapshot: %w", err)
	}
	return nil
}

var errOvertaken = errors.New("a snapshot that goes as far or further counts already")

// ensure returns when the snapshot's file is on stable storage. It writes it, or waits for who does. With counts, the
// file will never be replaced by another of the same position.
func (s *snapshotFiles) ensure(snapshot *consensus.Snapshot, counts bool) (fileSum, error) {
	if err := snapshot.Config.Validate(); err != nil {
		return fileSum{}, fmt.Errorf("the configuration in the snapshot is invalid: %w", err)
	}
	for {
		f, mine, err := s.claim(snapshot)
		if err != nil {
			return fileSum{}, err
		}
		if !mine {
			<-f.done
		} else if err := s.write(f, snapshot); err != nil {
			return fileSum{}, err
		}
		if s.settle(f, snapshot, counts) {
			return f.sum, nil
		}
	}
}

// claim gives who writes the file; mine if that is the caller.
func (s *snapshotFiles) claim(snapshot *consensus.Snapshot) (f *snapshotFile, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, errors.New("the log is closed")
	}
	if snapshot.Index <= s.counts {
		return nil, false, errOvertaken
	}
	if f := s.files[snapshot.Position]; f != nil {
		return f, false, nil
	}
	f = &snapshotFile{snapshot: snapshot, done: make(chan struct{})}
	s.files[snapshot.Position] = f
	s.writers.Add(1)
	return f, true, nil
}

// settle tells whether f, which is done, is the file of this snapshot. If not, it makes room for that.
func (s *snapshotFiles) settle(f *snapshotFile, snapshot *consensus.Snapshot, counts bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !counts && snapshot.Index <= s.counts:
		return true // overtaken meanwhile: there is nothing left to prepare
	case s.files[snapshot.Position] != f:
		return false
	case !f.holds(snapshot):
		delete(s.files, snapshot.Position)
		return false
	case counts:
		s.counts = snapshot.Index
	}
	return true
}

// holds tells whether the file is this very snapshot: one position can be met twice, once with our own state machine's bytes
// and once with a leader's.
func (f *snapshotFile) holds(s *consensus.Snapshot) bool {
	return f.snapshot == s || bytes.Equal(f.snapshot.Data, s.Data) && bytes.Equal(f.snapshot.Config.Encode(), s.Config.Encode())
}

func (s *snapshotFiles) write(f *snapshotFile, snapshot *consensus.Snapshot) error {
	defer s.writers.Done()
	f.sum, f.err = s.writeFile(snapshot)
	if f.err != nil {
		s.mu.Lock()
		delete(s.files, snapshot.Position)
		s.mu.Unlock()
	}
	close(f.done)
	return f.err
}

// writeFile writes under another name, so that a file with the name of a snapshot is always a whole one.
func (s *snapshotFiles) writeFile(snapshot *consensus.Snapshot) (fileSum, error) {
	path := filepath.Join(s.dir, snapshotName(snapshot.Position))
	sum, err := s.writeTmp(path+tmpSuffix, snapshot)
	if err == nil {
		err = s.disk.rename(path+tmpSuffix, path)
	}
	if err != nil {
		_ = s.disk.remove(path + tmpSuffix) // the next Open does it, too
		return sum, fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := s.disk.syncDir(s.dir); err != nil {
		return sum, fmt.Errorf("fsync the directory: %w", err)
	}
	return sum, nil
}

func (s *snapshotFiles) writeTmp(path string, snapshot *consensus.Snapshot) (sum fileSum, err error) {
	file, err := s.disk.create(path)
	if err != nil {
		return fileSum{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	unsynced := 0
	sum, err = encodeSnapshot(s.id, s.salt, snapshot, func(piece []byte) error {
		if unsynced+len(piece) > syncEveryBytes && unsynced > 0 {
			unsynced = 0
			if err := file.Sync(); err != nil {
				return err
			}
		}
		unsynced += len(piece)
		_, err := file.Write(piece)
		return err
	})
	if err != nil {
		return sum, err
	}
	return sum, file.Sync()
}

// writableFile is what is needed of a file to write it once.
type writableFile interface {
	io.WriteCloser
	Sync() error
}

// retire removes the files that the snapshot at now makes superfluous.
func (s *snapshotFiles) retire(now consensus.Position) error {
	s.mu.Lock()
	var old []consensus.Position
	for at, f := range s.files {
		switch {
		case at == now:
			f.snapshot = nil
		case at.Index <= now.Index && f.isDone():
			old = append(old, at)
			delete(s.files, at)
		}
	}
	s.mu.Unlock()
	for _, at := range old {
		if err := s.disk.remove(filepath.Join(s.dir, snapshotName(at))); err != nil {
			return err
		}
	}
	return nil
}

func (f *snapshotFile) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// adopt takes the snapshot that recovery found.
func (s *snapshotFiles) adopt(m *marker) {
	if m.Index == 0 {
		return
	}
	done := make(chan struct{})
	close(done)
	s.counts = m.Index
	s.files[m.Position] = &snapshotFile{done: done, sum: m.file}
}

// close waits for who is still writing, and lets nobody begin.
func (s *snapshotFiles) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.writers.Wait()
}

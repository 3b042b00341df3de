package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/lni/dragonboat/v4"
	"github.com/lni/dragonboat/v4/client"
	"github.com/lni/dragonboat/v4/statemachine"

	"github.com/raftnode/raft/scripts/bench/raw"
)

// server answers clients. One goroutine waits for writes, in the order in which they are committed, and one asks for a read index, for all
// reads that have come since it asked last.
type server struct {
	host    *dragonboat.NodeHost
	id      uint64
	store   *raw.Store
	session *client.Session
	writes  chan write
	reads   chan raw.Request
	work    sync.WaitGroup
}

type write struct {
	request raw.Request
	state   *dragonboat.RequestState
}

func (s *server) begin() {
	s.session = s.host.GetNoOPSession(shard)
	s.writes, s.reads = make(chan write, 64<<10), make(chan raw.Request, 64<<10)
	s.work.Go(s.answerWrites)
	s.work.Go(s.answerReads)
}

// Put proposes the command.
func (s *server) Put(r raw.Request) {
	state, err := s.host.Propose(s.session, r.Command, timeout)
	if err != nil {
		r.Failed(err)
		return
	}
	s.writes <- write{request: r, state: state}
}

// Get is answered by answerReads.
func (s *server) Get(r raw.Request) { s.reads <- r }

// Leads tells whether this process leads, and could show it.
func (s *server) Leads() bool {
	leader, _, ok, err := s.host.GetLeaderID(shard)
	return err == nil && ok && leader == s.id && s.readIndex() == nil
}

// Close stops the server. No client is connected any more.
func (s *server) Close() error {
	s.host.Close()
	close(s.writes)
	close(s.reads)
	s.work.Wait()
	return nil
}

var errNotDone = errors.New("dropped, timed out or stopped")

func (s *server) answerWrites() {
	for w := range s.writes {
		result := <-w.state.ResultC()
		if result.Completed() {
			w.request.Done(nil)
		} else {
			w.request.Failed(errNotDone)
		}
		w.state.Release()
	}
}

func (s *server) answerReads() {
	for first := range s.reads {
		batch := []raw.Request{first}
		for n := len(s.reads); n > 0; n-- {
			batch = append(batch, <-s.reads)
		}
		err := s.readIndex()
		for _, r := range batch {
			if err != nil {
				r.Failed(err)
			} else {
				s.store.Answer(r)
			}
		}
	}
}

// readIndex returns when what was acknowledged before is applied here.
func (s *server) readIndex() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	state, err := s.host.ReadIndex(shard, timeout)
	if err != nil {
		return err
	}
	defer state.Release()
	select {
	case result := <-state.ResultC():
		if !result.Completed() {
			return errNotDone
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// machine is the state machine.
type machine struct{ store *raw.Store }

// Update does a batch. The library reuses its memory: what is kept is copied.
func (m *machine) Update(entries []statemachine.Entry) ([]statemachine.Entry, error) {
	for _, entry := range entries {
		if err := m.store.Apply(append([]byte(nil), entry.Cmd...)); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// Lookup is not used: reads go to the store itself.
func (m *machine) Lookup(any) (any, error) { return nil, errNoSnapshots }

var errNoSnapshots = errors.New("this program takes no snapshots, and is not asked this way")

// PrepareSnapshot is never asked for, nor are the other two: snapshots are off.
func (m *machine) PrepareSnapshot() (any, error) { return nil, errNoSnapshots }

// SaveSnapshot see PrepareSnapshot.
func (m *machine) SaveSnapshot(any, io.Writer, statemachine.ISnapshotFileCollection, <-chan struct{}) error {
	return errNoSnapshots
}

// RecoverFromSnapshot see PrepareSnapshot.
func (m *machine) RecoverFromSnapshot(io.Reader, []statemachine.SnapshotFile, <-chan struct{}) error {
	return errNoSnapshots
}

// Close has nothing to close.
func (m *machine) Close() error { return nil }

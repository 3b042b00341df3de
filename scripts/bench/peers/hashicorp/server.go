package main

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/raftnode/raft/scripts/bench/raw"
)

const timeout = 10 * time.Second

// server answers clients. One goroutine waits for writes, in the order in which they are committed, and one asks whether this process leads, for all
// reads that have come since it asked last.
type server struct {
	raft   *raft.Raft
	fsm    *fsm
	disk   store
	writes chan write
	reads  chan raw.Request
	work   sync.WaitGroup
}

type write struct {
	request raw.Request
	future  raft.ApplyFuture
}

func (s *server) begin() {
	s.writes, s.reads = make(chan write, 64<<10), make(chan raw.Request, 64<<10)
	s.work.Go(s.answerWrites)
	s.work.Go(s.answerReads)
}

// Put gives the command to the library. That may wait for room, which is as it should be.
func (s *server) Put(r raw.Request) {
	s.writes <- write{request: r, future: s.raft.Apply(r.Command, timeout)}
}

// Get is answered by answerReads.
func (s *server) Get(r raw.Request) { s.reads <- r }

// Leads tells whether this process leads, and could show it.
func (s *server) Leads() bool {
	return s.raft.State() == raft.Leader && s.raft.VerifyLeader().Error() == nil
}

// Close stops the server. No client is connected any more.
func (s *server) Close() error {
	err := s.raft.Shutdown().Error()
	close(s.writes)
	close(s.reads)
	s.work.Wait()
	return errors.Join(err, s.disk.Close())
}

func (s *server) answerWrites() {
	for w := range s.writes {
		err := w.future.Error()
		if err == nil {
			err, _ = w.future.Response().(error)
		}
		if err != nil {
			w.request.Failed(err)
		} else {
			w.request.Done(nil)
		}
	}
}

// answerReads is linearizable: a write is acknowledged only when this process has applied it, so what is applied when the others
// confirm that it leads holds all that was acknowledged before.
func (s *server) answerReads() {
	for first := range s.reads {
		batch := []raw.Request{first}
		for n := len(s.reads); n > 0; n-- {
			batch = append(batch, <-s.reads)
		}
		err := s.raft.VerifyLeader().Error()
		for _, r := range batch {
			if err != nil {
				r.Failed(err)
			} else {
				s.fsm.store.Answer(r)
			}
		}
	}
}

// fsm is the state machine.
type fsm struct{ store *raw.Store }

// Apply does one entry.
func (f *fsm) Apply(entry *raft.Log) any { return f.store.Apply(entry.Data) }

// ApplyBatch does many.
func (f *fsm) ApplyBatch(entries []*raft.Log) []any {
	results := make([]any, len(entries))
	for i, entry := range entries {
		if entry.Type == raft.LogCommand {
			results[i] = f.store.Apply(entry.Data)
		}
	}
	return results
}

var errNoSnapshots = errors.New("this program takes no snapshots")

// Snapshot is never asked for: the threshold is out of reach.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return nil, errNoSnapshots }

// Restore likewise.
func (f *fsm) Restore(io.ReadCloser) error { return errNoSnapshots }

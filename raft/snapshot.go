package raft

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// snapshotJob is one snapshot that is to be taken.
type snapshotJob struct {
	upTo   Index
	encode func() ([]byte, error)
	done   func(size int, err error) // is told what became of it
}

// compaction is a visit of the snapshotter to the module.
type compaction struct {
	upTo     Index
	data     []byte
	snapshot *consensus.Snapshot // the first visit gets it, the second one brings it back
	answer   chan error          // has room
}

// snapshotter takes snapshots, one at a time, beside everything else: it encodes the state, lets the Persister write what it can write
// ahead, and gives the result to the module.
type snapshotter struct {
	queue   *queue[snapshotJob]
	post    func(event) bool                // brings the module an event
	prepare func(*consensus.Snapshot) error // the Persister's PrepareSnapshot, or nil
	stop    <-chan struct{}
	inHand  []snapshotJob // taken from the queue, but not finished
}

// run works until stop. What a snapshot fails with is no reason to stop: nothing rests on it, the log is still there.
func (s *snapshotter) run() error {
	for {
		select {
		case <-s.stop:
			return nil
		case <-s.queue.wake:
		}
		s.inHand = s.queue.take(nil)
		for len(s.inHand) > 0 {
			select {
			case <-s.stop:
				return nil
			default:
			}
			job := s.inHand[0]
			s.inHand = s.inHand[1:]
			job.done(s.carryOut(job))
		}
	}
}

func (s *snapshotter) carryOut(job snapshotJob) (size int, err error) {
	data, err := job.encode()
	if err != nil {
		return 0, fmt.Errorf("raft: cannot encode the state machine: %w", err)
	}
	c := &compaction{upTo: job.upTo, data: data, answer: make(chan error, 1)}
	if err := s.visit(c); err != nil {
		return 0, err
	}
	if s.prepare != nil {
		if err := s.prepare(c.snapshot); err != nil {
			return 0, fmt.Errorf("raft: cannot write the snapshot: %w", err)
		}
	}
	return len(data), s.visit(c)
}

func (s *snapshotter) visit(c *compaction) error {
	if !s.post(event{compaction: c}) {
		return ErrClosed
	}
	select {
	case err := <-c.answer:
		return err
	case <-s.stop:
		return ErrClosed
	}
}

// abandon tells everybody who still waits that no snapshot will be taken any more. The goroutine has ended.
func (s *snapshotter) abandon() {
	for _, job := range append(s.inHand, s.queue.close()...) {
		job.done(0, ErrClosed)
	}
	s.inHand = nil
}

// takeCompaction asks the module. It needs the turn.
func (r *Raft) takeCompaction(c *compaction) {
	var err error
	if c.snapshot == nil {
		c.snapshot, err = r.module.Snapshot(c.upTo, c.data)
	} else {
		err = r.module.Compact(c.snapshot)
	}
	if err != nil {
		err = r.refusal(err)
	}
	c.answer <- err
}

// Compact takes the place of the log up to and including upTo by a snapshot, which is the state machine's state after upTo, in its
// own format. It is for state machines that are no Snapshotter. It returns when the snapshot counts, which is before it is on
// stable storage. The snapshot must not be written to any more. The errors are ErrNotApplied, ErrCompacted, ErrSnapshotTooLarge,
// ErrClosed and the Persister's; after each of them the log is as it was. When ctx ends, the snapshot may yet be taken.
func (r *Raft) Compact(ctx context.Context, upTo Index, snapshot []byte) error {
	if applied := r.Status().LastApplied; upTo > applied {
		return fmt.Errorf("%w: it was to reach up to %d, but only %d is applied", ErrNotApplied, upTo, applied)
	}
	answer := make(chan error, 1)
	if !r.snapshots.queue.put(snapshotJob{
		upTo: upTo, encode: func() ([]byte, error) { return snapshot, nil }, done: func(_ int, err error) { answer <- err },
	}) {
		return ErrClosed
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// growth decides when a Snapshotter's next snapshot is due. The applier owns it.
type growth struct {
	machine    Snapshotter // nil: none is ever due
	maxEntries int         // negative: entries are not counted
	maxBytes   int         // likewise
	mostBytes  int         // maxBytes is not stretched above this

	entries, bytes int          // applied since the last snapshot was begun, or restored
	underWay       atomic.Bool  // a snapshot is being taken
	lastSize       atomic.Int64 // of the last snapshot
}

func newGrowth(cfg *Config) *growth {
	machine, ok := cfg.StateMachine.(Snapshotter)
	if !ok {
		return &growth{}
	}
	return &growth{machine: machine, maxEntries: cfg.SnapshotEntries, maxBytes: cfg.SnapshotBytes, mostBytes: cfg.MaxLogBytes / 4}
}

// count notes what was applied.
func (g *growth) count(entries []consensus.Entry) {
	g.entries += len(entries)
	for i := range entries {
		g.bytes += len(entries[i].Data) + entryOverhead
	}
}

// due tells whether to begin a snapshot now. A large state is not written again for a little log: bytes are counted
// against the last snapshot's size, so that all that is ever written is at most twice the log.
func (g *growth) due() bool {
	if g.machine == nil || g.underWay.Load() {
		return false
	}
	limit := max(g.maxBytes, min(int(g.lastSize.Load()), g.mostBytes))
	return g.maxEntries > 0 && g.entries >= g.maxEntries || g.maxBytes > 0 && g.bytes >= limit
}

// restart counts from here.
func (g *growth) restart() { g.entries, g.bytes = 0, 0 }

// begin captures the state machine's state at upTo. The applier calls it between two Apply.
func (g *growth) begin(upTo Index, log hclog.Logger) snapshotJob {
	g.restart()
	g.underWay.Store(true)
	return snapshotJob{upTo: upTo, encode: g.machine.Snapshot(), done: func(size int, err error) {
		switch {
		case err == nil:
			g.lastSize.Store(int64(size))
		case errors.Is(err, ErrClosed), errors.Is(err, ErrCompacted): // a leader's snapshot was faster
		default:
			log.Error("no snapshot was taken; the next attempt comes when the log has grown as much again", "index", upTo, "error", err)
		}
		g.underWay.Store(false)
	}}
}

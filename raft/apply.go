package raft

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// maxApplyBatch bounds the commands in one call of StateMachine.Apply, so that a long replay does
// not need room for all of them at once.
const maxApplyBatch = 4096

// delivery is what one Flush brings to the state machine and to those who wait for it.
type delivery struct {
	accepted []*proposal         // taken into the log since the last delivery
	restore  *consensus.Snapshot // comes before entries; nil if there is none
	entries  []consensus.Entry
	reads    []servedRead
}

// servedRead is a read that got its answer from the module.
type servedRead struct {
	request *readRequest
	read    consensus.Read
	leader  ServerID // then, for who is refused
}

// applier owns the state machine, and whoever waits for an index.
type applier struct {
	machine StateMachine
	queue   *queue[delivery]
	stop    <-chan struct{}
	inHand  []delivery    // taken from the queue, but not finished
	applied atomic.Uint64 // highest index that the state machine has applied

	waiting  waiting
	changing []*proposal // changes of membership that are committed, but not yet in force

	growth    *growth
	snapshots *queue[snapshotJob]
	log       hclog.Logger
}

// errStopped ends a delivery in the middle, because the server stops.
var errStopped = errors.New("stopped")

// run applies until stop. An error is a command that this program cannot decode.
func (a *applier) run() error {
	var deliveries []delivery
	for {
		select {
		case <-a.stop:
			return nil
		case <-a.queue.wake:
		}
		deliveries = a.queue.take(deliveries)
		for i := range deliveries {
			a.inHand = deliveries[i:]
			if err := a.deliver(&deliveries[i]); errors.Is(err, errStopped) {
				return nil
			} else if err != nil {
				return err
			}
		}
		a.inHand = nil
	}
}

func (a *applier) deliver(d *delivery) error {
	for _, p := range d.accepted {
		a.waiting.add(p)
	}
	d.accepted = nil
	if d.restore != nil {
		if err := a.restore(d.restore); err != nil {
			return err
		}
		d.restore = nil
	}
	for entries := d.entries; len(entries) > 0; {
		select {
		case <-a.stop:
			return errStopped
		default:
		}
		n := min(len(entries), maxApplyBatch)
		if err := a.apply(entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	// The module answers a read with an index that it hands out before or together with the answer: all entries
	// up to it have been applied here.
	for _, r := range d.reads {
		r.request.finish(r)
	}
	d.reads = nil
	return nil
}

func (a *applier) apply(entries []consensus.Entry) error {
	commands := make([]Command, 0, len(entries))
	for _, e := range entries {
		if !isCommand(e.Kind) {
			continue
		}
		value, err := decodeCommand(e.Kind, e.Data)
		if err != nil {
			return fmt.Errorf("raft: cannot apply entry %d: %w", e.Index, err)
		}
		commands = append(commands, Command{Index: e.Index, Term: e.Term, Value: value})
	}
	var results []any
	if len(commands) > 0 {
		results = a.machine.Apply(commands)
		if len(results) != len(commands) {
			panic(fmt.Sprintf("raft: StateMachine.Apply got %d commands and gave %d results", len(commands), len(results)))
		}
	}
	last := entries[len(entries)-1].Index
	a.applied.Store(uint64(last))
	a.answer(entries, results)
	if a.growth.count(entries); a.growth.due() {
		a.snapshots.put(a.growth.begin(last, a.log))
	}
	return nil
}

// isCommand tells whether an entry is for the state machine.
func isCommand(kind consensus.EntryKind) bool {
	return kind != consensus.EntryNoop && kind != consensus.EntryConfiguration
}

// answer tells those who wait at an index what became of their command: applied, or replaced by an
// entry of another term.
func (a *applier) answer(entries []consensus.Entry, results []any) {
	next := 0
	for i := range entries {
		e := &entries[i]
		var result any
		if isCommand(e.Kind) {
			result = results[next]
			next++
		}
		a.waiting.upTo(e.Index, func(p *proposal) { a.answerAt(e, p, result) })
		if e.Kind == consensus.EntryConfiguration && len(a.changing) > 0 {
			config, _ := consensus.DecodeConfiguration(e.Data) // the module has decoded it before
			a.followChanges(config, consensus.Position{Index: e.Index, Term: e.Term})
		}
	}
}

func (a *applier) answerAt(e *consensus.Entry, p *proposal, result any) {
	switch {
	case p.at.term != e.Term:
		p.finish(Applied{}, ErrReplaced)
	case p.changes != nil: // it may need more entries
		a.changing = append(a.changing, p)
	default:
		p.finish(Applied{Index: e.Index, Term: e.Term, Result: result}, nil)
	}
}

// errCovered is why the fate of a command is not known after a restore.
var errCovered = errors.New("a leader's snapshot came in place of the log there")

// restore replaces the state machine's state by a snapshot's: what a leader sent, or what was saved before a restart.
func (a *applier) restore(snapshot *consensus.Snapshot) error {
	machine, ok := a.machine.(restorer)
	if !ok {
		return fmt.Errorf("raft: a snapshot at index %d came from the leader, but the state machine has no method Restore; see Snapshotter", snapshot.Index)
	}
	if err := machine.Restore(snapshot.Data, snapshot.Index, snapshot.Term); err != nil {
		return fmt.Errorf("raft: the state machine cannot restore the snapshot at index %d: %w", snapshot.Index, err)
	}
	a.applied.Store(uint64(snapshot.Index))
	a.growth.restart()
	a.growth.lastSize.Store(int64(len(snapshot.Data)))
	a.waiting.upTo(snapshot.Index, func(p *proposal) { a.answerCovered(snapshot.Position, p) })
	a.followChanges(snapshot.Config, snapshot.Position)
	return nil
}

// answerCovered tells those who wait at an index that a snapshot covers what is known. Terms never decrease along a log: an entry there is
// of the snapshot's last term at most, and the last one is of just that term. The effect of a change of membership can be seen in any case.
func (a *applier) answerCovered(last consensus.Position, p *proposal) {
	switch {
	case p.at.term > last.Term, p.at.index == last.Index && p.at.term != last.Term:
		p.finish(Applied{}, ErrReplaced)
	case p.changes != nil:
		a.changing = append(a.changing, p)
	default:
		p.finish(Applied{}, p.unknown(errCovered))
	}
}

// abandon tells everybody who still waits that nobody will answer any more. The goroutine has ended.
func (a *applier) abandon() {
	for _, d := range slices.Concat(a.inHand, a.queue.close()) {
		for _, p := range d.accepted {
			p.abandon()
		}
		for _, r := range d.reads {
			r.request.refuse(ErrClosed)
		}
	}
	for _, run := range a.waiting.runs {
		for _, p := range run {
			p.abandon()
		}
	}
	for _, p := range a.changing {
		p.abandon()
	}
}

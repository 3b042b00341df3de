package raft

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/raftnode/raft/raft/consensus"
)

// maxApplyBatch bounds the commands in one call of StateMachine.Apply, so that a long replay does
// not need room for all of them at once.
const maxApplyBatch = 4096

// delivery is what one Flush brings to the state machine and to those who wait for it.
type delivery struct {
	accepted []*proposal // taken into the log since the last delivery
	entries  []consensus.Entry
	reads    []servedRead
}

// servedRead is a read that got its answer from the module.
type servedRead struct {
	request *readRequest
	read    consensus.Read
}

// applier owns the state machine, and whoever waits for an index.
type applier struct {
	machine StateMachine
	queue   *queue[delivery]
	stop    <-chan struct{}
	inHand  []delivery    // taken from the queue, but not finished
	applied atomic.Uint64 // highest index that the state machine has applied

	// waiting has the proposals by their index. There can be several at one: this server led, lost its
	// log's end to another leader, and led again.
	waiting map[Index][]*proposal
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
		index := p.place.Load().index
		a.waiting[index] = append(a.waiting[index], p)
	}
	d.accepted = nil
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
	// The module answers a read with a commitIndex that it hands out before or together with the answer: all entries
	// up to it have been applied here.
	for _, r := range d.reads {
		r.request.finish(r.read)
	}
	d.reads = nil
	return nil
}

func (a *applier) apply(entries []consensus.Entry) error {
	commands := make([]Command, 0, len(entries))
	for _, e := range entries {
		if e.Kind == consensus.EntryNoop {
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
	a.applied.Store(uint64(entries[len(entries)-1].Index))
	a.answer(entries, results)
	return nil
}

// answer tells those who wait at an index what became of their command: applied, or replaced by an
// entry of another term.
func (a *applier) answer(entries []consensus.Entry, results []any) {
	next := 0
	for _, e := range entries {
		var result any
		if e.Kind != consensus.EntryNoop {
			result = results[next]
			next++
		}
		waiting, ok := a.waiting[e.Index]
		if !ok {
			continue
		}
		delete(a.waiting, e.Index)
		for _, p := range waiting {
			if p.place.Load().term == e.Term {
				p.finish(Applied{Index: e.Index, Term: e.Term, Result: result}, nil)
			} else {
				p.finish(Applied{}, ErrReplaced)
			}
		}
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
	for _, waiting := range a.waiting {
		for _, p := range waiting {
			p.abandon()
		}
	}
}

package raft

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// The module belongs to whoever has the turn. Who brings an event takes the turn itself, if it is free: so an event is in the log and on its
// way to the other servers without a change of goroutines. If it is not free, who has it sees to it that the event is
// taken: events that come meanwhile are one batch.

// post brings an event. It says false, and drops it, if the server is closed.
func (r *Raft) post(e event) bool {
	if !r.mailbox.add(e) {
		return false
	}
	r.drive()
	return true
}

// drive takes what waits, if nobody else does.
func (r *Raft) drive() {
	if r.turn.TryLock() {
		r.round()
		r.yield()
	}
}

// yield gives the turn away. What came meanwhile is for Raft.run: nobody who brings an event has to go on for others without end.
func (r *Raft) yield() {
	r.turn.Unlock()
	if r.mailbox.waiting() {
		notify(r.mailbox.wake)
	}
}

// round takes in all that waits, lets time pass, and carries out what the module wants, as one batch. It needs the turn. After a broken promise
// of the algorithm no other round is begun.
func (r *Raft) round() {
	if r.violation != nil {
		return
	}
	defer r.catch()
	var now time.Duration
	r.events, now = r.gather(r.events)
	for i, e := range r.events {
		r.inHand = r.events[i+1:]
		r.takeIn(now, e)
	}
	// Time passes after the messages: what a heartbeat that waited in the mailbox says counts, also when
	// this process was held up for longer than an election timeout.
	r.module.Tick(now)
	r.carryOut(r.module.Flush())
	status := r.status.Load()
	r.peers.drop(now, r.cfg.ElectionTimeout, status.ConfigIndex <= status.CommitIndex)
	r.arm(now)
}

// catch stops the server when a promise of the algorithm was found broken.
func (r *Raft) catch() {
	switch v := recover().(type) {
	case nil:
	case *consensus.Violation:
		r.violation = v
		r.broken <- v
	default:
		panic(v)
	}
}

// arm sets the timer for when time must pass next. It is left alone where it comes too early: then it is set anew.
func (r *Raft) arm(now time.Duration) {
	if deadline := r.module.Deadline(); deadline < r.armed || r.armed <= now {
		r.armed = deadline
		r.timer.Reset(deadline - now)
	}
}

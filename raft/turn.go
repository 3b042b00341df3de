package raft

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// The module belongs to whoever has the turn. Who brings an event takes the turn itself, if it is free: so an event is in the log and on its
// way to the other servers without a change of goroutines. If it is not free, who has it sees to it that the event is
// taken: events that come meanwhile are one batch.
//
// Proposals are held back while the leader's disk is being written to for entries that are not committed yet: they would have to wait for
// it all the same, and so they are one batch, one message and one write on each server. What ends that is heard of by a drive.

// post brings an event. It says false, and drops it, if the server is closed.
func (r *Raft) post(e event) bool {
	if !r.mailbox.add(e) {
		return false
	}
	r.drive()
	return true
}

// postProposal brings a proposal, or several.
func (r *Raft) postProposal(e event) bool {
	r.heldBytes.Add(int64(e.proposed()))
	if !r.proposals.add(e) {
		return false
	}
	r.drive()
	return true
}

// drive takes what waits, if nobody else does.
func (r *Raft) drive() {
	if r.due() && r.turn.TryLock() {
		defer r.yield() // also if something that is called leaves this goroutine
		r.round()
	}
}

// yield gives the turn away. What came meanwhile is for Raft.run: nobody who brings an event has to go on for others without end.
func (r *Raft) yield() {
	r.turn.Unlock()
	if r.due() {
		notify(r.mailbox.wake)
	}
}

// due tells whether there is something to take now.
func (r *Raft) due() bool {
	return r.mailbox.waiting() || r.proposals.waiting() && !r.held()
}

// held tells whether proposals have to wait for more of them. When there are as many as a round takes, they do not: the module has the bounds
// of what may wait for a disk that hangs.
func (r *Raft) held() bool {
	return r.saver.waiting.Load() > 0 && r.heldBytes.Load() < maxRoundBytes && uncommitted(r.status.Load())
}

// uncommitted tells whether a server leads, and not all of its log is committed.
func uncommitted(s *consensus.Status) bool {
	return s.Role == consensus.Leader && s.CommitIndex < s.LastLogIndex
}

// round takes in all that waits, lets time pass, and carries out what the module wants, as one batch. It needs the turn. After one that
// did not come to its end no other is begun.
func (r *Raft) round() {
	if r.ruined {
		return
	}
	r.ruined = true // unless it comes to its end
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
	r.inHand, r.ruined = nil, false
}

// catch stops the server when a round did not come to its end: a promise of the algorithm was found broken, or the program. Whoever brought the event may recover from
// panics, as net/http does, and this server must not go on with half a round.
func (r *Raft) catch() {
	v := recover()
	if !r.ruined {
		return
	}
	if violation, ok := v.(*consensus.Violation); ok {
		r.broken <- violation
		return
	}
	r.broken <- fmt.Errorf("raft: a panic, behind which nothing can be promised any more: %v\n%s", v, debug.Stack())
}

// arm sets the timer for when time must pass next. It is left alone where it comes too early: then it is set anew.
func (r *Raft) arm(now time.Duration) {
	if deadline := r.module.Deadline(); deadline < r.armed || r.armed <= now {
		r.armed = deadline
		r.timer.Reset(deadline - now)
	}
}

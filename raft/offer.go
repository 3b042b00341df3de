package raft

import "github.com/raftnode/raft/raft/consensus"

// Offer is one command of many.
type Offer struct {
	Command []byte // it must not be written to any more
	To      Waiter // is told what became of it; not nil
}

// ProposeAll is Propose for many commands at once, without a goroutine that waits for each: it returns at once, and each offer's Waiter
// is told what became of it. The commands come into the log in this order, if they do. The slice can be used again; it must not be empty.
//
// There is no way to take an offer back: a leader that was cut off keeps a command until it learns its fate. Who does not want to wait as
// long treats its fate as unknown.
func (r *Raft) ProposeAll(offers []Offer) {
	slab := make([]proposal, len(offers))
	for i, o := range offers {
		p := &slab[i]
		p.kind, p.data, p.to = consensus.EntryCommand, o.Command, o.To
		if err := checkSize(o.Command, r.cfg.MaxCommandBytes); err != nil {
			p.taken.Store(true)
			p.refuse(err)
		}
	}
	if r.postProposal(event{offers: slab}) {
		return
	}
	refuseAll(slab, ErrClosed)
}

// refuseAll refuses those that nobody took.
func refuseAll(offers []proposal, err error) {
	for i := range offers {
		if p := &offers[i]; p.taken.CompareAndSwap(false, true) {
			p.refuse(err)
		}
	}
}

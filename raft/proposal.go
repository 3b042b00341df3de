package raft

import (
	"fmt"
	"sync/atomic"

	"github.com/raftnode/raft/raft/consensus"
)

// Waiter is told what became of an [Offer].
type Waiter interface {
	// Done is called once, with what Propose would have given. A goroutine of Raft calls it, which must not be blocked; or ProposeAll
	// itself does, if the server is closed.
	Done(applied Applied, err error)
}

// proposal is one command on its way into the log, and who waits for it.
type proposal struct {
	kind consensus.EntryKind
	data []byte

	changes []consensus.Change // a change of membership, in place of kind and data

	to       Waiter     // is told what became of it; nil if nobody waits for that
	accepted chan error // gets whether the log took it; has room. Nil: then the Waiter hears of a refusal

	// taken goes to true once: either the caller gives up first, or run takes the proposal first.
	taken  atomic.Bool
	placed atomic.Bool // at is set, and will not change
	at     place       // where the log took it
}

type place struct {
	index Index
	term  Term
}

func newProposal(command any, maxBytes int) (*proposal, error) {
	kind, data, err := encodeCommand(command)
	if err != nil {
		return nil, err
	}
	if err := checkSize(data, maxBytes); err != nil {
		return nil, err
	}
	return &proposal{kind: kind, data: data, accepted: make(chan error, 1)}, nil
}

func checkSize(data []byte, maxBytes int) error {
	if len(data) > maxBytes {
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrTooLarge, len(data), maxBytes)
	}
	return nil
}

// accept notes where the log took the proposal.
func (p *proposal) accept(at place) {
	p.at = at
	p.placed.Store(true)
	if p.accepted != nil {
		p.accepted <- nil
	}
}

// refuse tells that the log did not take the proposal.
func (p *proposal) refuse(err error) {
	if p.accepted != nil {
		p.accepted <- err
	} else {
		p.to.Done(Applied{}, err)
	}
}

func (p *proposal) finish(applied Applied, err error) {
	if p.to != nil {
		p.to.Done(applied, err)
	}
}

// abandon answers a proposal that the log took and whose fate this server will not learn any more.
func (p *proposal) abandon() { p.finish(Applied{}, p.unknown(ErrClosed)) }

func (p *proposal) unknown(err error) error {
	unknown := &UnknownError{Err: err}
	if p.placed.Load() {
		unknown.Index, unknown.Term = p.at.index, p.at.term
	}
	return unknown
}

// takeProposal offers a proposal to the module. It needs the turn.
func (r *Raft) takeProposal(p *proposal) {
	if !p.taken.CompareAndSwap(false, true) {
		return // its caller gave up
	}
	r.offering = p
	index, term, err := r.propose(p)
	r.offering = nil
	if err != nil {
		p.refuse(r.refusal(err))
		return
	}
	p.accept(place{index, term})
	if p.to != nil {
		r.accepted = append(r.accepted, p)
	}
}

func (r *Raft) propose(p *proposal) (Index, Term, error) {
	if p.changes != nil {
		return r.module.ChangeMembership(p.changes...)
	}
	return r.module.Propose(p.kind, p.data)
}

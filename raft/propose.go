package raft

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/raftnode/raft/raft/consensus"
)

// proposal is one command on its way into the log, and its caller's place to wait.
type proposal struct {
	kind consensus.EntryKind
	data []byte

	changes []consensus.Change // a change of membership, in place of kind and data

	// taken goes to true once: either the caller gives up first, or run takes the proposal first.
	taken atomic.Bool
	// place is where the log took it; nil until then.
	place atomic.Pointer[place]

	accepted chan error  // run's answer, nil if the log took it; has room
	done     chan answer // what became of it; has room; nil if nobody waits for that
}

type place struct {
	index Index
	term  Term
}

type answer struct {
	applied Applied
	err     error
}

func newProposal(command any, maxBytes int) (*proposal, error) {
	kind, data, err := encodeCommand(command)
	if err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrTooLarge, len(data), maxBytes)
	}
	return &proposal{kind: kind, data: data, accepted: make(chan error, 1)}, nil
}

func (p *proposal) finish(applied Applied, err error) {
	if p.done != nil {
		p.done <- answer{applied, err}
	}
}

// abandon answers a proposal that the log took and whose fate this server will not learn any more.
func (p *proposal) abandon() { p.finish(Applied{}, p.unknown(ErrClosed)) }

func (p *proposal) unknown(err error) error {
	unknown := &UnknownError{Err: err}
	if place := p.place.Load(); place != nil {
		unknown.Index, unknown.Term = place.index, place.term
	}
	return unknown
}

// Propose appends command to the log, waits until it is committed and this server's state machine has applied it,
// and gives the state machine's result. Only the leader can. OutcomeOf tells for each error whether the command may
// yet be done. When ctx ends, an accepted command is not taken back: its outcome is unknown.
//
// A caller should give ctx a deadline: a leader that was cut off keeps a command until it learns its fate.
func (r *Raft) Propose(ctx context.Context, command any) (Applied, error) {
	p, err := newProposal(command, r.cfg.MaxCommandBytes)
	if err != nil {
		return Applied{}, err
	}
	p.done = make(chan answer, 1)
	return r.await(ctx, p)
}

// await offers a proposal and waits for what becomes of it.
func (r *Raft) await(ctx context.Context, p *proposal) (Applied, error) {
	if err := ctx.Err(); err != nil {
		return Applied{}, err
	}
	if !r.mailbox.put(event{proposal: p}) {
		return Applied{}, ErrClosed
	}
	select {
	case err := <-p.accepted:
		if err != nil {
			return Applied{}, err
		}
	case <-ctx.Done():
		if p.taken.CompareAndSwap(false, true) {
			return Applied{}, ctx.Err() // run never saw it and never will
		}
		if err := <-p.accepted; err != nil { // run has it in hands and answers without waiting for anything
			return Applied{}, err
		}
	}
	select {
	case a := <-p.done:
		return a.applied, a.err
	case <-ctx.Done():
		return Applied{}, p.unknown(ctx.Err())
	}
}

// Submit appends command to the log and does not wait for what becomes of it: it gives the place at which the command will
// stand if it is ever committed. All its errors are Rejected ones. It waits for Run, or Close.
func (r *Raft) Submit(command any) (Index, Term, error) {
	p, err := newProposal(command, r.cfg.MaxCommandBytes)
	if err != nil {
		return 0, 0, err
	}
	if !r.mailbox.put(event{proposal: p}) {
		return 0, 0, ErrClosed
	}
	if err := <-p.accepted; err != nil {
		return 0, 0, err
	}
	place := p.place.Load()
	return place.index, place.term, nil
}

// takeProposal offers a proposal to the module. Only Raft.run calls it.
func (r *Raft) takeProposal(p *proposal) {
	if !p.taken.CompareAndSwap(false, true) {
		return // its caller gave up
	}
	index, term, err := r.offer(p)
	if err != nil {
		p.accepted <- r.refusal(err)
		return
	}
	p.place.Store(&place{index, term})
	if p.done != nil {
		r.accepted = append(r.accepted, p)
	}
	p.accepted <- nil
}

func (r *Raft) offer(p *proposal) (Index, Term, error) {
	if p.changes != nil {
		return r.module.ChangeMembership(p.changes...)
	}
	return r.module.Propose(p.kind, p.data)
}

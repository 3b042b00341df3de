package raft

import "context"

type answer struct {
	applied Applied
	err     error
}

// caller is the Waiter that somebody waits for.
type caller chan answer

func newCaller() caller { return make(caller, 1) }

// Done finds room: it is called once.
func (c caller) Done(applied Applied, err error) { c <- answer{applied, err} }

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
	return r.await(ctx, p)
}

// await offers a proposal and waits for what becomes of it.
func (r *Raft) await(ctx context.Context, p *proposal) (Applied, error) {
	if err := ctx.Err(); err != nil {
		return Applied{}, err
	}
	done := newCaller()
	p.to = done
	if !r.postProposal(event{proposal: p}) {
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
	case a := <-done:
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
	if !r.post(event{proposal: p}) {
		return 0, 0, ErrClosed
	}
	if err := <-p.accepted; err != nil {
		return 0, 0, err
	}
	return p.at.index, p.at.term, nil
}

package raft

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftnode/raft/raft/consensus"
)

// ErrTransferFailed: the successor did not take over within an election timeout; this server leads on.
var ErrTransferFailed = errors.New("raft: the successor did not take over in time; this server leads on")

// handover is one TransferLeadership.
type handover struct {
	to     ServerID
	answer chan error // has room
}

// TransferLeadership hands leadership over to another member, or to the one whose log is furthest if to is "" (thesis
// 3.10), and returns when this server does not lead any more. It takes no commands meanwhile, for an election timeout at
// most. If the error is not nil, nothing is lost: somebody leads, this server or another.
func (r *Raft) TransferLeadership(ctx context.Context, to ServerID) error {
	h := &handover{to: to, answer: make(chan error, 1)}
	if !r.post(event{handover: h}) {
		return ErrClosed
	}
	select {
	case err := <-h.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeHandover begins a transfer. It needs the turn.
func (r *Raft) takeHandover(h *handover) {
	switch err := r.module.TransferLeadership(h.to); {
	case err == nil:
		r.handover = h
	case errors.Is(err, consensus.ErrNotLeader):
		h.answer <- r.refusal(err)
	default:
		h.answer <- fmt.Errorf("raft: transfer leadership: %w", err)
	}
}

// followHandover tells who waits for a transfer how it ended.
func (r *Raft) followHandover(fact consensus.Fact) {
	if r.handover == nil {
		return
	}
	switch f := fact.(type) {
	case consensus.TransferEnded:
		r.handover.answer <- ErrTransferFailed
	case consensus.BecameFollower:
		if f.Was != consensus.Leader {
			return
		}
		r.handover.answer <- nil
	default:
		return
	}
	r.handover = nil
}

package raft

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftnode/raft/raft/consensus"
)

// errOvertaken is why a change of membership cannot be told to be in force: by the time that was known, another was.
var errOvertaken = errors.New("the configuration in force is not what was asked for: another change came in between; look at Status")

// ChangeMembership changes who takes part (§6): it adds servers, removes them, makes learners of voters and voters of learners. It
// returns when what was asked for is committed and in force, and gives the index from which on. Where voters change that is the new
// configuration, not only the joint one before it; AddVoter waits until the new server has caught up and votes. Only the
// leader can, and all servers need PreVote and CheckQuorum. Several changes in one call are made as one.
//
// OutcomeOf tells for each error whether the change may yet be made. When ctx ends, a change that was accepted is not taken back: its
// outcome is unknown, and Status shows what becomes of it.
func (r *Raft) ChangeMembership(ctx context.Context, changes ...consensus.Change) (Index, error) {
	if len(changes) == 0 {
		return 0, fmt.Errorf("%w: it names no server", ErrBadChange)
	}
	p := &proposal{changes: changes, accepted: make(chan error, 1)}
	applied, err := r.await(ctx, p)
	return applied.Index, err
}

// fulfilled tells whether a committed configuration is what the changes ask for, and if not, whether it may still become that by
// itself.
func fulfilled(changes []consensus.Change, config consensus.Configuration) (done, underWay bool) {
	if config.Joint() {
		return false, true
	}
	done = true
	for _, c := range changes {
		member, ok := config.Find(c.ID)
		switch c.Op {
		case consensus.Remove:
			done = done && !ok
		case consensus.AddLearner:
			done = done && ok
		case consensus.Demote:
			done = done && ok && member.Suffrage == consensus.Learner
		default: // AddVoter, Promote
			done = done && ok && member.Suffrage == consensus.Voter
			underWay = underWay || ok && member.Suffrage == consensus.Joining
		}
	}
	return done, underWay
}

// followChanges looks, with each configuration that is committed, at who waits for a change of it.
func (a *applier) followChanges(config consensus.Configuration, at consensus.Position) {
	var still []*proposal
	for _, p := range a.changing {
		switch done, underWay := fulfilled(p.changes, config); {
		case done:
			p.finish(Applied{Index: at.Index, Term: at.Term}, nil)
		case underWay:
			still = append(still, p)
		default:
			p.finish(Applied{}, p.unknown(errOvertaken))
		}
	}
	a.changing = still
}

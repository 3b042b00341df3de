package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// unheardFor is how long a member may be silent until that is the reason why its change does not come about.
const unheardFor = 5 * time.Second

// change makes a change, if this node leads, and returns when it is in force. One that is under way already is waited for.
func (s *Server) change(ctx context.Context, change consensus.Change) (raft.Index, error) {
	if st := s.cfg.Raft.Status(); st.IsLeader() && (change.Op == consensus.AddVoter || change.Op == consensus.AddLearner) {
		for _, m := range st.Config {
			if m.Address == change.Address && m.ID != change.ID {
				return 0, api.NewProblem(api.CodeChangeRefused, "%s is the address of %s, which is a %s of the cluster: give that of %s, or remove %s first",
					m.Address, m.ID, m.Suffrage, change.ID, m.ID)
			}
			if m.ID == change.ID && m.Address == change.Address && becomesVoter(m) && change.Op == consensus.AddVoter {
				return s.awaitVoter(ctx, m.ID)
			}
		}
	}
	index, err := s.cfg.Raft.ChangeMembership(ctx, change)
	if err == nil {
		return index, nil
	}
	return 0, tellOfMember(s.cfg.Raft.Status(), change, err)
}

func becomesVoter(m consensus.Member) bool {
	return m.Suffrage == consensus.Joining || m.Suffrage == consensus.Incoming
}

// awaitVoter waits until a member that is joining votes. Nothing is done meanwhile, so a new leader may be asked to wait on.
func (s *Server) awaitVoter(ctx context.Context, id raft.ServerID) (raft.Index, error) {
	for {
		st := s.cfg.Raft.Status()
		m, _ := st.Config.Find(id)
		switch {
		case !st.IsLeader():
			return 0, &raft.NotLeaderError{Leader: st.Leader}
		case m.Suffrage == consensus.Voter && !st.Config.Joint() && st.ConfigIndex <= st.CommitIndex:
			return st.ConfigIndex, nil
		case m.Suffrage != consensus.Voter && !becomesVoter(m):
			return 0, api.NewProblem(api.CodeChangeRefused, "%s is not joining any more: another change came in between", id)
		case !waited(ctx, pauseTime):
			return 0, joining(st, id)
		}
	}
}

// tellOfMember says of a change that did not come about how far its member is, where that is why.
func tellOfMember(st raft.Status, change consensus.Change, err error) error {
	m, _ := st.Config.Find(change.ID)
	i := slices.IndexFunc(st.Members, func(m consensus.MemberStatus) bool { return m.ID == change.ID })
	switch {
	case i < 0 || !st.IsLeader():
	case raft.OutcomeOf(err) == raft.Unknown && change.Op == consensus.AddVoter && becomesVoter(m):
		return joining(st, change.ID)
	case raft.OutcomeOf(err) == raft.Rejected && errors.Is(err, raft.ErrNotCaughtUp):
		return api.NewProblem(api.CodeNotCaughtUp, "%s has not caught up yet: it has the log up to index %d of %d, and %s; try again later",
			change.ID, st.Members[i].MatchIndex, st.LastLogIndex, lastContact(st, st.Members[i]))
	}
	return err
}

// joining says why a member does not vote yet, and what to do.
func joining(st raft.Status, id raft.ServerID) *api.Problem {
	i := slices.IndexFunc(st.Members, func(m consensus.MemberStatus) bool { return m.ID == id })
	if i < 0 {
		return api.NewProblem(api.CodeUnknown, "%s is joining; look at the members to see", id)
	}
	m := st.Members[i]
	if m.LastContact == 0 || st.Now-m.LastContact > unheardFor {
		return api.NewProblem(api.CodeUnknown, "%s is joining, but the leader has not heard it at %s: start it or mend its address with "+
			"`raftctl members add %s=HOST:PORT`, or give up with `raftctl members remove %s`", id, m.Address, id, id)
	}
	return api.NewProblem(api.CodeUnknown, "%s is joining, has the log up to index %d of %d, and %s; it becomes a voter by itself once it has caught up",
		id, m.MatchIndex, st.LastLogIndex, lastContact(st, m))
}

func lastContact(st raft.Status, m consensus.MemberStatus) string {
	if m.LastContact == 0 {
		return "has not answered this leader yet"
	}
	return fmt.Sprintf("last answered %v ago", (st.Now - m.LastContact).Round(time.Millisecond))
}

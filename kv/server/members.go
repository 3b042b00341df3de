package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// listMembers answers GET of the members: the leader's view, or this node's own if it may be stale.
func (s *Server) listMembers(w http.ResponseWriter, r *http.Request) *api.Problem {
	query, problem := parseQuery(r, "consistency")
	if problem != nil {
		return problem
	}
	return s.readState(w, r, query, sharedRoom, func() {
		st := s.cfg.Raft.Status()
		s.answerJSON(w, http.StatusOK, s.here(), api.Members{
			Leader: string(st.Leader), Term: uint64(st.Term), Configuration: s.configuration(st),
		})
	})
}

func (s *Server) configuration(st raft.Status) api.Configuration {
	c := api.Configuration{
		ConfigurationIndex: uint64(st.ConfigIndex), Joint: st.Config.Joint(),
		Members: make([]api.Member, 0, len(st.Members)),
	}
	for _, m := range st.Members {
		member := api.Member{
			ID: string(m.ID), Suffrage: m.Suffrage.String(), Address: m.Address, Match: uint64(m.MatchIndex), CaughtUp: m.CaughtUp,
			LowOnSpace: m.NoSpace,
		}
		if address, known := s.cfg.ClientAddress(m.ID); known {
			member.ClientAddress = address
		}
		if m.SendingSnapshot {
			member.SnapshotSent = &m.SnapshotSent
		}
		if m.LastContact > 0 && m.ID != st.ID {
			ago := (st.Now - m.LastContact).Milliseconds()
			member.LastContactMillis = &ago
		}
		c.Members = append(c.Members, member)
	}
	return c
}

// outside tells why this server takes no part in the cluster; nil if it does. Then nobody can be asked here: it may have been told of no leader,
// or of one that is none any more. It need not know that its configuration is committed: after a restart it may never hear of that, and who is
// refused here asks elsewhere.
func (s *Server) outside() *api.Problem {
	st := s.cfg.Raft.Status()
	if _, member := st.Config.Find(st.ID); member {
		return nil
	}
	if len(st.Config) == 0 {
		return api.NewProblem(api.CodeNotMember, "this node, %s, waits to be added to the cluster; ask another", st.ID)
	}
	return api.NewProblem(api.CodeNotMember, "this node, %s, is no member of the cluster, which is %s; ask another", st.ID, st.Config)
}

var operations = map[string]consensus.ChangeOp{
	api.OpAdd: consensus.AddVoter, api.OpAddLearner: consensus.AddLearner,
	api.OpPromote: consensus.Promote, api.OpDemote: consensus.Demote, api.OpRemove: consensus.Remove,
}

// changeMembers answers POST to the members, when the change is in force.
func (s *Server) changeMembers(w http.ResponseWriter, r *http.Request) *api.Problem {
	var asked api.MemberChange
	return s.administer(w, r, &asked, func(ctx context.Context) error {
		change, problem := parseChange(asked)
		if problem != nil {
			return problem
		}
		index, err := s.change(ctx, change)
		if err == nil {
			at := position{index: index}
			s.answerJSON(w, http.StatusOK, at, api.Changed{Index: uint64(index), Term: uint64(s.cfg.Raft.Status().Term)})
		}
		return err
	})
}

func parseChange(asked api.MemberChange) (consensus.Change, *api.Problem) {
	op, known := operations[asked.Op]
	adds := asked.Op == api.OpAdd || asked.Op == api.OpAddLearner
	switch {
	case !known:
		return consensus.Change{}, bad("the op %.50q is none of %s, %s, %s, %s and %s", asked.Op,
			api.OpAdd, api.OpAddLearner, api.OpPromote, api.OpDemote, api.OpRemove)
	case adds && asked.Address == "":
		return consensus.Change{}, bad("the address is missing: host:port where the other members reach %.100q", asked.ID)
	case !adds && asked.Address != "":
		return consensus.Change{}, bad("an address goes with %s and %s only", api.OpAdd, api.OpAddLearner)
	}
	if adds { // who is a member with another name can still be removed
		if err := errors.Join(api.CheckID(asked.ID), api.CheckAddress(asked.Address, 1)); err != nil {
			return consensus.Change{}, bad("%v", err)
		}
	}
	return consensus.Change{Op: op, ID: raft.ServerID(asked.ID), Address: asked.Address}, nil
}

package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// write answers PUT, DELETE and the append.
func (s *Server) write(w http.ResponseWriter, r *http.Request, op kv.Op, escapedKey string) *api.Problem {
	command, problem := parseCommand(r, op, escapedKey)
	if problem != nil {
		return problem
	}
	timeout, problem := onlyTimeout(r)
	if problem != nil {
		return problem
	}
	leave, problem := s.door.enter(bodySize(r))
	if problem != nil {
		return problem
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	if op != kv.Delete {
		deadline, _ := ctx.Deadline()
		if command.Value, problem = readBody(w, r, deadline, api.MaxValueBytes); problem != nil {
			return problem
		}
	}
	encoded, err := command.Encode()
	if err != nil {
		return bad("%v", err) // the client id: all else was checked
	}
	here := func(ctx context.Context) error {
		applied, err := s.cfg.Raft.Propose(ctx, encoded)
		if err == nil {
			s.answerWrite(w, op, applied)
		}
		return err
	}
	if r.Header.Get(api.HeaderPrefer) == api.PreferAsync {
		here = func(context.Context) error { return s.submit(w, encoded) }
	}
	return s.onLeader(ctx, w, work{request: r, body: command.Value, isWrite: true, here: here})
}

// submit answers as soon as the write is in the log. Whether it is ever committed, a read of the key will tell.
func (s *Server) submit(w http.ResponseWriter, encoded []byte) error {
	index, term, err := s.cfg.Raft.Submit(encoded)
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderApplied, api.PreferAsync)
	s.answerJSON(w, http.StatusAccepted, position{index: index, term: term}, api.Written{Index: uint64(index), Term: uint64(term)})
	return nil
}

func parseCommand(r *http.Request, op kv.Op, escapedKey string) (command kv.Command, problem *api.Problem) {
	command.Op = op
	if command.Key, problem = parseKey(escapedKey); problem != nil {
		return command, problem
	}
	if command.If, problem = parseCondition(r); problem != nil {
		return command, problem
	}
	command.Client, command.Seq, problem = parseClient(r)
	return command, problem
}

// answerWrite says what the Store made of the command. For a repeat that is the first answer again.
func (s *Server) answerWrite(w http.ResponseWriter, op kv.Op, applied raft.Applied) {
	result, problem := resultOf(applied)
	at := s.here()
	if result != nil {
		at = position{index: result.Index, term: result.Term}
	}
	if problem != nil {
		s.refuse(w, problem, at)
		return
	}
	if op != kv.Delete {
		w.Header().Set("ETag", etag(result.Index))
	}
	s.answerJSON(w, http.StatusOK, at, api.Written{Index: uint64(result.Index), Term: uint64(result.Term)})
}

// resultOf gives what the Store made of a command, and a problem unless it was done. The result is nil if that is none of the Store's.
func resultOf(applied raft.Applied) (*kv.Result, *api.Problem) {
	result, ok := applied.Result.(*kv.Result)
	if !ok {
		return nil, api.NewProblem(api.CodeInternal, "the state machine answered %T", applied.Result)
	}
	switch result.Code {
	case kv.Done:
		return result, nil
	case kv.ConditionFalse:
		return result, api.NewProblem(api.CodePrecondition, "nothing was changed: %s", standing(result.Version))
	case kv.ValueTooLarge:
		return result, api.NewProblem(api.CodeValueTooLarge,
			"the value would be too large after the append; at most %d bytes are possible", api.MaxValueBytes)
	case kv.SessionUnknown:
		return result, api.NewProblem(api.CodeSessionUnknown,
			"this client id is not known, or was forgotten after %d others wrote; begin anew with another id and %s: 1",
			kv.MaxSessions, api.HeaderSeq)
	case kv.SessionStale:
		return result, api.NewProblem(api.CodeSessionStale,
			"this client id has already written with a higher %s, so this write was not done now", api.HeaderSeq)
	case kv.BadCommand:
	}
	return result, api.NewProblem(api.CodeInternal, "the state machine does not know the command: result code %d", result.Code)
}

func standing(version raft.Index) string {
	if version == 0 {
		return "the key is not there"
	}
	return "the key has version " + strconv.FormatUint(uint64(version), 10)
}

// problemOf translates an error of work, but for those that say to try elsewhere.
func problemOf(err error, w work) *api.Problem {
	var problem *api.Problem
	switch {
	case errors.As(err, &problem):
		return problem
	// Before all others, since what is unknown may wrap one of those below.
	case w.isAdmin && raft.OutcomeOf(err) == raft.Unknown:
		return api.NewProblem(api.CodeUnknown, "the change was accepted, but is not known to be in force; look at the members to see: %s", inWords(err))
	case w.isWrite && raft.OutcomeOf(err) == raft.Unknown:
		return api.NewProblem(api.CodeUnknown, "the write was accepted, but is not known to be committed; read the key to see: %s", inWords(err))
	case errors.Is(err, raft.ErrChangePending):
		return api.NewProblem(api.CodeChangePending, "another change of the members is under way; try again when it is done")
	case errors.Is(err, raft.ErrNotCaughtUp):
		return api.NewProblem(api.CodeNotCaughtUp, "the learner has not caught up with the log yet; try again later")
	case errors.Is(err, raft.ErrBadChange):
		return api.NewProblem(api.CodeChangeRefused, "%s", reasonOf(err))
	case errors.Is(err, raft.ErrLogFull):
		return api.NewProblem(api.CodeLogFull, "the log has reached its limit, so nothing can be written any more; reads go on")
	case errors.Is(err, raft.ErrBusy):
		return api.NewProblem(api.CodeBusy, "too many writes are waiting to be committed; try again later")
	case errors.Is(err, raft.ErrTooLarge):
		return api.NewProblem(api.CodeValueTooLarge, "the log does not take a command of this size")
	case errors.Is(err, raft.ErrClosed):
		return api.NewProblem(api.CodeClosing, "this node is shutting down; try another")
	case w.isWrite:
		return api.NewProblem(api.CodeBusy, "this node did not get to the request in time; try again: %s", inWords(err))
	}
	return api.NewProblem(api.CodeNoQuorum, "the leader could not confirm in time that it leads; is a majority running? %s", inWords(err))
}

// reasonOf is what the algorithm says of a change that cannot be made, without the names of packages.
func reasonOf(err error) string {
	text := err.Error()
	if at := strings.Index(text, consensus.ErrBadChange.Error()+": "); at >= 0 {
		text = strings.TrimSuffix(text[at+len(consensus.ErrBadChange.Error())+2:], ")")
	}
	return "the change cannot be made: " + text
}

// inWords is an error for people who may not write Go.
func inWords(err error) string {
	return strings.NewReplacer(
		context.DeadlineExceeded.Error(), "the time was up",
		context.Canceled.Error(), "the client went away",
	).Replace(err.Error())
}

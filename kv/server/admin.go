package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"syscall"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// administer has the leader do what the request's body asks for, which is read into asked. do answers, or returns an error.
func (s *Server) administer(w http.ResponseWriter, r *http.Request, asked any, do func(ctx context.Context) error) *api.Problem {
	timeout, problem := onlyTimeout(r)
	if problem != nil {
		return problem
	}
	leave, problem := s.door.enter(api.MaxAdminBytes)
	if problem != nil {
		return problem
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	body, problem := readBody(w, r, deadline, api.MaxAdminBytes)
	if problem != nil {
		return problem
	}
	if problem := parseJSON(body, asked); problem != nil {
		return problem
	}
	return s.onLeader(ctx, w, work{request: r, body: body, isWrite: true, isAdmin: true, here: do})
}

// parseJSON refuses what it does not know: a misspelt wish must not be ignored.
func parseJSON(body []byte, into any) *api.Problem {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); errors.Is(err, io.EOF) {
		return bad("the body is empty: it must be a JSON object")
	} else if err != nil {
		return bad("the body is not understood: %.200s", err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the JSON object in the body")
	}
	return nil
}

// transferLeader answers POST to transfer-leader, when somebody else leads.
func (s *Server) transferLeader(w http.ResponseWriter, r *http.Request) *api.Problem {
	var asked api.Transfer
	return s.administer(w, r, &asked, func(ctx context.Context) error {
		to := raft.ServerID(asked.To)
		if err := s.handOver(ctx, to); err != nil {
			return err
		}
		for {
			st := s.cfg.Raft.Status()
			switch st.Leader {
			case "":
				if !waited(ctx, pauseTime) {
					return api.NewProblem(api.CodeUnknown, "the leader stepped down, and nobody is known to lead yet; ask for the status to see")
				}
				continue
			case st.ID:
				if to != st.ID {
					return api.NewProblem(api.CodeTransferFailed, "%s leads again, in term %d: the successor did not win", st.ID, st.Term)
				}
			}
			s.answerJSON(w, http.StatusOK, s.here(), api.Transferred{Leader: string(st.Leader), Term: uint64(st.Term)})
			return nil
		}
	})
}

// handOver makes this node, which must lead, hand leadership over. There is nothing to do if it is to keep it.
func (s *Server) handOver(ctx context.Context, to raft.ServerID) error {
	st := s.cfg.Raft.Status()
	if member, _ := st.Config.Find(to); st.IsLeader() && to != "" && member.Suffrage != consensus.Voter {
		return api.NewProblem(api.CodeChangeRefused, "%.100q is no voter of the cluster, which is %s", to, st.Config)
	}
	if st.IsLeader() && to == st.ID {
		return nil
	}
	if low := func(m consensus.MemberStatus) bool { return m.ID == to && m.NoSpace }; st.IsLeader() && !st.NoSpace && slices.ContainsFunc(st.Members, low) {
		return api.NewProblem(api.CodeChangeRefused, "%s is low on disk space, and does not lead while another can; free some there, or hand over to another", to)
	}
	err := s.cfg.Raft.TransferLeadership(ctx, to)
	var notLeader *raft.NotLeaderError
	switch {
	case err == nil, errors.As(err, &notLeader), errors.Is(err, raft.ErrClosed):
		return err
	case errors.Is(err, raft.ErrTransferFailed):
		return api.NewProblem(api.CodeTransferFailed, "the successor did not take over within an election timeout, and %s leads on; is it up, and how far is its log?", st.ID)
	case errors.Is(err, consensus.ErrTransferring):
		return api.NewProblem(api.CodeChangePending, "leadership is being handed over already; try again when that is done")
	case ctx.Err() != nil:
		return api.NewProblem(api.CodeUnknown, "leadership is still being handed over; ask for the status to see: %s", inWords(err))
	}
	return api.NewProblem(api.CodeChangeRefused, "%s has nobody to hand leadership over to: there is no other voter", st.ID)
}

// snapshot answers POST to snapshot: this node takes one, wherever it stands in the cluster.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) *api.Problem {
	timeout, problem := onlyTimeout(r)
	if problem != nil {
		return problem
	}
	if r.ContentLength != 0 {
		return bad("a request for a snapshot has no body")
	}
	leave, problem := s.door.enter(0)
	if problem != nil {
		return problem
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	taken, err := s.TakeSnapshot(ctx)
	if err != nil {
		return problemOfSnapshot(err)
	}
	s.answerSnapshot(w, taken)
	return nil
}

// The errors of TakeSnapshot, besides those of raft.Compact.
var (
	ErrSnapshotting = errors.New("this node is taking a snapshot; try again later")
	ErrSnapshotRoom = errors.New("there is too little room for a snapshot")
)

// TakeSnapshot takes a snapshot of the Store in place of the log, unless the newest one has all that was applied. On a disk that is nearly full it takes none
// that would need more than half of what is free: the log, without which the server must stop, has the other half.
func (s *Server) TakeSnapshot(ctx context.Context) (taken bool, err error) {
	if !s.snapshotting.TryLock() {
		return false, ErrSnapshotting
	}
	defer s.snapshotting.Unlock()
	at, encode := s.cfg.Store.SnapshotAt()
	if at.Index <= s.cfg.Raft.Status().Snapshot.Index {
		return false, nil
	}
	data, err := encode()
	if disk, watched := s.cfg.Disk(); err == nil && watched && disk.Low && int64(len(data)) > disk.FreeBytes/2 {
		err = fmt.Errorf("%w: it has %s, and %s are free, of which half is for the log", ErrSnapshotRoom, api.Size(int64(len(data))), api.Size(disk.FreeBytes))
	}
	if err != nil {
		return false, err
	}
	err = s.cfg.Raft.Compact(ctx, at.Index, data)
	for errors.Is(err, raft.ErrNotApplied) && waited(ctx, pauseTime) { // the Store is a moment ahead of what the server knows of it
		err = s.cfg.Raft.Compact(ctx, at.Index, data)
	}
	if errors.Is(err, raft.ErrCompacted) {
		return false, nil
	}
	return err == nil, err
}

// answerSnapshot tells of the newest one, which may be newer than what was asked for.
func (s *Server) answerSnapshot(w http.ResponseWriter, taken bool) {
	st := s.cfg.Raft.Status()
	s.answerJSON(w, http.StatusOK, position{index: st.Snapshot.Index}, api.Snapshotted{
		Index: uint64(st.Snapshot.Index), Bytes: st.SnapshotBytes, New: taken,
	})
}

func problemOfSnapshot(err error) *api.Problem {
	switch {
	case errors.Is(err, ErrSnapshotting):
		return api.NewProblem(api.CodeBusy, "%v", err)
	case errors.Is(err, ErrSnapshotRoom), errors.Is(err, syscall.ENOSPC):
		return api.NewProblem(api.CodeNoSpace, "no snapshot was taken, the log is as it was: %v; free space on the disk of this node", err)
	case errors.Is(err, raft.ErrClosed):
		return api.NewProblem(api.CodeClosing, "this node is shutting down, and took no snapshot")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return api.NewProblem(api.CodeUnknown, "the snapshot is not done yet; ask for the status to see: %s", inWords(err))
	}
	return api.NewProblem(api.CodeBusy, "no snapshot was taken, the log is as it was: %v", err)
}

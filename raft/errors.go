package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/raftnode/raft/raft/consensus"
)

// Outcome tells what is known of a command after an error.
type Outcome int

const (
	// Rejected: certainly not done, and never will be. It is safe to try again.
	Rejected Outcome = iota
	// Unknown: may have been done, or may yet be. Trying again may do it twice,
	// unless the state machine recognises the repeat.
	Unknown
)

// String gives "rejected" or "unknown".
func (o Outcome) String() string {
	if o == Rejected {
		return "rejected"
	}
	return "unknown"
}

// The errors of Propose, Read and ChangeMembership. Compare with errors.Is.
var (
	// ErrReplaced: another leader's entry was committed in the command's place. Rejected.
	ErrReplaced = errors.New("raft: another leader's entry took this command's place; try again")
	// ErrLogFull: the log has reached Config.MaxLogBytes. Rejected.
	ErrLogFull = errors.New("raft: the log has reached its limit; a snapshot makes room, or start this server with a larger limit")
	// ErrNoSpace: the disk of this leader is nearly full, or no majority has room on its disks. Rejected. See [Raft.SetNoSpace].
	ErrNoSpace = errors.New("raft: too little free space on the disks of this cluster: free some; meanwhile reads are answered")
	// ErrBusy: too much is waiting to be committed. Rejected.
	ErrBusy = errors.New("raft: too many commands are waiting to be committed; try again later")
	// ErrTooLarge: the command exceeds Config.MaxCommandBytes. Rejected.
	ErrTooLarge = errors.New("raft: the command is too large")
	// ErrClosed: the Raft was closed (or never ran) before the command was accepted. Rejected.
	ErrClosed = errors.New("raft: closed")
)

// More errors of ChangeMembership. All are Rejected.
var (
	// ErrChangePending: another change of membership is under way.
	ErrChangePending = errors.New("raft: another change of membership is under way; try again when it is done")
	// ErrNotReady: this server has only just become the leader.
	ErrNotReady = errors.New("raft: this leader has not committed anything yet; try again soon")
	// ErrNotCaughtUp: a learner cannot be made a voter yet.
	ErrNotCaughtUp = errors.New("raft: the learner has not caught up with the log; try again later")
	// ErrBadChange: what is asked for makes no sense. Trying again does not help.
	ErrBadChange = errors.New("raft: this change of membership cannot be made")
)

// The errors of Compact.
var (
	// ErrNotApplied: the snapshot was to reach further than what the state machine has applied.
	ErrNotApplied = errors.New("raft: a snapshot cannot reach further than what was applied")
	// ErrCompacted: there is a snapshot already that reaches as far or further.
	ErrCompacted = errors.New("raft: there is a snapshot already that reaches as far")
	// ErrSnapshotTooLarge: the snapshot exceeds Config.MaxSnapshotBytes.
	ErrSnapshotTooLarge = errors.New("raft: the snapshot exceeds MaxSnapshotBytes; start all servers with a larger limit")
)

// NotLeaderError: this server does not lead, so nothing was done. Rejected.
type NotLeaderError struct {
	Leader ServerID // who leads, as far as this server knows; "" if it does not know
}

// Error says who leads, if that is known.
func (e *NotLeaderError) Error() string {
	if e.Leader == "" {
		return "raft: not the leader, and no leader is known"
	}
	return fmt.Sprintf("raft: not the leader; the leader is %s", e.Leader)
}

// UnknownError wraps why the fate of an accepted command or change could not be learned: the context
// ended, the Raft was closed, or a leader's snapshot came in place of the log. It may have been committed, or may yet be. Unknown.
type UnknownError struct {
	Index Index // where it stands in the log of the leader that accepted it
	Term  Term
	Err   error
}

// Error names the place in the log and the reason.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("raft: outcome unknown of the entry at index %d of term %d: %v", e.Index, e.Term, e.Err)
}

// Unwrap gives the reason.
func (e *UnknownError) Unwrap() error { return e.Err }

// OutcomeOf tells for an error of Propose, Read or ChangeMembership whether the command or change may have been done. An error that it
// does not know is Unknown.
func OutcomeOf(err error) Outcome {
	var unknown *UnknownError
	var notLeader *NotLeaderError
	var encoding *EncodingError
	switch {
	case errors.As(err, &unknown):
		return Unknown
	case errors.As(err, &notLeader), errors.As(err, &encoding):
		return Rejected
	case slices.ContainsFunc(rejected, func(known error) bool { return errors.Is(err, known) }):
		return Rejected
	}
	return Unknown
}

// rejected are the errors that are only given where it is certain that nothing was done.
var rejected = []error{
	ErrReplaced, ErrBusy, ErrLogFull, ErrNoSpace, ErrTooLarge, ErrClosed,
	ErrChangePending, ErrNotReady, ErrNotCaughtUp, ErrBadChange,
	context.Canceled, context.DeadlineExceeded,
}

// refusal puts the module's reasons into this package's words.
func (r *Raft) refusal(err error) error {
	switch {
	case errors.Is(err, consensus.ErrNotLeader):
		return &NotLeaderError{Leader: r.module.Status().Leader}
	case errors.Is(err, consensus.ErrTransferring):
		return &NotLeaderError{} // the next one is not known to lead yet
	}
	for _, reason := range reasons {
		if errors.Is(err, reason.modules) {
			return fmt.Errorf("%w (%w)", reason.ours, err)
		}
	}
	return fmt.Errorf("%w (%w)", ErrBusy, err) // too much uncommitted
}

var reasons = []struct{ modules, ours error }{
	{consensus.ErrLogFull, ErrLogFull},
	{consensus.ErrNoSpace, ErrNoSpace},
	{consensus.ErrChangePending, ErrChangePending},
	{consensus.ErrNotReady, ErrNotReady},
	{consensus.ErrNotCaughtUp, ErrNotCaughtUp},
	{consensus.ErrBadChange, ErrBadChange},
	{consensus.ErrNotApplied, ErrNotApplied},
	{consensus.ErrCompacted, ErrCompacted},
	{consensus.ErrSnapshotTooLarge, ErrSnapshotTooLarge},
}

// EncodingError: the command is of a type that was not given to Register, or that cannot be encoded. Rejected.
type EncodingError struct {
	Command string // its type
	Err     error
}

// Error names the type and what to do.
func (e *EncodingError) Error() string {
	return fmt.Sprintf("raft: a command of type %s cannot be encoded; call raft.Register with its type: %v", e.Command, e.Err)
}

// Unwrap gives the reason.
func (e *EncodingError) Unwrap() error { return e.Err }

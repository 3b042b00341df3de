package raft

import (
	"context"
	"errors"
	"fmt"
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

// The errors of Propose and Read. Compare with errors.Is.
var (
	// ErrReplaced: another leader's entry was committed in the command's place. Rejected.
	ErrReplaced = errors.New("raft: another leader's entry took this command's place; try again")
	// ErrLogFull: the log has reached Config.MaxLogBytes, and nothing makes it smaller. Rejected.
	ErrLogFull = errors.New("raft: the log has reached its limit; start this server with a larger one")
	// ErrBusy: too much is waiting to be committed. Rejected.
	ErrBusy = errors.New("raft: too many commands are waiting to be committed; try again later")
	// ErrTooLarge: the command exceeds Config.MaxCommandBytes. Rejected.
	ErrTooLarge = errors.New("raft: the command is too large")
	// ErrClosed: the Raft was closed (or never ran) before the command was accepted. Rejected.
	ErrClosed = errors.New("raft: closed")
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

// UnknownError wraps why the fate of an accepted command could not be learned: the context
// ended, or the Raft was closed. The command may yet be committed. Unknown.
type UnknownError struct {
	Index Index // where the command stands in the log of the leader that accepted it
	Term  Term
	Err   error
}

// Error names the command's place and the reason.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("raft: outcome unknown of the command at index %d of term %d: %v", e.Index, e.Term, e.Err)
}

// Unwrap gives the reason.
func (e *UnknownError) Unwrap() error { return e.Err }

// OutcomeOf tells for an error of Propose or Read whether the command may have been done. An error that it
// does not know is Unknown.
func OutcomeOf(err error) Outcome {
	var unknown *UnknownError
	var notLeader *NotLeaderError
	var encoding *EncodingError
	switch {
	case errors.As(err, &unknown):
		return Unknown
	case errors.As(err, &notLeader), errors.As(err, &encoding),
		errors.Is(err, ErrReplaced), errors.Is(err, ErrBusy), errors.Is(err, ErrLogFull), errors.Is(err, ErrTooLarge), errors.Is(err, ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Rejected
	}
	return Unknown
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

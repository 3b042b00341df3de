package client

import (
	"errors"
	"fmt"

	"github.com/raftnode/raft/kv/api"
)

// Error is the error of every call.
type Error struct {
	Op       string      // "put", "append", "delete", "get", "list", "status", "ready", "members", "transfer-leader", "snapshot"
	Code     api.Code    // what kind of error, for programs
	Outcome  api.Outcome // of a write; Rejected for everything else
	Detail   string      // for people
	Endpoint string      // who was asked last; "" if nobody was
	Err      error       // what lies below, if the network or the context was the reason
}

// Error says what happened, who said so, and what is known of the write.
func (e *Error) Error() string {
	at := ""
	if e.Endpoint != "" {
		at = " at " + e.Endpoint
	}
	return fmt.Sprintf("%s%s: %s (%s, %s)", e.Op, at, e.Detail, e.Code, e.Outcome)
}

// Unwrap gives what lies below, such as context.DeadlineExceeded.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf gives the code of a call's error; "" for nil and for other errors.
func CodeOf(err error) api.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// OutcomeOf gives the outcome of a call's error; Unknown for errors that are not a call's. It is
// not to be asked of nil.
func OutcomeOf(err error) api.Outcome {
	var e *Error
	if errors.As(err, &e) {
		return e.Outcome
	}
	return api.Unknown
}

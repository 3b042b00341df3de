package api

import (
	"fmt"
	"net/http"
)

// ContentTypeProblem is the media type of an error (RFC 9457).
const ContentTypeProblem = "application/problem+json"

// Outcome tells what is known of a write after an error. An error of a read is always Rejected: a
// read does nothing.
type Outcome string

// The two outcomes. There is no third: whoever cannot tell says Unknown.
const (
	Rejected Outcome = "rejected" // certainly not done, and never will be: safe to try again
	Unknown  Outcome = "unknown"  // may have been done, or may yet be
)

// Code names a kind of error, for programs.
type Code string

// The codes, with their HTTP status and outcome.
const (
	CodeBadRequest    Code = "bad-request"         // 400 rejected: a header, a parameter or the key is not valid
	CodeBodyCutShort  Code = "body-cut-short"      // 400 rejected: the body ended before its announced end
	CodeNotFound      Code = "not-found"           // 404 rejected: the key is not there
	CodeNoSuchPath    Code = "no-such-path"        // 404 rejected
	CodeBadMethod     Code = "method-not-allowed"  // 405 rejected
	CodeTooSlow       Code = "body-too-slow"       // 408 rejected: the body did not arrive in time
	CodePrecondition  Code = "precondition-failed" // 412 rejected: If-Match or If-None-Match does not hold
	CodeKeyTooLarge   Code = "key-too-large"       // 413 rejected: above MaxKeyBytes
	CodeValueTooLarge Code = "value-too-large"     // 413 rejected: above MaxValueBytes, or would be after the append
	CodeBusy          Code = "busy"                // 503 rejected: the server has too much to do
	CodeLogFull       Code = "log-full"            // 507 rejected: the leader's log has reached its limit; waiting does not help
	CodeNoSpace       Code = "no-space"            // 507 rejected: the disks of too many servers are nearly full; reads go on
	CodeClosing       Code = "shutting-down"       // 503 rejected
	CodeNotLeader     Code = "not-leader"          // 503 rejected: a request that was passed on came to no leader
	CodeNoLeader      Code = "no-leader"           // 503 rejected: no leader could be reached in time
	CodeNoQuorum      Code = "no-quorum"           // 503 rejected: the leader could not confirm in time that it leads
	CodeNotMember     Code = "not-member"          // 503 rejected: the asked server takes no part in the cluster, yet or any more
	CodeUpgrade       Code = "upgrade-required"    // 426 rejected: the native protocol was not asked for, or in a version that this server does not know
	CodeUnknown       Code = "outcome-unknown"     // 504 unknown: accepted, but not known to be committed in time

	// CodeSessionUnknown is 409 unknown: the client id is not in the session table and the sequence number is
	// not 1. This request did nothing, but if it is a repeat, the first may have been applied before the
	// session was evicted.
	CodeSessionUnknown Code = "session-unknown"
	// CodeSessionStale is 409 unknown: the sequence number is below the last one that was applied. This request did
	// nothing, but if it is a repeat, the first may have been applied.
	CodeSessionStale Code = "session-stale"

	CodeChangePending  Code = "change-pending"  // 409 rejected: another change of the members or of the leader is under way
	CodeNotCaughtUp    Code = "not-caught-up"   // 409 rejected: a learner cannot be promoted yet
	CodeChangeRefused  Code = "change-refused"  // 409 rejected: the change makes no sense, such as the removal of who is no member
	CodeTransferFailed Code = "transfer-failed" // 409 rejected: the successor did not take over in time; the leader leads on

	// CodeInternal is 500 unknown: something that cannot be; a bug.
	CodeInternal Code = "internal"
)

// The codes of a client that got no answer from any server.
const (
	CodeUnreachable Code = "unreachable" // rejected: no byte of the request left the client
	CodeNoAnswer    Code = "no-answer"   // a write: unknown, it was sent; a read: rejected
	CodeTLS         Code = "tls"         // rejected: client and server did not agree on TLS, so that no byte of the request was read
)

var statusOf = map[Code]int{
	CodeBadRequest: http.StatusBadRequest, CodeBodyCutShort: http.StatusBadRequest,
	CodeNotFound: http.StatusNotFound, CodeNoSuchPath: http.StatusNotFound,
	CodeBadMethod: http.StatusMethodNotAllowed, CodeTooSlow: http.StatusRequestTimeout,
	CodePrecondition: http.StatusPreconditionFailed,
	CodeKeyTooLarge:  http.StatusRequestEntityTooLarge, CodeValueTooLarge: http.StatusRequestEntityTooLarge,
	CodeLogFull: http.StatusInsufficientStorage, CodeNoSpace: http.StatusInsufficientStorage,
	CodeBusy: http.StatusServiceUnavailable, CodeClosing: http.StatusServiceUnavailable,
	CodeNotLeader: http.StatusServiceUnavailable, CodeNoLeader: http.StatusServiceUnavailable,
	CodeNotMember: http.StatusServiceUnavailable,
	CodeNoQuorum:  http.StatusServiceUnavailable, CodeUnknown: http.StatusGatewayTimeout,
	CodeSessionUnknown: http.StatusConflict, CodeSessionStale: http.StatusConflict,
	CodeChangePending: http.StatusConflict, CodeNotCaughtUp: http.StatusConflict, CodeChangeRefused: http.StatusConflict,
	CodeTransferFailed: http.StatusConflict,
	CodeUpgrade:        http.StatusUpgradeRequired,
	CodeInternal:       http.StatusInternalServerError,
}

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Type    string  `json:"type"`  // "urn:raftnode:problem:" and the code
	Title   string  `json:"title"` // the HTTP status in words
	Status  int     `json:"status"`
	Code    Code    `json:"code"`
	Detail  string  `json:"detail"` // for people: what happened and what to do
	Outcome Outcome `json:"outcome"`
}

// NewProblem fills in what follows from the code. The format is that of fmt.Sprintf.
func NewProblem(code Code, format string, args ...any) *Problem {
	status, known := statusOf[code]
	if !known {
		status = http.StatusInternalServerError
	}
	outcome := Rejected
	switch code {
	case CodeUnknown, CodeSessionUnknown, CodeSessionStale, CodeInternal:
		outcome = Unknown
	}
	return &Problem{
		Type:    "urn:raftnode:problem:" + string(code),
		Title:   http.StatusText(status),
		Status:  status,
		Code:    code,
		Detail:  fmt.Sprintf(format, args...),
		Outcome: outcome,
	}
}

// Error gives the detail, so that a Problem can travel as an error.
func (p *Problem) Error() string { return p.Detail }

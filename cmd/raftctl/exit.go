package main

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// The exit codes. They are promises: scripts branch on them.
const (
	exitDone     = 0
	exitNotDone  = 1
	exitUnknown  = 2
	exitNoQuorum = 3
	exitUsage    = 64
)

// usageError is a mistake in the command line: nothing was tried.
type usageError struct {
	command string // whose help to read
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

func exitCodeOf(err error) int {
	var wrong *usageError
	var failed *client.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, new(*undecidedError)):
		return exitUnknown
	case !errors.As(err, &failed):
		return exitNotDone
	case failed.Outcome == api.Unknown:
		return exitUnknown
	}
	if noQuorum(failed.Code) {
		return exitNoQuorum
	}
	return exitNotDone
}

// hintFor says what to do, where the error itself does not.
func hintFor(err error) string {
	var wrong *usageError
	var explained *explained
	if errors.As(err, &explained) && explained.advice != nil {
		err = explained.advice
	}
	switch {
	case errors.As(err, &wrong):
		return "See `" + wrong.command + " --help`."
	case client.CodeOf(err) == api.CodeNotMember:
		return "--endpoints or " + endpointsEnv + " names others"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "if the nodes have no TLS, leave out --tls-ca, --tls-cert and --tls-key, and `unset RAFTCTL_TLS_CA RAFTCTL_TLS_CERT RAFTCTL_TLS_KEY`"
	case client.CodeOf(err) == api.CodeTLS:
		return "--tls-ca names who signs the nodes' certificates; --tls-cert and --tls-key show who you are. `raftctl certs show FILE` says what is in one"
	case client.CodeOf(err) == api.CodeNoSpace:
		return "`raftctl status` shows how much room each node has"
	case client.CodeOf(err) == api.CodeUnreachable:
		return "is a node running there? --endpoints names others"
	}
	return ""
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// explained is an error in words for people. What lies below decides the exit code.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// explain says what a failed call means to who typed it. Programs, with -o json, get the error as it is, with its code
// and outcome.
func (g *globals) explain(cmd *cobra.Command, cl *client.Client, what doing, err error) error {
	var failed *client.Error
	if g.json() || !errors.As(err, &failed) {
		return err
	}
	text := cmd.Name() + ": " + failed.Detail
	switch {
	case cmd.Context().Err() != nil:
		text = cmd.Name() + ": interrupted"
	case failed.Code == api.CodeNotMember: // what it says is all that there is to say
	case noQuorum(failed.Code):
		text = cmd.Name() + ": " + summary(lookAround(cmd.Context(), cl), failed.Detail)
	}
	if what != aRead && failed.Code != api.CodePrecondition { // which says itself that nothing was changed
		text += "\n" + what.fate(failed.Outcome)
	}
	return &explained{text: text, err: err}
}

// doing is what a call was to do.
type doing int

const (
	aRead   doing = iota
	aWrite        // of a key
	aChange       // of the cluster
)

// fate is what is known of a write or a change that failed.
func (d doing) fate(outcome api.Outcome) string {
	switch {
	case outcome == api.Rejected && d == aChange:
		return "nothing was changed, certainly"
	case outcome == api.Rejected:
		return "the write was certainly not done"
	case d == aChange:
		return "the outcome is unknown: it may have been done, or may yet be: `raftctl members` and `raftctl status` show it"
	}
	return "the outcome is unknown: the write may have been done, or may yet be: read the key to see"
}

// noQuorum tells whether the code says that the cluster, or what of it can be reached, cannot work.
func noQuorum(code api.Code) bool {
	switch code {
	case api.CodeNoLeader, api.CodeNoQuorum, api.CodeNotLeader, api.CodeClosing, api.CodeNotMember, api.CodeUnreachable, api.CodeNoAnswer:
		return true
	}
	return false
}

// lookAroundTime is what a look at all endpoints may take, after a call has failed.
const lookAroundTime = time.Second

func lookAround(ctx context.Context, cl *client.Client) []asked {
	ctx, cancel := context.WithTimeout(ctx, lookAroundTime)
	defer cancel()
	return askEach(ctx, cl)
}

// summary says of every endpoint what it does. detail is for what that does not explain.
func summary(all []asked, detail string) string {
	answered, leader := 0, ""
	for _, a := range all {
		if a.Status != nil {
			answered++
			leader = cmp.Or(leader, a.Status.Leader)
		}
	}
	switch {
	case answered == 0 && len(all) == 1:
		return "no node answers: " + endpointsInWords(all)
	case answered == 0:
		return fmt.Sprintf("none of %d endpoints answers: %s", len(all), endpointsInWords(all))
	case leader == "":
		return "no leader: " + endpointsInWords(all)
	}
	return detail + ": " + endpointsInWords(all)
}

// endpointsInWords groups the endpoints that do the same, in the order in which they were given.
func endpointsInWords(all []asked) string {
	var states []string
	groups := map[string][]asked{}
	for _, a := range all {
		state := a.state()
		if groups[state] == nil {
			states = append(states, state)
		}
		groups[state] = append(groups[state], a)
	}
	var parts []string
	for _, state := range states {
		var names []string
		for _, a := range groups[state] {
			names = append(names, a.Endpoint)
		}
		one, many := verbs(state, groups[state][0])
		if len(names) > 1 {
			one = many
		}
		parts = append(parts, strings.Join(names, ", ")+" "+one)
	}
	return strings.Join(parts, "; ")
}

// The states of an endpoint, as the table of status shows them.
const (
	stateRefused  = "refused"
	stateNoAnswer = "no answer"
	stateFailed   = "failed"
)

// state tells, in a word or two, what an endpoint does.
func (a asked) state() string {
	var timeout interface{ Timeout() bool }
	switch {
	case a.Status != nil:
		return "leader " + a.Status.Leader
	case errors.Is(a.err, syscall.ECONNREFUSED):
		return stateRefused
	case errors.Is(a.err, context.DeadlineExceeded), errors.As(a.err, &timeout) && timeout.Timeout():
		return stateNoAnswer
	}
	return stateFailed
}

func verbs(state string, a asked) (one, many string) {
	switch {
	case a.Status != nil && a.Status.Leader == "":
		return "answers but knows none", "answer but know none"
	case a.Status != nil:
		return "says that " + a.Status.Leader + " leads", "say that " + a.Status.Leader + " leads"
	case state == stateRefused:
		return "refuses connections", "refuse connections"
	case state == stateNoAnswer:
		return "does not answer", "do not answer"
	}
	why := a.err.Error()
	var failed *client.Error
	if errors.As(a.err, &failed) {
		why = failed.Detail
	}
	return "fails: " + why, "fail: " + why
}

// isTerminal tells whether a person reads what is written to w.
func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

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
	text   string
	err    error
	advice error // if set, what to say to it is said instead: see hintFor
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
	var advice error
	text := cmd.Name() + ": " + failed.Detail
	switch {
	case cmd.Context().Err() != nil:
		text = cmd.Name() + ": interrupted"
	case failed.Code == api.CodeNotMember: // what it says is all that there is to say
	case noQuorum(failed.Code):
		all := lookAround(cmd.Context(), cl)
		text, advice = cmd.Name()+": "+summary(all, failed.Detail), overTLS(all)
	}
	if what != aRead && failed.Code != api.CodePrecondition { // which says itself that nothing was changed
		text += "\n" + what.fate(failed.Outcome)
	}
	return &explained{text: text, err: err, advice: advice}
}

// overTLS is the error of the first endpoint with which there is no agreement on TLS, if there is one: something can be done about that.
func overTLS(all []asked) error {
	for _, a := range all {
		if client.CodeOf(a.err) == api.CodeTLS {
			return a.err
		}
	}
	return nil
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
	answered, waiting, leader := 0, 0, ""
	for _, a := range all {
		if a.state() == stateWaits {
			waiting++
		}
		if a.Status != nil {
			answered++
			leader = cmp.Or(leader, a.Status.Leader)
		}
	}
	switch {
	case answered == 0 && waiting > 0:
		return "no node takes part in a cluster yet: " + endpointsInWords(all)
	case answered == 0 && len(all) == 1:
		return "no node answers: " + endpointsInWords(all)
	case answered == 0:
		return fmt.Sprintf("none of %d endpoints answers: %s", len(all), endpointsInWords(all))
	case leader == "":
		return "no leader: " + endpointsInWords(all)
	}
	return detail + ": " + endpointsInWords(all)
}

// endpointsInWords groups the endpoints of which the same is to be said, in the order in which they were given.
func endpointsInWords(all []asked) string {
	type said struct{ one, many string }
	var order []said
	groups := map[said][]string{}
	for _, a := range all {
		one, many := a.verbs()
		words := said{one, many}
		if groups[words] == nil {
			order = append(order, words)
		}
		groups[words] = append(groups[words], a.Endpoint)
	}
	var parts []string
	for _, words := range order {
		names, verb := groups[words], words.one
		if len(names) > 1 {
			verb = words.many
		}
		parts = append(parts, strings.Join(names, ", ")+" "+verb)
	}
	return strings.Join(parts, "; ")
}

// The states of an endpoint, as the table of status shows them.
const (
	stateRefused  = "refused"
	stateNoAnswer = "no answer"
	stateWaits    = "waits" // for its cluster's id
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
	case client.CodeOf(a.err) == api.CodeNotMember:
		return stateWaits
	}
	return stateFailed
}

// verbs says what an endpoint does, and what several do that do the same.
func (a asked) verbs() (one, many string) {
	state := a.state()
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
	if state == stateWaits {
		return "waits: " + why, "wait: " + why
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

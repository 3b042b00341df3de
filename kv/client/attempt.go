package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// pauseTime is what lies between rounds over the endpoints. It does not grow: who waits for an election wants
// to go on as soon as it is over, and a call is bounded by its deadline. The servers, which wait with
// a request that they accepted, keep most calls from ever coming to this. Only a server that has too much to do, or too little room
// on its disk, is given more time, up to busyPause.
const (
	pauseTime = 20 * time.Millisecond
	busyPause = 500 * time.Millisecond
)

// minAttempt is what an attempt gets at least, if the call has as much left: long enough for an election.
const minAttempt = time.Second

// minRepeat is the time that must be left to send a call again: with less, a server that would reject it could
// not say so in time, and what was certainly not done would be in doubt.
const minRepeat = 250 * time.Millisecond

// maxAnswer bounds what is read of an answer over HTTP: a list of the longest keys stays below it.
const maxAnswer = 16 << 20

// trial is a call that is being tried.
type trial struct {
	ctx      context.Context
	deadline time.Time
	call     *call

	doubt   *Error // of an earlier attempt, which may have been done
	pause   time.Duration
	outside int // attempts in a row at servers that take no part, or are not trusted
	count   int
}

// way is where an attempt goes.
type way struct {
	which  uint32 // place in the endpoints
	to     *link
	leader bool // it is there because the leader was said to be
}

// do sends the call until there is an answer that settles it, or the time is up.
func (c *Client) do(ctx context.Context, deadline time.Time, call *call) (reply, *Error) {
	if c.cfg.NoRetry {
		return c.once(ctx, deadline, c.links[0], call)
	}
	return c.try(&trial{ctx: ctx, deadline: deadline, call: call, pause: pauseTime})
}

func (c *Client) try(t *trial) (reply, *Error) {
	for {
		way := c.choose(t.call)
		reply, err := c.once(t.ctx, t.share(len(c.links)), way.to, t.call)
		if err == nil {
			return reply, nil
		}
		if last := c.failed(t, way, err); last != nil {
			return reply, last
		}
	}
}

// failed judges an attempt that failed: it gives the error that settles the call, or nil when it is time to try again.
func (c *Client) failed(t *trial, way way, err *Error) *Error {
	t.count++
	switch {
	case t.doubt != nil && err.Code == api.CodePrecondition:
		// The pair of id and number has this answer for good, whichever attempt was first.
		return err
	case err.Outcome == api.Unknown && err.Code != api.CodeSessionUnknown && err.Code != api.CodeSessionStale:
		t.doubt = err
	}
	if t.outside++; err.Code != api.CodeNotMember && err.Code != api.CodeTLS {
		t.outside = 0
	}
	if !again(t.call, err) || t.outside == len(c.links) || c.life.Err() != nil { // nobody is there who takes part, and whom we trust; or this was closed
		return withDoubt(t.doubt, err)
	}
	c.passOver(way)
	if t.pause = min(2*t.pause, busyPause); err.Code != api.CodeBusy && err.Code != api.CodeNoSpace {
		t.pause = pauseTime
	}
	wait := t.pause/2 + rand.N(t.pause/2)
	if (err.Code == api.CodeUnreachable || err.Code == api.CodeTLS) && (way.leader || t.count%len(c.links) != 0) {
		wait = 0 // the next endpoint may do
	}
	if time.Until(t.deadline) < wait+minRepeat {
		return withDoubt(t.doubt, err)
	}
	select {
	case <-time.After(wait):
		return nil
	case <-t.ctx.Done():
		return withDoubt(t.doubt, err)
	}
}

// share gives one attempt its share of the time that is left.
func (t *trial) share(endpoints int) (deadline time.Time) { return t.shareAt(time.Now(), endpoints) }

func (t *trial) shareAt(now time.Time, endpoints int) (deadline time.Time) {
	if t.call.isWrite && !t.call.hasSession {
		return t.deadline // once sent it is not sent again: there is no other attempt to leave time for
	}
	share := now.Add(max(t.deadline.Sub(now)/time.Duration(endpoints), minAttempt))
	if share.After(t.deadline) {
		return t.deadline
	}
	return share
}

// again tells whether to send the call again after that error can help, and cannot do it twice.
func again(call *call, err *Error) bool {
	if err.Outcome == api.Unknown && !call.hasSession {
		return false
	}
	switch err.Code {
	case api.CodeUnreachable, api.CodeNoAnswer, api.CodeUnknown, api.CodeInternal,
		api.CodeNotLeader, api.CodeNoLeader, api.CodeNoQuorum, api.CodeBusy, api.CodeClosing, api.CodeNotMember, api.CodeTLS,
		api.CodeNoSpace: // leadership may be on its way to a node that has room
		return true
	}
	return false
}

// withDoubt: what one attempt leaves open, a refusal of a later one does not close.
func withDoubt(doubt, last *Error) *Error {
	if doubt == nil || doubt == last {
		return last
	}
	combined := *doubt
	combined.Detail += "; and then: " + last.Detail
	combined.Err = errors.Join(doubt.Err, last.Err)
	return &combined
}

// inWords says what happened, and why, to people who may not write Go.
func inWords(what string, err error, began time.Time) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", max(time.Since(began).Round(100*time.Millisecond), 100*time.Millisecond))
	case errors.Is(err, syscall.ECONNREFUSED):
		return what + ": connection refused"
	case errors.Is(err, io.EOF):
		return what + ": the connection was closed"
	}
	return what + ": " + strings.TrimPrefix(err.Error(), "net/http: ")
}

func (call *call) unsettled() api.Outcome {
	if call.isWrite {
		return api.Unknown
	}
	return api.Rejected
}

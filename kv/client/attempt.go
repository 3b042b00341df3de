package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
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

// maxAnswer bounds what is read of an answer: a list of the longest keys stays below it.
const maxAnswer = 16 << 20

// call is one request, however often it is sent.
type call struct {
	op         string
	method     string
	path       string // percent-encoded
	query      string
	header     http.Header
	body       []byte
	isWrite    bool
	hasSession bool // to send it twice does it once
}

func (c *call) setSession(s session) {
	c.hasSession = true
	c.header.Set(api.HeaderClient, s.id)
	c.header.Set(api.HeaderSeq, strconv.FormatUint(s.next, 10))
}

// reply is an answer that is no error, read to its end.
type reply struct {
	endpoint string
	header   http.Header
	body     []byte
}

func (r *reply) index() uint64 {
	index, _ := strconv.ParseUint(r.header.Get(api.HeaderIndex), 10, 64)
	return index
}

// garbled: the server says that it did the call, but the rest cannot be understood.
func (r *reply) garbled(call *call, err error) *Error {
	return call.unanswered(r.endpoint, fmt.Errorf("the answer cannot be understood: %w", err), time.Now())
}

// do sends the call until there is an answer that settles it, or the time is up.
func (c *Client) do(ctx context.Context, call *call) (*reply, *Error) {
	var doubt *Error // of an earlier attempt, which may have been done
	pause, outside := pauseTime, 0
	for attempt := 1; ; attempt++ {
		which, endpoint := c.endpoint()
		if c.cfg.NoRetry {
			return c.once(ctx, c.endpoints[0], call)
		}
		reply, err := c.attempt(ctx, endpoint, call)
		switch {
		case err == nil:
			return reply, nil
		case doubt != nil && err.Code == api.CodePrecondition:
			// The pair of id and number has this answer for good, whichever attempt was first.
			return nil, err
		case err.Outcome == api.Unknown && err.Code != api.CodeSessionUnknown && err.Code != api.CodeSessionStale:
			doubt = err
		}
		if outside++; err.Code != api.CodeNotMember && err.Code != api.CodeTLS {
			outside = 0
		}
		if !again(call, err) || outside == len(c.endpoints) { // nobody is there who takes part, and whom we trust
			return nil, withDoubt(doubt, err)
		}
		c.passOver(which)
		if pause = min(2*pause, busyPause); err.Code != api.CodeBusy && err.Code != api.CodeNoSpace {
			pause = pauseTime
		}
		wait := pause/2 + rand.N(pause/2)
		if (err.Code == api.CodeUnreachable || err.Code == api.CodeTLS) && attempt%len(c.endpoints) != 0 {
			wait = 0 // the next endpoint may do
		}
		if timeLeft(ctx) < wait+minRepeat {
			return nil, withDoubt(doubt, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, withDoubt(doubt, err)
		}
	}
}

// timeLeft is that of the call: every call has a deadline.
func timeLeft(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
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

// attempt gives one endpoint its share of the time that is left.
func (c *Client) attempt(ctx context.Context, endpoint string, call *call) (*reply, *Error) {
	share := max(timeLeft(ctx)/time.Duration(len(c.endpoints)), minAttempt)
	if call.isWrite && !call.hasSession {
		share = timeLeft(ctx) // once sent it is not sent again: there is no other attempt to leave time for
	}
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return c.once(ctx, endpoint, call)
}

// once sends the call to one endpoint and reads the answer.
func (c *Client) once(ctx context.Context, endpoint string, call *call) (*reply, *Error) {
	target := endpoint + call.path
	if call.query != "" {
		target += "?" + call.query
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(call.body))
	if err != nil {
		return nil, &Error{Op: call.op, Code: api.CodeBadRequest, Outcome: api.Rejected, Detail: err.Error(), Endpoint: endpoint, Err: err}
	}
	req.Header = call.header.Clone()
	if call.op != "status" {
		// Less than we wait, so that the server's own words reach us.
		left := timeLeft(ctx)
		left -= min(max(left/10, minRepeat/2), left/2)
		req.Header.Set(api.HeaderTimeout, max(left, time.Millisecond).String())
	}
	began := time.Now()
	resp, sent, err := c.sender.Do(req)
	if err != nil {
		if why := mistrust(err); why != "" && !sent {
			return nil, call.insecure(endpoint, why, err)
		}
		if !sent {
			return nil, &Error{Op: call.op, Code: api.CodeUnreachable, Outcome: api.Rejected, Detail: inWords("cannot be reached", err, began), Endpoint: endpoint, Err: err}
		}
		return nil, call.unanswered(endpoint, err, began)
	}
	defer resp.Body.Close()
	return call.understand(endpoint, resp, began)
}

// understand turns an answer into a reply or an Error.
func (call *call) understand(endpoint string, resp *http.Response, began time.Time) (*reply, *Error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, call.unanswered(endpoint, fmt.Errorf("the answer was cut short: %w", err), began)
	case len(body) > maxAnswer:
		return nil, call.unanswered(endpoint, fmt.Errorf("the answer is longer than %d bytes", maxAnswer), began)
	case speaksTLS(resp, body):
		return nil, call.insecure(endpoint, "the server speaks TLS: use https:// there", errors.New(resp.Status))
	case resp.Header.Get(api.HeaderTerm) == "":
		return nil, call.unanswered(endpoint, fmt.Errorf("what answers there is no node of this service: %s", resp.Status), began)
	case resp.StatusCode == http.StatusOK:
		return &reply{endpoint: endpoint, header: resp.Header, body: body}, nil
	}
	var problem api.Problem
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" {
		return nil, call.unanswered(endpoint, fmt.Errorf("the answer is %s without a reason", resp.Status), began)
	}
	failed := &Error{Op: call.op, Code: problem.Code, Outcome: problem.Outcome, Detail: problem.Detail, Endpoint: endpoint}
	if failed.Outcome != api.Rejected {
		failed.Outcome = call.unsettled()
	}
	return nil, failed
}

// unanswered: the call was sent, and what became of it is not known.
func (call *call) unanswered(endpoint string, err error, began time.Time) *Error {
	return &Error{
		Op: call.op, Code: api.CodeNoAnswer, Outcome: call.unsettled(), Endpoint: endpoint, Err: err,
		Detail: inWords("no answer", err, began),
	}
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

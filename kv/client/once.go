package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
)

// once sends the call to one endpoint and reads the answer.
func (c *Client) once(ctx context.Context, deadline time.Time, to *link, call *call) (reply, *Error) {
	if call.kind != 0 && c.cfg.Protocol == Stream {
		reply, plain, err := c.overStream(ctx, deadline, to, call)
		if !plain {
			return reply, err
		}
	}
	return c.overHTTP(ctx, deadline, to.base, call)
}

// serverTime is what a server is given of the time that is left: less than we wait, so that its own words reach us.
func serverTime(left time.Duration) time.Duration {
	left -= min(max(left/10, minRepeat/2), left/2)
	return max(left, time.Millisecond)
}

// waiter is who waits for a pending call.
type waiter struct {
	pending
	done chan struct{} // has room
}

func newWaiter() *waiter {
	w := &waiter{done: make(chan struct{}, 1)}
	w.told = func() { w.done <- struct{}{} }
	return w
}

// overStream makes the call over the endpoint's stream; plain if it has none.
func (c *Client) overStream(ctx context.Context, deadline time.Time, to *link, call *call) (_ reply, plain bool, _ *Error) {
	w := c.waiters.Get().(*waiter)
	w.call, w.deadline = call, deadline
	for range 2 { // a stream may end at just this moment
		w.began = time.Now()
		if err := ctx.Err(); err != nil {
			return reply{}, false, call.unsent(to.base, err, w.began)
		}
		s, err := to.open(ctx, deadline)
		if errors.Is(err, errPlain) {
			return reply{}, true, nil
		}
		if err != nil {
			return reply{}, false, call.unsent(to.base, err, w.began)
		}
		w.began = time.Now()
		if s.send(&w.pending, serverTime(deadline.Sub(w.began))) != nil {
			continue
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			if s.forget(&w.pending) {
				w.err, w.sent = ctx.Err(), true
			} else {
				<-w.done
			}
		}
		reply, failed := w.settle(to.base)
		w.pending = pending{told: w.told}
		c.waiters.Put(w)
		return reply, false, failed
	}
	return reply{}, false, call.unsent(to.base, errEnding, w.began)
}

// settle turns what came of a call into a reply or an Error.
func (p *pending) settle(endpoint string) (reply, *Error) {
	call := p.call
	switch {
	case p.err != nil && !p.sent:
		return reply{}, call.unsent(endpoint, p.err, p.began)
	case p.err != nil:
		return reply{}, call.unanswered(endpoint, p.err, p.began)
	case p.answer.Kind == wire.Problem:
		return reply{}, call.problem(endpoint, p.answer.Code, p.answer.Outcome, p.detail)
	case p.answer.Kind == wire.Written != call.isWrite:
		return reply{}, call.unanswered(endpoint, errors.New("the answer is to something else"), p.began)
	}
	return reply{endpoint: endpoint, index: p.answer.Index, term: p.answer.Term, version: p.answer.Version, body: p.answer.Data}, nil
}

// unsent: no byte of the call left, or none was read.
func (call *call) unsent(endpoint string, err error, began time.Time) *Error {
	if why := mistrust(err); why != "" {
		return call.insecure(endpoint, why, err)
	}
	return &Error{Op: call.op, Code: api.CodeUnreachable, Outcome: api.Rejected, Detail: inWords("cannot be reached", err, began), Endpoint: endpoint, Err: err}
}

// problem is what a server says. An outcome that it does not know well is not taken for a rejection.
func (call *call) problem(endpoint string, code api.Code, outcome api.Outcome, detail string) *Error {
	failed := &Error{Op: call.op, Code: code, Outcome: outcome, Detail: detail, Endpoint: endpoint}
	if failed.Outcome != api.Rejected {
		failed.Outcome = call.unsettled()
	}
	return failed
}

// overHTTP makes the call as one request.
func (c *Client) overHTTP(ctx context.Context, deadline time.Time, endpoint string, call *call) (reply, *Error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	call.layOut()
	target := endpoint + call.path
	if call.query != "" {
		target += "?" + call.query
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(call.body))
	if err != nil {
		return reply{}, &Error{Op: call.op, Code: api.CodeBadRequest, Outcome: api.Rejected, Detail: err.Error(), Endpoint: endpoint, Err: err}
	}
	req.Header = call.header.Clone()
	if call.op != "status" {
		req.Header.Set(api.HeaderTimeout, serverTime(time.Until(deadline)).String())
	}
	began := time.Now()
	resp, sent, err := c.sender.Do(req)
	if err != nil {
		if !sent {
			return reply{}, call.unsent(endpoint, err, began)
		}
		return reply{}, call.unanswered(endpoint, err, began)
	}
	defer resp.Body.Close()
	return call.understand(endpoint, resp, began)
}

// understand turns an answer into a reply or an Error.
func (call *call) understand(endpoint string, resp *http.Response, began time.Time) (reply, *Error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return reply{}, call.unanswered(endpoint, fmt.Errorf("the answer was cut short: %w", err), began)
	case len(body) > maxAnswer:
		return reply{}, call.unanswered(endpoint, fmt.Errorf("the answer is longer than %d bytes", maxAnswer), began)
	case speaksTLS(resp, body):
		return reply{}, call.insecure(endpoint, "the server speaks TLS: use https:// there", errors.New(resp.Status))
	case resp.Header.Get(api.HeaderTerm) == "":
		return reply{}, call.unanswered(endpoint, fmt.Errorf("what answers there is no node of this service: %s", resp.Status), began)
	case resp.StatusCode == http.StatusOK:
		return call.read(endpoint, resp.Header, body)
	}
	var problem api.Problem
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" {
		return reply{}, call.unanswered(endpoint, fmt.Errorf("the answer is %s without a reason", resp.Status), began)
	}
	return reply{}, call.problem(endpoint, problem.Code, problem.Outcome, problem.Detail)
}

// unanswered: the call was sent, and what became of it is not known.
func (call *call) unanswered(endpoint string, err error, began time.Time) *Error {
	return &Error{
		Op: call.op, Code: api.CodeNoAnswer, Outcome: call.unsettled(), Endpoint: endpoint, Err: err,
		Detail: inWords("no answer", err, began),
	}
}

package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/raftnode/raft/kv/api"
)

// WriteOption is a condition of a write, or its session.
type WriteOption func(*call)

// IfVersion lets the write happen only if the key is there with this version; else api.CodePrecondition.
func IfVersion(version uint64) WriteOption {
	return func(c *call) { c.header.Set("If-Match", `"`+strconv.FormatUint(version, 10)+`"`) }
}

// IfExists lets the write happen only if the key is there; else api.CodePrecondition.
func IfExists() WriteOption { return func(c *call) { c.header.Set("If-Match", "*") } }

// IfAbsent lets the write happen only if the key is not there; else api.CodePrecondition.
func IfAbsent() WriteOption { return func(c *call) { c.header.Set("If-None-Match", "*") } }

// WithSession names the write with a client id and sequence number of the caller's, in place of the
// Client's own: a repeat of the pair gets the first answer again. An id begins with 1, and each
// further write has a higher number. An id must have one write at a time.
func WithSession(id string, seq uint64) WriteOption {
	return func(c *call) { c.setSession(session{id: id, next: seq}) }
}

// Put sets the key to the value.
func (c *Client) Put(ctx context.Context, key string, value []byte, options ...WriteOption) (api.Written, error) {
	return c.write(ctx, "put", http.MethodPut, api.PathKey, key, value, options)
}

// Append adds the value to the end of what the key has; a key that is not there begins empty.
func (c *Client) Append(ctx context.Context, key string, value []byte, options ...WriteOption) (api.Written, error) {
	return c.write(ctx, "append", http.MethodPost, api.PathAppend, key, value, options)
}

// Delete removes the key, whether or not it is there.
func (c *Client) Delete(ctx context.Context, key string, options ...WriteOption) (api.Written, error) {
	return c.write(ctx, "delete", http.MethodDelete, api.PathKey, key, nil, options)
}

func (c *Client) write(ctx context.Context, op, method, path, key string, value []byte, options []WriteOption) (api.Written, error) {
	if err := checkSizes(op, key, value); err != nil {
		return api.Written{}, err
	}
	call := &call{op: op, method: method, path: path + url.PathEscape(key), header: http.Header{}, body: value, isWrite: true}
	for _, option := range options {
		option(call)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var reply *reply
	var err *Error
	if call.hasSession || c.cfg.NoRetry {
		reply, err = c.do(ctx, call)
	} else {
		reply, err = c.doInSession(ctx, call)
	}
	if err != nil {
		return api.Written{}, err
	}
	var written api.Written
	if err := json.Unmarshal(reply.body, &written); err != nil {
		return api.Written{}, reply.garbled(call, err)
	}
	return written, nil
}

// doInSession does a write in a session of the Client's own.
func (c *Client) doInSession(ctx context.Context, call *call) (*reply, *Error) {
	session := c.sessions.take()
	for {
		call.setSession(session)
		reply, err := c.do(ctx, call)
		switch {
		case err == nil, err.Code == api.CodePrecondition:
			c.sessions.give(session)
		case err.Code == api.CodeSessionUnknown && session.next != 1:
			// The servers forgot a session that was idle for long. If any attempt before this answer had been in
			// doubt, do would have said so instead: the write was not done.
			session = newSession()
			continue
		}
		return reply, err
	}
}

func checkSizes(op, key string, value []byte) error {
	problem := (*api.Problem)(nil)
	switch {
	case key == "":
		problem = api.NewProblem(api.CodeBadRequest, "the key is empty: it has 1 to %d bytes", api.MaxKeyBytes)
	case len(key) > api.MaxKeyBytes:
		problem = api.NewProblem(api.CodeKeyTooLarge, "the key has %d bytes; at most %d are possible", len(key), api.MaxKeyBytes)
	case len(value) > api.MaxValueBytes:
		problem = api.NewProblem(api.CodeValueTooLarge, "the value has %d bytes; at most %d are possible", len(value), api.MaxValueBytes)
	default:
		return nil
	}
	return &Error{Op: op, Code: problem.Code, Outcome: problem.Outcome, Detail: problem.Detail}
}

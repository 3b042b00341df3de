package client

import (
	"context"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
	"github.com/raftnode/raft/kv/wire"
)

// WriteOption is a condition of a write, or its session.
type WriteOption func(*call)

// IfVersion lets the write happen only if the key is there with this version; else api.CodePrecondition.
func IfVersion(version uint64) WriteOption {
	return func(c *call) { c.command.If, c.command.Version = command.IfVersion, version }
}

// IfExists lets the write happen only if the key is there; else api.CodePrecondition.
func IfExists() WriteOption {
	return func(c *call) { c.command.If, c.command.Version = command.IfExists, 0 }
}

// IfAbsent lets the write happen only if the key is not there; else api.CodePrecondition.
func IfAbsent() WriteOption {
	return func(c *call) { c.command.If, c.command.Version = command.IfAbsent, 0 }
}

// WithSession names the write with a client id and sequence number of the caller's, in place of the
// Client's own: a repeat of the pair gets the first answer again. An id begins with 1, and each
// further write has a higher number. An id must have one write at a time.
func WithSession(id string, seq uint64) WriteOption {
	return func(c *call) { c.setSession(session{id: id, next: seq}) }
}

// Put sets the key to the value.
func (c *Client) Put(ctx context.Context, key string, value []byte, options ...WriteOption) (api.Written, error) {
	return c.write(ctx, "put", command.Put, key, value, options)
}

// Append adds the value to the end of what the key has; a key that is not there begins empty.
func (c *Client) Append(ctx context.Context, key string, value []byte, options ...WriteOption) (api.Written, error) {
	return c.write(ctx, "append", command.Append, key, value, options)
}

// Delete removes the key, whether or not it is there.
func (c *Client) Delete(ctx context.Context, key string, options ...WriteOption) (api.Written, error) {
	return c.write(ctx, "delete", command.Delete, key, nil, options)
}

func (c *Client) write(ctx context.Context, op string, what uint8, key string, value []byte, options []WriteOption) (api.Written, error) {
	call, err := c.newWrite(op, what, key, value, options)
	if err != nil {
		return api.Written{}, err
	}
	var answer reply
	var failed *Error
	if deadline := c.within(ctx); call.hasSession || c.cfg.NoRetry {
		answer, failed = c.do(ctx, deadline, call)
	} else {
		answer, failed = c.doInSession(ctx, deadline, call)
	}
	c.calls.Put(call)
	if failed != nil {
		return api.Written{}, failed
	}
	return answer.written(), nil
}

func (r *reply) written() api.Written { return api.Written{Index: r.index, Term: r.term} }

func (c *Client) newWrite(op string, what uint8, key string, value []byte, options []WriteOption) (*call, error) {
	if err := checkSizes(op, key, value); err != nil {
		return nil, err
	}
	call := c.calls.Get().(*call)
	*call = newCall(op, true, wire.Write)
	call.command.Op, call.command.Key, call.command.Value = what, key, value
	for _, option := range options {
		option(call)
	}
	return call, nil
}

// doInSession does a write in a session of the Client's own.
func (c *Client) doInSession(ctx context.Context, deadline time.Time, call *call) (reply, *Error) {
	session := c.sessions.take()
	for {
		call.setSession(session)
		reply, err := c.do(ctx, deadline, call)
		var again bool
		if session, again = c.settle(session, err); !again {
			return reply, err
		}
	}
}

// settle takes a session back after a write, if what became of that is known. With again the write was not done, because the servers forgot a session that was
// idle for long, and is to be done in another one: if any attempt before that answer had been in doubt, do would have said so instead.
func (c *Client) settle(used session, err *Error) (_ session, again bool) {
	switch {
	case err == nil, err.Code == api.CodePrecondition:
		c.sessions.give(used)
	case err.Code == api.CodeSessionUnknown && used.next != 1:
		return newSession(), true
	}
	return session{}, false
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

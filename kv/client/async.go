package client

import (
	"context"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
)

// PutAsync is Put that does not wait: done is called once, by another goroutine, which it must not hold up. As long as nothing goes wrong a call costs no
// goroutine. The end of ctx is noticed by its deadline, and before a call is sent again.
func (c *Client) PutAsync(ctx context.Context, key string, value []byte, done func(api.Written, error), options ...WriteOption) {
	call, err := c.newWrite("put", command.Put, key, value, options)
	c.startWrite(ctx, call, err, done)
}

// DeleteAsync is Delete as PutAsync is Put.
func (c *Client) DeleteAsync(ctx context.Context, key string, done func(api.Written, error), options ...WriteOption) {
	call, err := c.newWrite("delete", command.Delete, key, nil, options)
	c.startWrite(ctx, call, err, done)
}

// GetAsync is Get as PutAsync is Put.
func (c *Client) GetAsync(ctx context.Context, key string, done func(Value, error), options ...ReadOption) {
	call, err := c.newGet(key, options)
	if err != nil {
		go done(Value{}, err)
		return
	}
	s := c.newStart(ctx, call)
	s.read = done
	s.begin()
}

func (c *Client) startWrite(ctx context.Context, call *call, err error, done func(api.Written, error)) {
	if err != nil {
		go done(api.Written{}, err)
		return
	}
	s := c.newStart(ctx, call)
	s.write = done
	if !call.hasSession && !c.cfg.NoRetry {
		s.session = c.sessions.take()
		s.own = true
		call.setSession(s.session)
	}
	s.begin()
}

// start is a call that nobody waits for.
type start struct {
	pending
	client  *Client
	trial   trial
	way     way
	session session
	own     bool // the session is the Client's

	write func(api.Written, error) // one of the two
	read  func(Value, error)
}

func (c *Client) newStart(ctx context.Context, call *call) *start {
	s := c.starts.Get().(*start)
	s.call = call
	s.trial = trial{ctx: ctx, deadline: c.within(ctx), call: call, pause: pauseTime}
	return s
}

func newStart(c *Client) *start {
	s := &start{client: c}
	s.told = s.answered
	return s
}

// begin sends the call, if there is a stream to send it over; else a goroutine looks for another way.
func (s *start) begin() {
	c := s.client
	s.way = c.choose(s.call)
	if c.cfg.NoRetry {
		s.way = way{to: c.links[0]}
	}
	s.began = time.Now()
	if c.cfg.Protocol == Stream && s.trial.ctx.Err() == nil {
		if stream := s.way.to.ready(); stream != nil {
			s.deadline = s.trial.shareAt(s.began, len(c.links))
			if stream.send(&s.pending, serverTime(s.deadline.Sub(s.began))) == nil {
				return
			}
		}
	}
	go func() { s.finish(c.resume(&s.trial)) }()
}

// resume goes on with a call of which nothing is under way.
func (c *Client) resume(t *trial) (reply, *Error) {
	if c.cfg.NoRetry {
		return c.once(t.ctx, t.deadline, c.links[0], t.call)
	}
	return c.try(t)
}

// answered is called by the stream.
func (s *start) answered() {
	reply, err := s.settle(s.way.to.base)
	if err == nil || s.client.cfg.NoRetry {
		s.finish(reply, err)
		return
	}
	go func() {
		if last := s.client.failed(&s.trial, s.way, err); last != nil {
			s.finish(reply, last)
			return
		}
		s.finish(s.client.try(&s.trial))
	}()
}

// finish tells who began the call. A write in a session that the servers forgot is done in another.
func (s *start) finish(answer reply, err *Error) {
	c := s.client
	if s.own {
		if next, again := c.settle(s.session, err); again {
			go func() {
				s.session, s.trial = next, trial{ctx: s.trial.ctx, deadline: s.trial.deadline, call: s.call, pause: pauseTime}
				s.call.setSession(next)
				s.finish(c.try(&s.trial))
			}()
			return
		}
	}
	write, read := s.write, s.read
	c.calls.Put(s.call)
	*s = start{client: c, pending: pending{told: s.told}}
	c.starts.Put(s)
	var failed error
	if err != nil {
		failed = err
	}
	if read != nil {
		read(answer.value(), failed)
		return
	}
	write(answer.written(), failed)
}

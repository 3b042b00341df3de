package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
)

// Value is what a key has.
type Value struct {
	Data    []byte
	Version uint64 // the index that last changed the key
	Index   uint64 // how far the server that answered had applied the log
}

// List is a page of keys.
type List struct {
	api.Listed
	Index uint64 // how far the server that answered had applied the log
}

// ReadOption changes a read.
type ReadOption func(url.Values)

// Stale lets the asked server answer from what it has, which may be behind; Index says how far it is.
func Stale() ReadOption { return func(query url.Values) { query.Set("consistency", api.Stale) } }

// Get gives the value of the key; an error with api.CodeNotFound if it is not there.
func (c *Client) Get(ctx context.Context, key string, options ...ReadOption) (Value, error) {
	call, err := c.newGet(key, options)
	if err != nil {
		return Value{}, err
	}
	reply, failed := c.do(ctx, c.within(ctx), call)
	c.calls.Put(call)
	if failed != nil {
		return Value{}, failed
	}
	return reply.value(), nil
}

func (r *reply) value() Value { return Value{Data: r.body, Version: r.version, Index: r.index} }

func (c *Client) newGet(key string, options []ReadOption) (*call, error) {
	if err := checkSizes("get", key, nil); err != nil {
		return nil, err
	}
	call := c.calls.Get().(*call)
	*call = newCall("get", false, wire.Get)
	call.command.Key = key
	if len(options) > 0 {
		query := url.Values{}
		for _, option := range options {
			option(query)
		}
		if query.Get("consistency") == api.Stale {
			call.kind = wire.StaleGet
		}
	}
	return call, nil
}

// List gives up to limit keys (0: api.DefaultListLimit; at most api.MaxListLimit) that begin with prefix and come
// behind after ("": from the first).
func (c *Client) List(ctx context.Context, prefix, after string, limit int, options ...ReadOption) (List, error) {
	query := url.Values{}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	if after != "" {
		query.Set("after", after)
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	call := newRead("list", api.PathList, query, options)
	reply, err := c.do(ctx, c.within(ctx), call)
	if err != nil {
		return List{}, err
	}
	list := List{Index: reply.index}
	if err := json.Unmarshal(reply.body, &list.Listed); err != nil {
		return List{}, reply.garbled(call, err)
	}
	return list, nil
}

func newRead(op, path string, query url.Values, options []ReadOption) *call {
	for _, option := range options {
		option(query)
	}
	return &call{op: op, method: http.MethodGet, path: path, query: query.Encode(), header: http.Header{}}
}

// Status asks one endpoint, once, what it knows of itself and the cluster.
func (c *Client) Status(ctx context.Context, endpoint string) (api.Status, error) {
	call := newRead("status", api.PathStatus, url.Values{}, nil)
	reply, err := c.ask(ctx, endpoint, call)
	if err != nil {
		return api.Status{}, err
	}
	var status api.Status
	if err := json.Unmarshal(reply.body, &status); err != nil {
		return api.Status{}, reply.garbled(call, err)
	}
	return status, nil
}

// Ready asks one endpoint, once, whether linearizable reads can be done through it. The server looks
// for a leader for up to a second.
func (c *Client) Ready(ctx context.Context, endpoint string) error {
	_, err := c.ask(ctx, endpoint, newRead("ready", api.PathReady, url.Values{}, nil))
	return err
}

// ask sends the call to that endpoint only.
func (c *Client) ask(ctx context.Context, endpoint string, call *call) (reply, error) {
	base, err := c.parseEndpoint(endpoint)
	if err != nil {
		return reply{}, &Error{Op: call.op, Code: api.CodeBadRequest, Outcome: api.Rejected, Detail: err.Error(), Err: err}
	}
	answer, failed := c.overHTTP(ctx, c.within(ctx), base, call)
	if failed != nil {
		return reply{}, failed
	}
	return answer, nil
}

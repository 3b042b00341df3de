package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
	"github.com/raftnode/raft/kv/wire"
)

// call is one request, however often it is sent.
type call struct {
	op         string
	isWrite    bool
	hasSession bool // to send it twice does it once

	// Of a key. A kind of 0 is a call that only HTTP has.
	kind    wire.Kind
	command command.Command // of a read only the Key

	// As HTTP has it; of a key not before layOut.
	method string
	path   string // percent-encoded
	query  string
	header http.Header
	body   []byte
}

// reply is an answer that is no error.
type reply struct {
	endpoint string
	index    uint64
	term     uint64 // of a write
	version  uint64 // of a key that was read
	body     []byte
}

func newCall(op string, isWrite bool, kind wire.Kind) call {
	return call{op: op, isWrite: isWrite, kind: kind}
}

func (c *call) setSession(s session) {
	c.hasSession = true
	c.command.Client, c.command.Seq = s.id, s.next
	c.header = nil
}

// layOut makes the call one of HTTP.
func (c *call) layOut() {
	if c.kind == 0 || c.header != nil {
		return
	}
	c.header = http.Header{}
	c.path = api.PathKey
	switch {
	case !c.isWrite:
		c.method = http.MethodGet
		if c.kind == wire.StaleGet {
			c.query = "consistency=" + api.Stale
		}
	case c.command.Op == command.Put:
		c.method = http.MethodPut
	case c.command.Op == command.Append:
		c.method, c.path = http.MethodPost, api.PathAppend
	default:
		c.method = http.MethodDelete
	}
	c.path += url.PathEscape(c.command.Key)
	c.body = c.command.Value
	switch c.command.If {
	case command.IfVersion:
		c.header.Set("If-Match", `"`+strconv.FormatUint(c.command.Version, 10)+`"`)
	case command.IfExists:
		c.header.Set("If-Match", "*")
	case command.IfAbsent:
		c.header.Set("If-None-Match", "*")
	}
	if c.hasSession {
		c.header.Set(api.HeaderClient, c.command.Client)
		c.header.Set(api.HeaderSeq, strconv.FormatUint(c.command.Seq, 10))
	}
}

// read takes from an answer of HTTP what the call is about. The rest is the caller's to read.
func (c *call) read(endpoint string, header http.Header, body []byte) (reply, *Error) {
	r := reply{endpoint: endpoint, body: body}
	r.index, _ = strconv.ParseUint(header.Get(api.HeaderIndex), 10, 64)
	switch {
	case c.kind == 0:
	case c.isWrite:
		var written api.Written
		if err := json.Unmarshal(body, &written); err != nil {
			return reply{}, r.garbled(c, err)
		}
		r.index, r.term = written.Index, written.Term
	default:
		version, err := strconv.ParseUint(strings.Trim(header.Get("ETag"), `"`), 10, 64)
		if err != nil {
			return reply{}, r.garbled(c, err)
		}
		r.version = version
	}
	return r, nil
}

// garbled: the server says that it did the call, but the rest cannot be understood.
func (r *reply) garbled(call *call, err error) *Error {
	return call.unanswered(r.endpoint, fmt.Errorf("the answer cannot be understood: %w", err), time.Now())
}

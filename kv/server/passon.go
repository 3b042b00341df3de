package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
	"github.com/raftnode/raft/raft"
)

// passOn lets a request that this node could not do at once go the way that it would go over HTTP: to the leader, or waiting for one, for as long as its time lasts.
// So what may be tried again, and what is said in the end, is decided in one place. It costs a goroutine; the client is told where the leader is, so that it
// does not stay like that.
func (f *flight) passOn(leader raft.ServerID) {
	st := f.stream
	address := st.leadersAddress(leader)
	st.mu.Lock()
	defer st.mu.Unlock()
	if f.answered || st.dead {
		st.reuse(f)
		return
	}
	if address != "" && address != st.hinted {
		st.hinted = address
		st.out.buf = wire.AppendLeader(st.out.buf, address)
		st.wakeWriter()
	}
	f.slow = true
	if f.bytes >= 0 {
		st.server.door.leave(1, f.bytes) // it will come in again
		f.bytes = -1
	}
	st.slow.Go(f.overHTTP)
}

func (st *stream) leadersAddress(leader raft.ServerID) string {
	if leader == "" {
		return ""
	}
	address, _ := st.server.cfg.ClientAddress(leader)
	return address
}

// overHTTP does the request as if it had come over HTTP.
func (f *flight) overHTTP() {
	left := time.Until(f.deadline)
	if left < time.Millisecond {
		f.refuse(api.NewProblem(api.CodeNoLeader, "no leader could be reached in time, nothing was done"))
		return
	}
	ctx, cancel := context.WithTimeout(f.stream.ctx, left)
	defer cancel()
	request, err := f.request(ctx, left)
	if err != nil {
		f.refuse(bad("%v", err)) // it was checked: this cannot be
		return
	}
	answer := &kept{header: http.Header{}}
	if problem := f.stream.server.route(answer, request); problem != nil {
		f.refuse(problem)
		return
	}
	f.answerKept(answer)
}

// request is the request as HTTP has it.
func (f *flight) request(ctx context.Context, left time.Duration) (*http.Request, error) {
	method, path, key, body := http.MethodGet, api.PathKey, string(f.body), []byte(nil)
	header := http.Header{}
	if f.kind == wire.Write {
		v, err := kv.Parse(f.body)
		if err != nil {
			return nil, err
		}
		key, body = string(v.Key), v.Value
		switch v.Op {
		case kv.Put:
			method = http.MethodPut
		case kv.Append:
			method, path = http.MethodPost, api.PathAppend
		case kv.Delete:
			method = http.MethodDelete
		}
		setCondition(header, v.If)
		if len(v.Client) > 0 {
			header.Set(api.HeaderClient, string(v.Client))
			header.Set(api.HeaderSeq, strconv.FormatUint(v.Seq, 10))
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://stream"+path+url.PathEscape(key), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	header.Set(api.HeaderTimeout, left.String())
	request.Header = header
	return request, nil
}

func setCondition(header http.Header, condition kv.Condition) {
	switch condition.Kind {
	case kv.Always:
	case kv.IfVersion:
		header.Set("If-Match", etag(condition.Version))
	case kv.IfExists:
		header.Set("If-Match", "*")
	case kv.IfAbsent:
		header.Set("If-None-Match", "*")
	}
}

// answerKept translates an answer of HTTP.
func (f *flight) answerKept(answer *kept) {
	body := answer.body.Bytes()
	number := func(name string) uint64 {
		n, _ := strconv.ParseUint(strings.Trim(answer.header.Get(name), `"`), 10, 64)
		return n
	}
	index, term := number(api.HeaderIndex), number(api.HeaderTerm)
	if length := answer.header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) {
		f.refuse(f.cutShort())
		return
	}
	if answer.status != http.StatusOK {
		var problem api.Problem
		if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" || len(problem.Code) > 255 {
			f.refuse(f.cutShort())
			return
		}
		f.refuseAt(&problem, position{index: raft.Index(index), term: raft.Term(term)})
		return
	}
	st := f.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	if !f.answered {
		if f.kind == wire.Write {
			st.out.buf = wire.AppendWritten(st.out.buf, f.id, index, term)
		} else {
			st.out.buf = wire.AppendValueHead(st.out.buf, f.id, index, 0, number("ETag"), len(body))
			st.out.value(body)
		}
		st.written(f)
	}
	st.reuse(f)
}

// cutShort: the leader's answer broke off.
func (f *flight) cutShort() *api.Problem {
	if f.kind == wire.Write {
		return api.NewProblem(api.CodeUnknown, "the leader may have done the write, but its answer broke off; read the key to see")
	}
	return api.NewProblem(api.CodeNoLeader, "the leader's answer broke off; try again")
}

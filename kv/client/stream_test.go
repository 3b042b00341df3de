package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
)

// streamer is a scripted server of the native protocol: each connection is given to serve, which ends it by returning.
type streamer struct {
	addr  string
	conns chan int // gets the number of each connection that began
}

type served struct {
	net.Conn
	in     *wire.Reader
	number int // of this connection, from 1
}

// next gives the next request; false at the end.
func (s *served) next() (wire.Request, bool) {
	frame, err := s.in.Next()
	if err != nil {
		return wire.Request{}, false
	}
	r, err := wire.ParseRequest(frame)
	return r, err == nil
}

func (s *served) says(b []byte) { _, _ = s.Write(b) }

func streams(t *testing.T, serve func(*served)) *streamer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &streamer{addr: listener.Addr().String(), conns: make(chan int, 1000)}
	var running sync.WaitGroup
	running.Go(func() {
		for number := 1; ; number++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				if req, err := http.ReadRequest(in); err != nil || req.URL.Path != api.PathStream {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raftkv/1\r\nRaft-Term: 2\r\n\r\n")
				s.conns <- number
				serve(&served{conn, wire.NewReader(in, nil, true), number})
			})
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return s
}

// obliging answers every request.
func obliging(s *served) {
	for {
		r, ok := s.next()
		if !ok {
			return
		}
		if r.Kind == wire.Write {
			s.says(wire.AppendWritten(nil, r.ID, r.ID+10, 2))
		} else {
			s.says(append(wire.AppendValueHead(nil, r.ID, 17, 0, 12, 5), "value"...))
		}
	}
}

func TestCallsShareAStream(t *testing.T) {
	s := streams(t, obliging)
	c := connect(t, Config{Protocol: Stream}, s.addr)
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			for range 20 {
				if got, err := c.Put(t.Context(), "k", []byte("v")); err != nil || got.Index < 11 || got.Term != 2 {
					t.Errorf("%+v, %v", got, err)
				}
				if got, err := c.Get(t.Context(), "k", Stale()); err != nil || string(got.Data) != "value" || got.Version != 12 || got.Index != 17 {
					t.Errorf("%+v, %v", got, err)
				}
			}
		})
	}
	callers.Wait()
	if n := len(s.conns); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAnswersInAnotherOrder(t *testing.T) {
	s := streams(t, func(s *served) {
		var ids []uint64
		for range 3 {
			r, _ := s.next()
			ids = append(ids, r.ID)
		}
		for i := range ids {
			s.says(wire.AppendWritten(nil, ids[len(ids)-1-i], 100+ids[len(ids)-1-i], 2))
		}
		_, _ = s.next()
	})
	c := connect(t, Config{Protocol: Stream, NoRetry: true}, s.addr)
	got := make(chan uint64, 3)
	for range 3 {
		go func() {
			written, err := c.Put(t.Context(), "k", nil)
			if err != nil {
				t.Error(err)
			}
			got <- written.Index
		}()
	}
	seen := map[uint64]bool{}
	for range 3 {
		seen[<-got] = true
	}
	if !seen[101] || !seen[102] || !seen[103] {
		t.Errorf("got %v", seen)
	}
}

// What is said of a write when its stream ends under it.
func TestTheOutcomeOfAStreamThatEnds(t *testing.T) {
	goodbye := func(last uint64) []byte {
		return wire.AppendProblem(nil, wire.Goodbye, last, 0, 0, api.NewProblem(api.CodeClosing, "for a test"))
	}
	for name, test := range map[string]struct {
		serve   func(*served)
		code    api.Code
		outcome api.Outcome
	}{
		"closed":                 {func(s *served) { s.next() }, api.CodeNoAnswer, api.Unknown},
		"goodbye, not read":      {func(s *served) { s.next(); s.says(goodbye(0)); s.next() }, api.CodeClosing, api.Rejected},
		"goodbye, read":          {func(s *served) { s.next(); s.says(goodbye(1)) }, api.CodeNoAnswer, api.Unknown},
		"garbage":                {func(s *served) { s.next(); s.says([]byte("\xff\xff\xff\xff")) }, api.CodeNoAnswer, api.Unknown},
		"an answer to something": {func(s *served) { s.next(); s.says(wire.AppendWritten(nil, 7, 1, 1)); s.next() }, api.CodeNoAnswer, api.Unknown},
		"a value for a write":    {func(s *served) { s.next(); s.says(wire.AppendValueHead(nil, 1, 1, 1, 1, 0)); s.next() }, api.CodeNoAnswer, api.Unknown},
		"half an answer":         {func(s *served) { s.next(); s.says(wire.AppendWritten(nil, 1, 1, 1)[:9]) }, api.CodeNoAnswer, api.Unknown},
		"an unknown outcome": {func(s *served) {
			s.next()
			s.says(wire.AppendProblem(nil, wire.Problem, 1, 0, 0, api.NewProblem(api.CodeUnknown, "x")))
			s.next()
		}, api.CodeUnknown, api.Unknown},
		"a rejection": {func(s *served) {
			s.next()
			s.says(wire.AppendProblem(nil, wire.Problem, 1, 0, 0, api.NewProblem(api.CodeBusy, "x")))
			s.next()
		}, api.CodeBusy, api.Rejected},
		"silence": {func(s *served) { s.next(); s.next() }, api.CodeNoAnswer, api.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, Config{Protocol: Stream, NoRetry: true, Timeout: 300 * time.Millisecond}, streams(t, test.serve).addr)
			_, err := c.Put(t.Context(), "k", nil)
			isError(t, err, test.code, test.outcome)
		})
	}
}

// The write whose answer was lost is sent again, in its session, over a new stream; and a stream that takes no more calls is replaced.
func TestAWriteOutlivesItsStream(t *testing.T) {
	var mu sync.Mutex
	bodies := map[string]int{}
	s := streams(t, func(s *served) {
		for {
			r, ok := s.next()
			if !ok {
				return
			}
			mu.Lock()
			bodies[string(r.Body)]++
			mu.Unlock()
			if s.number == 1 {
				return
			}
			s.says(wire.AppendWritten(nil, r.ID, 11, 2))
		}
	})
	c := connect(t, Config{Protocol: Stream}, s.addr)
	if got, err := c.Put(t.Context(), "k", []byte("v")); err != nil || got.Index != 11 {
		t.Fatal(got, err)
	}
	if len(bodies) != 1 || len(s.conns) != 2 {
		t.Errorf("%d different requests over %d streams, want one over 2", len(bodies), len(s.conns))
	}
}

// A caller who waits no longer leaves the stream to the others.
func TestAnInterruptedCall(t *testing.T) {
	hold := make(chan struct{})
	s := streams(t, func(s *served) {
		first, _ := s.next()
		close(hold)
		second, _ := s.next()
		s.says(wire.AppendWritten(wire.AppendWritten(nil, second.ID, 12, 2), first.ID, 11, 2))
		_, _ = s.next()
	})
	c := connect(t, Config{Protocol: Stream, NoRetry: true}, s.addr)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hold; cancel() }()
	_, err := c.Put(ctx, "k", nil)
	isError(t, err, api.CodeNoAnswer, api.Unknown)
	if got, err := c.Put(t.Context(), "k", nil); err != nil || got.Index != 12 {
		t.Errorf("%+v, %v", got, err)
	}
	if len(s.conns) != 1 {
		t.Error("another stream was begun")
	}
}

// Where the leader is said to be, there calls go.
func TestCallsGoToTheLeader(t *testing.T) {
	leader := streams(t, obliging)
	follower := streams(t, func(s *served) {
		r, _ := s.next()
		s.says(wire.AppendWritten(wire.AppendLeader(nil, leader.addr), r.ID, 1, 2))
		obliging(s)
	})
	c := connect(t, Config{Protocol: Stream}, follower.addr)
	if _, err := c.Put(t.Context(), "k", nil); err != nil {
		t.Fatal(err)
	}
	<-leader.conns
	c.running.Wait()
	if w := c.choose(&call{kind: wire.Write}); !w.leader || w.to.base != "http://"+leader.addr {
		t.Errorf("the next call goes to %s", w.to.base)
	}
	if _, err := c.Put(t.Context(), "k", nil); err != nil {
		t.Error(err)
	}
	c.leads("not an address") // who is nobody is not followed
	if w := c.choose(&call{kind: wire.Write}); w.to.base != "http://"+leader.addr {
		t.Errorf("the next call goes to %s", w.to.base)
	}
}

// A server that does not know streams is spoken to over HTTP, and not asked again at once.
func TestAServerWithoutStreams(t *testing.T) {
	s := serve(t, problem(api.CodeNoSuchPath), written(17), written(18))
	c := connect(t, Config{Protocol: Stream}, s.addr)
	for index := range uint64(2) {
		if got, err := c.Put(t.Context(), "k", nil); err != nil || got.Index != 17+index {
			t.Fatal(got, err)
		}
	}
	if got := s.got(); len(got) != 3 || got[0].target != api.PathStream || got[1].method != http.MethodPut {
		t.Errorf("asked %+v", got)
	}
}

func TestAsynchronousCalls(t *testing.T) {
	s := streams(t, obliging)
	c := connect(t, Config{Protocol: Stream}, s.addr)
	const each = 50
	told := make(chan error, 3*each)
	for range each {
		c.PutAsync(t.Context(), "k", nil, func(_ api.Written, err error) { told <- err })
		c.DeleteAsync(t.Context(), "k", func(_ api.Written, err error) { told <- err })
		c.GetAsync(t.Context(), "k", func(v Value, err error) {
			if err == nil && string(v.Data) != "value" {
				err = fmt.Errorf("got %q", v.Data)
			}
			told <- err
		})
	}
	for range 3 * each {
		if err := <-told; err != nil {
			t.Error(err)
		}
	}
	c.PutAsync(t.Context(), "", nil, func(_ api.Written, err error) { told <- err })
	isError(t, <-told, api.CodeBadRequest, api.Rejected)
	gone := connect(t, Config{Protocol: Stream, Timeout: 300 * time.Millisecond}, refused(t))
	gone.GetAsync(t.Context(), "k", func(_ Value, err error) { told <- err })
	isError(t, <-told, api.CodeUnreachable, api.Rejected)
}

// Whoever begins a call does not wait, whichever way it goes: a server that says nothing holds up none of them.
func TestAnAsynchronousCallDoesNotWait(t *testing.T) {
	for _, protocol := range []Protocol{HTTP, Stream} {
		silent := serve(t, silent)
		c := connect(t, Config{Protocol: protocol, NoRetry: true, Timeout: api.MaxTimeout}, silent.addr)
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 3)
		for range cap(told) {
			c.PutAsync(ctx, "k", nil, func(_ api.Written, err error) { told <- err })
		}
		cancel()
		for range cap(told) {
			if err := <-told; CodeOf(err) != api.CodeNoAnswer && CodeOf(err) != api.CodeUnreachable {
				t.Errorf("%s: %v", protocol, err)
			}
		}
	}
}

// A call over a stream that is open costs next to nothing.
func TestWhatACallAllocates(t *testing.T) {
	c := connect(t, Config{Protocol: Stream}, streams(t, func(s *served) {
		var out []byte
		for {
			r, ok := s.next()
			if !ok {
				return
			}
			out = wire.AppendWritten(out[:0], r.ID, 1, 2)
			s.says(out)
		}
	}).addr)
	value := make([]byte, 128)
	for range 10 {
		if _, err := c.Put(t.Context(), "k", value); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(500, func() { _, _ = c.Put(context.Background(), "k", value) }); n > 1 {
		t.Errorf("a write allocates %v times", n)
	}
}

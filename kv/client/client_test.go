package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
	"github.com/raftnode/raft/kv/wire"
)

func TestWhatIsAsked(t *testing.T) {
	s := serve(t, written(17))
	c := connect(t, Config{NoRetry: true}, s.addr)
	ctx, key := t.Context(), "a/../\xff?"
	for _, test := range []struct {
		call           func() (api.Written, error)
		request        string
		header, equals string
	}{
		{func() (api.Written, error) { return c.Put(ctx, key, []byte("v")) }, "PUT /v1/kv/a%2F..%2F%FF%3F v", "If-Match", ""},
		{func() (api.Written, error) { return c.Put(ctx, "..", nil) }, "PUT /v1/kv/.. ", "Raft-Client", ""},
		{func() (api.Written, error) { return c.Put(ctx, "k", nil, IfVersion(17)) }, "PUT /v1/kv/k ", "If-Match", `"17"`},
		{func() (api.Written, error) { return c.Append(ctx, "k", []byte("v"), IfExists()) }, "POST /v1/append/k v", "If-Match", "*"},
		{func() (api.Written, error) { return c.Delete(ctx, "k", IfAbsent()) }, "DELETE /v1/kv/k ", "If-None-Match", "*"},
		{func() (api.Written, error) { return c.Delete(ctx, "k", WithSession("me", 3)) }, "DELETE /v1/kv/k ", "Raft-Seq", "3"},
	} {
		got, err := test.call()
		if err != nil || got != (api.Written{Index: 17, Term: 2}) {
			t.Errorf("%s: %+v, %v", test.request, got, err)
		}
		requests := s.got()
		last := requests[len(requests)-1]
		if asked := last.method + " " + last.target + " " + last.body; asked != test.request || last.header.Get(test.header) != test.equals {
			t.Errorf("asked %s with %v, want %s with %s: %s", asked, last.header, test.request, test.header, test.equals)
		}
		if timeout, err := time.ParseDuration(last.header.Get("Raft-Timeout")); err != nil || timeout <= 0 || timeout >= api.DefaultTimeout {
			t.Errorf("gave the server the time %q", last.header.Get("Raft-Timeout"))
		}
	}
}

func TestReads(t *testing.T) {
	s := serve(t,
		http200("value", `ETag: "12"`), http200("", `ETag: "13"`), problem(api.CodeNotFound),
		http200(`{"keys":[{"key":"k","version":3,"size":5}],"more":true}`),
		http200(`{"id":"n1","role":"leader"}`), http200("ok"), problem(api.CodeNoLeader))
	c := connect(t, Config{}, s.addr)
	ctx := t.Context()
	got, err := c.Get(ctx, "k")
	if err != nil || string(got.Data) != "value" || got.Version != 12 || got.Index != 17 {
		t.Errorf("get: %+v, %v", got, err)
	}
	if got, err := c.Get(ctx, "k", Stale()); err != nil || len(got.Data) != 0 || got.Version != 13 {
		t.Errorf("get: %+v, %v", got, err)
	}
	_, err = c.Get(ctx, "k")
	isError(t, err, api.CodeNotFound, api.Rejected)
	list, err := c.List(ctx, "a b", "a\xff", 7, Stale())
	if err != nil || len(list.Keys) != 1 || list.Keys[0].Name() != "k" || !list.More || list.Index != 17 {
		t.Errorf("list: %+v, %v", list, err)
	}
	status, err := c.Status(ctx, c.Endpoints()[0])
	if err != nil || status.ID != "n1" {
		t.Errorf("status: %+v, %v", status, err)
	}
	if err := c.Ready(ctx, s.addr); err != nil {
		t.Errorf("ready: %v", err)
	}
	isError(t, c.Ready(ctx, s.addr), api.CodeNoLeader, api.Rejected) // asked once, not tried again
	_, err = c.Status(ctx, "nowhere")
	isError(t, err, api.CodeBadRequest, api.Rejected)

	var targets []string
	for _, request := range s.got() {
		targets = append(targets, request.target)
	}
	want := "/v1/kv/k /v1/kv/k?consistency=stale /v1/kv/k /v1/kv?after=a%FF&consistency=stale&limit=7&prefix=a+b /v1/status /readyz /readyz"
	if strings.Join(targets, " ") != want {
		t.Errorf("asked %v\nwant  %s", targets, want)
	}
}

// Whatever can go wrong in one attempt, and what may be said of a write then. Of a read it is always
// "rejected": it did nothing.
func TestTheOutcomeOfOneAttempt(t *testing.T) {
	for _, test := range []struct {
		name    string
		step    step
		code    api.Code
		outcome api.Outcome
	}{
		{"closed without an answer", nothing, api.CodeNoAnswer, api.Unknown},
		{"garbage", "220 mail.example.com ESMTP\r\n", api.CodeNoAnswer, api.Unknown},
		{"half a header", "HTTP/1.1 200 OK\r\nRaft-Te", api.CodeNoAnswer, api.Unknown},
		{"half a body", "HTTP/1.1 200 OK\r\nRaft-Term: 1\r\nContent-Length: 20\r\n\r\n{\"index\"", api.CodeNoAnswer, api.Unknown},
		{"a body that is no JSON", http200("hello"), api.CodeNoAnswer, api.Unknown},
		{"another server", answer("200 OK", `{"index":1,"term":1}`), api.CodeNoAnswer, api.Unknown},
		{"another server's error", answer("404 Not Found", "nothing here"), api.CodeNoAnswer, api.Unknown},
		{"a redirect", answer("307 Temporary Redirect", "", "Location: /", "Raft-Term: 1"), api.CodeNoAnswer, api.Unknown},
		{"an error without a reason", answer("503 Service Unavailable", "busy", "Raft-Term: 1"), api.CodeNoAnswer, api.Unknown},
		{"an error without an outcome", answer("503 Service Unavailable", `{"code":"busy"}`, "Raft-Term: 1"), api.CodeBusy, api.Unknown},
		{"unknown, says the server", problem(api.CodeUnknown), api.CodeUnknown, api.Unknown},
		{"rejected, says the server", problem(api.CodeNoLeader), api.CodeNoLeader, api.Rejected},
		{"a condition that does not hold", problem(api.CodePrecondition), api.CodePrecondition, api.Rejected},
		{"a session that is not known", problem(api.CodeSessionUnknown), api.CodeSessionUnknown, api.Unknown},
		{"no answer in time", silent, api.CodeNoAnswer, api.Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, test.step)
			c := connect(t, Config{NoRetry: true}, s.addr, refused(t))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.step == silent { // the call ends when the request has surely arrived
				var waiting sync.WaitGroup
				defer waiting.Wait()
				waiting.Go(func() { <-s.arrived; cancel() })
			}
			_, err := c.Put(ctx, "k", []byte("v"))
			isError(t, err, test.code, test.outcome)
			if n := len(s.got()); n != 1 {
				t.Errorf("the write was sent %d times", n)
			}
			_, err = c.Get(ctx, "k")
			if err == nil || OutcomeOf(err) != api.Rejected {
				t.Errorf("of the read it is said: %v", err)
			}
		})
	}
}

func TestWhatWasNotSentIsRejected(t *testing.T) {
	c := connect(t, Config{NoRetry: true}, refused(t))
	_, err := c.Put(t.Context(), "k", nil)
	isError(t, err, api.CodeUnreachable, api.Rejected)

	s := serve(t, written(1))
	c = connect(t, Config{}, s.addr)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Put(ctx, "k", nil)
	isError(t, err, api.CodeUnreachable, api.Rejected)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say why", err)
	}
	for _, call := range []func() error{
		func() error { _, err := c.Put(t.Context(), "", nil); return err },
		func() error { _, err := c.Append(t.Context(), strings.Repeat("k", api.MaxKeyBytes+1), nil); return err },
		func() error { _, err := c.Put(t.Context(), "k", make([]byte, api.MaxValueBytes+1)); return err },
		func() error { _, err := c.Get(t.Context(), ""); return err },
	} {
		if err := call(); err == nil || OutcomeOf(err) != api.Rejected {
			t.Errorf("above the limits: %v", err)
		}
	}
	if n := len(s.got()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestAnotherEndpointIsAsked(t *testing.T) {
	for _, bad := range []step{nothing, problem(api.CodeNoLeader), problem(api.CodeNotLeader), problem(api.CodeBusy), problem(api.CodeClosing)} {
		first, second := serve(t, bad), serve(t, http200("v", `ETag: "1"`))
		c := connect(t, Config{}, refused(t), first.addr, second.addr)
		for range 2 {
			if _, err := c.Get(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
		if len(first.got()) != 1 || len(second.got()) != 2 {
			t.Errorf("asked the first %d times and the second %d times, want 1 and 2", len(first.got()), len(second.got()))
		}
	}
}

func TestAWriteIsRepeatedInItsSession(t *testing.T) {
	s := serve(t, written(11), nothing, problem(api.CodeUnknown), problem(api.CodeNoLeader), written(12), written(13))
	c := connect(t, Config{}, s.addr)
	for i := range 3 {
		got, err := c.Append(t.Context(), "k", []byte{byte('a' + i)})
		if err != nil || got.Index != uint64(11+i) {
			t.Fatalf("write %d: %+v, %v", i, got, err)
		}
	}
	var sent []string
	for _, r := range s.got() {
		sent = append(sent, r.body+r.header.Get("Raft-Seq"))
		if id := r.header.Get("Raft-Client"); id == "" || id != s.got()[0].header.Get("Raft-Client") {
			t.Errorf("the client id was %q", id)
		}
	}
	// The second write was sent four times, always as number 2; the third is number 3.
	if got := strings.Join(sent, " "); got != "a1 b2 b2 b2 b2 c3" {
		t.Errorf("sent %s", got)
	}
}

// What one attempt left open, only an answer from the session table closes.
func TestADoubtStays(t *testing.T) {
	for _, test := range []struct {
		name    string
		then    step
		code    api.Code
		outcome api.Outcome
	}{
		{"a refusal at the door", problem(api.CodeBadRequest), api.CodeNoAnswer, api.Unknown},
		{"no leader, until the time is up", problem(api.CodeNoLeader), api.CodeNoAnswer, api.Unknown},
		{"the session was forgotten", problem(api.CodeSessionUnknown), api.CodeNoAnswer, api.Unknown},
		{"the condition does not hold", problem(api.CodePrecondition), api.CodePrecondition, api.Rejected},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, nothing, test.then)
			c := connect(t, Config{Timeout: time.Second}, s.addr)
			_, err := c.Put(t.Context(), "k", []byte("v"))
			isError(t, err, test.code, test.outcome)
			if n := len(s.got()); n < 2 {
				t.Errorf("sent %d times, want a repeat", n)
			}
		})
	}
}

func TestASessionThatWasInDoubtIsNotUsedAgain(t *testing.T) {
	s := serve(t, written(1), problem(api.CodeBadRequest), written(3), problem(api.CodePrecondition), written(5))
	c := connect(t, Config{}, s.addr)
	for i, fails := range []bool{false, true, false, true, false} {
		if _, err := c.Put(t.Context(), "k", nil); (err != nil) != fails {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	got := s.got()
	for i, seq := range []string{"1", "2", "1", "2", "3"} {
		if got[i].header.Get("Raft-Seq") != seq {
			t.Errorf("write %d was sent as %s, want number %s", i, got[i].pair(), seq)
		}
	}
	if got[2].header.Get("Raft-Client") == got[1].header.Get("Raft-Client") {
		t.Error("after an error that is no answer of the session table, the id was used again")
	}
	if got[4].header.Get("Raft-Client") != got[2].header.Get("Raft-Client") {
		t.Error("after a condition that did not hold, the id was thrown away")
	}
}

func TestAForgottenSessionBeginsAnew(t *testing.T) {
	s := serve(t, written(1), problem(api.CodeSessionUnknown), written(2))
	c := connect(t, Config{}, s.addr)
	for range 2 {
		if _, err := c.Put(t.Context(), "k", nil); err != nil {
			t.Fatal(err)
		}
	}
	got := s.got()
	if len(got) != 3 || got[1].header.Get("Raft-Seq") != "2" || got[2].header.Get("Raft-Seq") != "1" || got[2].header.Get("Raft-Client") == got[1].header.Get("Raft-Client") {
		t.Errorf("sent %s, %s, %s", got[0].pair(), got[1].pair(), got[len(got)-1].pair())
	}
}

func TestTheCallersSession(t *testing.T) {
	s := serve(t, nothing, written(1), problem(api.CodeSessionUnknown))
	c := connect(t, Config{}, s.addr)
	if _, err := c.Put(t.Context(), "k", nil, WithSession("mine", 7)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Put(t.Context(), "k", nil, WithSession("mine", 8))
	isError(t, err, api.CodeSessionUnknown, api.Unknown)
	for i, want := range []string{"mine/7", "mine/7", "mine/8"} {
		if got := s.got()[i].pair(); got != want {
			t.Errorf("request %d was sent as %s, want %s", i, got, want)
		}
	}
}

func TestAnIdHasOneWriteAtATime(t *testing.T) {
	s := serve(t, written(1))
	c := connect(t, Config{}, s.addr)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 10 {
				if _, err := c.Put(t.Context(), "k", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	pairs, ids := map[string]bool{}, map[string]bool{}
	for _, request := range s.got() {
		if pairs[request.pair()] {
			t.Errorf("the pair %s was used twice", request.pair())
		}
		pairs[request.pair()] = true
		ids[request.header.Get("Raft-Client")] = true
	}
	if len(pairs) != 80 || len(ids) > 8 {
		t.Errorf("%d writes with %d ids, want 80 with at most 8", len(pairs), len(ids))
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, endpoint := range []string{"", "host", "http://host", "ftp://host:1", "http://host:1/path", "http://u@host:1", "host:1?x=1", "ho st:1"} {
		if _, err := New(Config{Endpoints: []string{endpoint}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", endpoint)) {
			t.Errorf("endpoint %q: %v", endpoint, err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no endpoints, and no error")
	}
	for _, timeout := range []time.Duration{-1, api.MaxTimeout + 1} {
		if _, err := New(Config{Endpoints: []string{"h:1"}, Timeout: timeout}); err == nil {
			t.Errorf("timeout %s, and no error", timeout)
		}
	}
	c := connect(t, Config{}, "h:1", "http://h:2/", "[::1]:3")
	if got := strings.Join(c.Endpoints(), " "); got != "http://h:1 http://h:2 http://[::1]:3" {
		t.Errorf("endpoints %s", got)
	}
	if CodeOf(nil) != "" || CodeOf(errors.New("x")) != "" || OutcomeOf(errors.New("x")) != api.Unknown {
		t.Error("errors of others are not told apart")
	}
}

// Every write of a Client that tries again has a session. If one had none, it must not be sent twice.
func TestAWriteWithoutASessionIsNotRepeated(t *testing.T) {
	s := serve(t, nothing, written(1))
	c := connect(t, Config{}, s.addr)
	_, err := c.do(t.Context(), c.within(t.Context()), &call{op: "append", kind: wire.Write, isWrite: true, command: command.Command{Op: command.Append, Key: "k"}})
	isError(t, err, api.CodeNoAnswer, api.Unknown)
	if n := len(s.got()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

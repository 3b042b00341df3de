package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestTheLimitsOfAPIAndStoreAgree(t *testing.T) {
	if api.MaxKeyBytes != kv.MaxKeyBytes || api.MaxValueBytes != kv.MaxValueBytes || api.MaxClientIDBytes != kv.MaxClientIDBytes {
		t.Error("the API promises other limits than the store holds")
	}
}

func TestTheLifeOfAKey(t *testing.T) {
	n := single(t)
	n.is(n.do("GET", "/v1/kv/k", ""), 404, "not-found", "rejected")

	put := n.do("PUT", "/v1/kv/k", "hello")
	n.is(put, 200)
	if put.body != `{"index":11,"term":2}`+"\n" || put.header.Get("ETag") != `"11"` || put.header.Get("Raft-Index") != "11" ||
		put.header.Get("Raft-Term") != "2" || put.header.Get("Raft-Leader") != "n1" {
		t.Errorf("put answered %s with %v", put.body, put.header)
	}
	n.is(n.do("POST", "/v1/append/k", ", world"), 200)

	got := n.do("GET", "/v1/kv/k", "")
	n.is(got, 200)
	if got.body != "hello, world" || got.header.Get("ETag") != `"12"` || got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("get answered %q with %v", got.body, got.header)
	}
	head := n.do("HEAD", "/v1/kv/k", "")
	n.is(head, 200)
	if head.body != "" || head.header.Get("Content-Length") != "12" {
		t.Errorf("head answered %q with %v", head.body, head.header)
	}
	removed := n.do("DELETE", "/v1/kv/k", "")
	n.is(removed, 200)
	if removed.header.Get("ETag") != "" {
		t.Error("a key that is gone has an ETag")
	}
	n.is(n.do("DELETE", "/v1/kv/k", ""), 200)
	n.is(n.do("GET", "/v1/kv/k", ""), 404, "not-found")
	n.is(n.do("PUT", "/v1/kv/k", ""), 200)
	if empty := n.do("GET", "/v1/kv/k", ""); empty.status != 200 || empty.body != "" {
		t.Errorf("an empty value came back as %d %q", empty.status, empty.body)
	}
}

func TestConditions(t *testing.T) {
	n := single(t)
	n.is(n.do("PUT", "/v1/kv/k", "a", "If-Match: *"), 412, "precondition-failed", "rejected")
	n.is(n.do("PUT", "/v1/kv/k", "a", "If-None-Match: *"), 200) // version 12
	again := n.do("PUT", "/v1/kv/k", "b", "If-None-Match: *")
	n.is(again, 412, "precondition-failed", "rejected")
	if !strings.Contains(again.problem.Detail, "version 12") {
		t.Errorf("the refusal should name the version: %s", again.problem.Detail)
	}
	n.is(n.do("POST", "/v1/append/k", "b", `If-Match: "11"`), 412, "precondition-failed")
	n.is(n.do("POST", "/v1/append/k", "b", `If-Match: "12"`), 200) // version 15
	n.is(n.do("DELETE", "/v1/kv/k", "", `If-Match: "12"`), 412, "precondition-failed")
	if got := n.do("GET", "/v1/kv/k", ""); got.body != "ab" {
		t.Errorf("the value is %q, want ab", got.body)
	}
	n.is(n.do("DELETE", "/v1/kv/k", "", `If-Match: "15"`), 200)
}

func TestARepeatGetsTheFirstAnswerAgain(t *testing.T) {
	n := single(t)
	send := func(target, seq string, more ...string) seen {
		return n.do("POST", target, "x", append(more, "Raft-Client: me", "Raft-Seq: "+seq)...)
	}
	unknown := send("/v1/append/k", "2")
	n.is(unknown, 409, "session-unknown", "unknown")
	first := send("/v1/append/k", "1")
	n.is(first, 200)
	again := send("/v1/append/k", "1")
	n.is(again, 200)
	if again.body != first.body || again.header.Get("ETag") != first.header.Get("ETag") || again.header.Get("Raft-Index") != first.header.Get("Raft-Index") {
		t.Errorf("first %s %v, then %s %v", first.body, first.header, again.body, again.header)
	}
	refused := send("/v1/append/k", "2", "If-None-Match: *")
	n.is(refused, 412)
	n.do("DELETE", "/v1/kv/k", "")
	again = send("/v1/append/k", "2", "If-None-Match: *")
	n.is(again, 412)
	if again.header.Get("Raft-Index") != refused.header.Get("Raft-Index") {
		t.Error("a refusal was not remembered")
	}
	n.is(send("/v1/append/k", "1"), 409, "session-stale", "unknown")
}

// A key is any bytes. Nothing between client and store may clean it up.
func TestKeysAreNotMangled(t *testing.T) {
	n := single(t)
	for i, escaped := range []string{
		"plain", "a//b", "a/../b", "..", ".", "/", "//", "a/", "a%2Fc", "%00", "%FF%FE", "%C3%A4%E2%82%AC", "ä",
		"%2e%2e/x", "a%20b", "a+b", "a%2Bc", "%25", "%3F", "a;b", "v1/kv/x", strings.Repeat("%41", 1024),
	} {
		target, value := "/v1/kv/"+escaped, fmt.Sprint("value ", i)
		n.is(n.do("PUT", target, value), 200)
		got := n.do("GET", target, "")
		n.is(got, 200)
		if got.body != value {
			t.Errorf("key %.30s came back with %q, want %q: it was taken for another", escaped, got.body, value)
		}
		key, _ := url.PathUnescape(escaped)
		if item, _, found := n.raft.store.Get(key); !found || string(item.Value) != value {
			t.Errorf("the store has no key %.30q", key)
		}
	}
	n.is(n.do("GET", "/v1/kv/a/c", ""), 200) // the same key as a%2Fc
}

func TestBadRequestsAreRefusedWithAReason(t *testing.T) {
	n := single(t)
	for _, test := range []struct {
		method, target, body string
		headers              []string
		status               int
		code, says           string
	}{
		{"GET", "/", "", nil, 404, "no-such-path", "/v1/kv/{key}"},
		{"GET", "/v1", "", nil, 404, "no-such-path", ""},
		{"PUT", "/v1%2Fkv/k", "", nil, 404, "no-such-path", ""},
		{"GET", "/v1/kv/", "", nil, 400, "bad-request", "1 to 1024 bytes"},
		{"PUT", "/v1/kv/" + strings.Repeat("k", 1025), "v", nil, 413, "key-too-large", "at most 1024"},
		{"POST", "/v1/kv/k", "v", nil, 405, "method-not-allowed", "GET, HEAD, PUT, DELETE"},
		{"PUT", "/v1/append/k", "v", nil, 405, "method-not-allowed", "POST"},
		{"PUT", "/v1/kv", "v", nil, 405, "method-not-allowed", "GET"},
		{"PUT", "/livez", "", nil, 405, "method-not-allowed", "GET"},
		{"PUT", "/v1/kv/k", "v", []string{"If-Match: 17"}, 400, "bad-request", `"17" with its quotes`},
		{"PUT", "/v1/kv/k", "v", []string{`If-Match: W/"17"`}, 400, "bad-request", "one ETag"},
		{"PUT", "/v1/kv/k", "v", []string{`If-Match: "1", "2"`}, 400, "bad-request", "one ETag"},
		{"PUT", "/v1/kv/k", "v", []string{`If-Match: "`}, 400, "bad-request", "one ETag"},
		{"PUT", "/v1/kv/k", "v", []string{`If-Match: "1"`, `If-Match: "2"`}, 400, "bad-request", "2 times"},
		{"PUT", "/v1/kv/k", "v", []string{`If-Match: `}, 400, "bad-request", "empty"},
		{"PUT", "/v1/kv/k", "v", []string{`If-None-Match: "1"`}, 400, "bad-request", "only be *"},
		{"PUT", "/v1/kv/k", "v", []string{`If-None-Match: *`, `If-Match: *`}, 400, "bad-request", "exclude"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Client: a"}, 400, "bad-request", "go together"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Seq: 1"}, 400, "bad-request", "go together"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Client: a", "Raft-Seq: 0"}, 400, "bad-request", "from 1"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Client: a", "Raft-Seq: -1"}, 400, "bad-request", "from 1"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Client: a b", "Raft-Seq: 1"}, 400, "bad-request", "visible ASCII"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Client: " + strings.Repeat("c", 129), "Raft-Seq: 1"}, 400, "bad-request", "1 to 128"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Timeout: 2"}, 400, "bad-request", "such as 2s"},
		{"PUT", "/v1/kv/k", "v", []string{"Raft-Timeout: 61s"}, 400, "bad-request", "1m0s"},
		{"GET", "/v1/kv/k?timeout=-1s", "", nil, 400, "bad-request", "above 0"},
		{"PUT", "/v1/kv/k?if-version=3", "v", nil, 400, "bad-request", "not known here"},
		{"GET", "/v1/kv/k?consistency=lazy", "", nil, 400, "bad-request", "neither linearizable nor stale"},
		{"GET", "/v1/kv/k?consistency=stale&consistency=stale", "", nil, 400, "bad-request", "2 times"},
		{"GET", "/v1/kv/k?a=%zz", "", nil, 400, "bad-request", "percent-encoded"},
		{"GET", "/v1/kv?limit=0", "", nil, 400, "bad-request", "1 to 1000"},
		{"GET", "/v1/kv?limit=1001", "", nil, 400, "bad-request", "1 to 1000"},
		{"GET", "/v1/kv?after=" + strings.Repeat("k", 1025), "", nil, 413, "key-too-large", "1024"},
		{"GET", "/v1/status?x=1", "", nil, 400, "bad-request", "not known"},
		{"GET", "/readyz?x=1", "", nil, 400, "bad-request", "not known"},
		{"GET", "/readyz?timeout=x", "", nil, 400, "bad-request", "duration"},
	} {
		got := n.do(test.method, test.target, test.body, test.headers...)
		n.is(got, test.status, test.code, "rejected")
		if !strings.Contains(got.problem.Detail, test.says) {
			t.Errorf("%s %.40s: the reason %q does not say %q", test.method, test.target, got.problem.Detail, test.says)
		}
	}
	if n.raft.committed() != 0 {
		t.Errorf("%d bad requests were committed", n.raft.committed())
	}
	// Refused before a byte of it is read.
	n.is(n.raw("PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", false), 413, "value-too-large", "rejected")
	n.is(n.do("PUT", "/v1/kv/"+strings.Repeat("k", 1024), strings.Repeat("v", 1<<20)), 200) // at the limits
}

func TestABodyCutShortChangesNothing(t *testing.T) {
	n := single(t)
	head := "PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\n"
	n.is(n.raw(head+"Content-Length: 10\r\n\r\nhalf", true), 400, "body-cut-short", "rejected")
	n.is(n.raw(head+"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true), 400, "body-cut-short", "rejected")
	n.is(n.raw(head+"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", true), 400, "body-cut-short", "rejected")
	if n.raft.committed() != 0 {
		t.Fatal("half a value was committed")
	}
	n.is(n.raw(head+"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n", false), 200)
	if got := n.do("GET", "/v1/kv/k", ""); got.body != "half" {
		t.Errorf("a chunked body came out as %q", got.body)
	}
	chunk := "100000\r\n" + strings.Repeat("x", 1<<20) + "\r\n"
	n.is(n.raw(head+"Transfer-Encoding: chunked\r\n\r\n"+chunk+"1\r\nx\r\n0\r\n\r\n", false), 413, "value-too-large", "rejected")
}

func TestABodyThatComesTooSlowlyIsGivenUp(t *testing.T) {
	n := single(t)
	n.is(n.raw("PUT /v1/kv/k?timeout=1ms HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", false), 408, "body-too-slow", "rejected")
}

func TestNothingSurvivesOnTheConnection(t *testing.T) {
	n := single(t)
	// The deadline for the body must not end the wait for the answer, nor the next request.
	got := n.raw("PUT /v1/kv/k?timeout=1s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nvGET /v1/kv/k HTTP/1.1\r\nHost: x\r\n\r\n", false)
	n.is(got, 200)
}

// Each error of the log, with what the client is told. Two need care: an unknown outcome that wraps a
// rejection, and a context that ended before the log took the command.
func TestErrorsOfTheLog(t *testing.T) {
	n := single(t)
	for _, test := range []struct {
		err           error
		status        int
		code, outcome string
		readCode      string
	}{
		{raft.ErrBusy, 503, "busy", "rejected", "busy"},
		{raft.ErrLogFull, 507, "log-full", "rejected", ""},
		{raft.ErrClosed, 503, "shutting-down", "rejected", "shutting-down"},
		{raft.ErrTooLarge, 413, "value-too-large", "rejected", ""},
		{&raft.UnknownError{Index: 5, Term: 1, Err: context.DeadlineExceeded}, 504, "outcome-unknown", "unknown", ""},
		{&raft.UnknownError{Index: 5, Term: 1, Err: raft.ErrClosed}, 504, "outcome-unknown", "unknown", ""},
		{&raft.UnknownError{Index: 5, Term: 1, Err: raft.ErrReplaced}, 504, "outcome-unknown", "unknown", ""},
		{errors.New("something new"), 504, "outcome-unknown", "unknown", "no-quorum"},
		{context.DeadlineExceeded, 503, "busy", "rejected", "no-quorum"},
	} {
		n.raft.failWith(func(context.Context) error { return test.err })
		got := n.do("PUT", "/v1/kv/k", "v")
		n.is(got, test.status, test.code, test.outcome)
		if retry := got.header.Get("Retry-After"); (retry != "") != (test.status == 503) {
			t.Errorf("%v: Retry-After is %q", test.err, retry)
		}
		if test.readCode != "" {
			n.is(n.do("GET", "/v1/kv/k", ""), 503, test.readCode, "rejected")
		}
	}
}

func TestACommandThatWasReplacedIsProposedAgain(t *testing.T) {
	n := single(t)
	tries := 0
	n.raft.failWith(func(context.Context) error {
		if tries++; tries < 3 {
			return fmt.Errorf("propose: %w", raft.ErrReplaced)
		}
		return nil
	})
	n.is(n.do("POST", "/v1/append/k", "x"), 200)
	if got := n.do("GET", "/v1/kv/k", ""); got.body != "x" {
		t.Errorf("the value is %q, want one x", got.body)
	}
}

func TestAStaleReadAsksNobody(t *testing.T) {
	n := single(t)
	n.is(n.do("PUT", "/v1/kv/k", "v"), 200)
	n.raft.follow("")
	got := n.do("GET", "/v1/kv/k?consistency=stale", "")
	n.is(got, 200)
	if got.body != "v" || got.header.Get("Raft-Index") != "11" || got.header.Get("Raft-Leader") != "" {
		t.Errorf("got %q with %v", got.body, got.header)
	}
	n.is(n.do("GET", "/v1/kv/none?consistency=stale", ""), 404, "not-found")
	n.is(n.do("GET", "/v1/kv?consistency=stale", ""), 200)
}

func TestTooManyRequestsAreRejected(t *testing.T) {
	n := single(t, func(cfg *Config) { cfg.MaxRequests = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	n.raft.failWith(func(context.Context) error {
		entered <- struct{}{}
		<-leave
		return nil
	})
	first := make(chan seen)
	go func() { first <- n.do("PUT", "/v1/kv/k", "v") }()
	<-entered
	n.is(n.do("PUT", "/v1/kv/k", "v"), 503, "busy", "rejected")
	n.is(n.do("GET", "/v1/kv/k", ""), 503, "busy", "rejected")
	n.is(n.do("GET", "/readyz", ""), 503, "busy", "rejected")
	n.is(n.do("GET", "/livez", ""), 200) // takes no room
	close(leave)
	n.is(<-first, 200)
	n.raft.failWith(nil)
	n.is(n.do("PUT", "/v1/kv/k", "v"), 200) // the room was given back
}

func TestTooManyBytesOfBodiesAreRejected(t *testing.T) {
	n := single(t, func(cfg *Config) { cfg.MaxBodyBytes = 100 })
	n.is(n.do("PUT", "/v1/kv/k", strings.Repeat("v", 101)), 503, "busy", "rejected")
	n.is(n.do("PUT", "/v1/kv/k", strings.Repeat("v", 100)), 200)
	// A chunked body does not say how large it will be.
	n.is(n.raw("PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false), 503, "busy", "rejected")
}

func TestList(t *testing.T) {
	n := single(t)
	for _, key := range []string{"a", "b%2F1", "b%2F2", "%FF"} {
		n.do("PUT", "/v1/kv/"+key, "value")
	}
	page := func(target string) (list api.Listed) {
		got := n.do("GET", target, "")
		n.is(got, 200)
		if err := json.Unmarshal([]byte(got.body), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	all := page("/v1/kv")
	if len(all.Keys) != 4 || all.More || all.Keys[0].Key != "a" || all.Keys[0].Version != 11 || all.Keys[0].Size != 5 {
		t.Errorf("listed %+v", all)
	}
	if name := all.Keys[3].Name(); name != "\xff" {
		t.Errorf("a key that is no UTF-8 came as %q", name)
	}
	if some := page("/v1/kv?prefix=b/&limit=1"); len(some.Keys) != 1 || !some.More || some.Keys[0].Key != "b/1" {
		t.Errorf("listed %+v", some)
	}
	if rest := page("/v1/kv?prefix=b/&limit=1&after=b/1"); len(rest.Keys) != 1 || rest.More || rest.Keys[0].Key != "b/2" {
		t.Errorf("listed %+v", rest)
	}
	if got := n.do("GET", "/v1/kv?prefix=zz", ""); got.body != `{"keys":[],"more":false}`+"\n" {
		t.Errorf("nothing is listed as %s", got.body)
	}
}

func TestStatus(t *testing.T) {
	n := single(t)
	n.raft.mu.Lock()
	n.raft.status.Now = 5e9
	n.raft.status.Members = []consensus.MemberStatus{
		{ID: "n1", MatchIndex: 10, LastContact: 4e9}, {ID: "n2", MatchIndex: 7, LastContact: 4_900_000_000}, {ID: "n3"},
	}
	n.raft.mu.Unlock()
	got := n.do("GET", "/v1/status", "")
	n.is(got, 200)
	var status api.Status
	if err := json.Unmarshal([]byte(got.body), &status); err != nil {
		t.Fatal(err)
	}
	if status.ID != "n1" || status.Cluster != "c0ffee" || status.Role != "leader" || status.Term != 2 || status.Leader != "n1" ||
		status.Commit != 10 || status.Applied != 10 || status.LastIndex != 10 || status.Versions.Server != "test" || len(status.Members) != 3 {
		t.Errorf("status %+v", status)
	}
	one, two, three := status.Members[0], status.Members[1], status.Members[2]
	if one.LastContactMillis != nil || one.ClientAddress != n.addr || two.Match != 7 || *two.LastContactMillis != 100 || three.LastContactMillis != nil {
		t.Errorf("members %s", got.body)
	}
}

func TestHealth(t *testing.T) {
	n := single(t)
	for target, want := range map[string]string{
		"/livez": "ok\n", "/readyz": "ok\n", "/readyz?verbose": "[+] linearizable-read: ok\nready\n",
	} {
		got := n.do("GET", target, "")
		n.is(got, 200)
		if got.body != want {
			t.Errorf("%s says %q", target, got.body)
		}
	}
	n.raft.follow("")
	n.is(n.do("GET", "/livez", ""), 200)
	n.is(n.do("GET", "/readyz?timeout=1ms", ""), 503, "no-leader", "rejected")
	got := n.do("GET", "/readyz?verbose&timeout=1ms", "")
	n.is(got, 503)
	if !strings.HasPrefix(got.body, "[-] linearizable-read: no-leader: ") || !strings.HasSuffix(got.body, "not ready\n") || got.header.Get("Retry-After") == "" {
		t.Errorf("readyz says %q", got.body)
	}
}

func TestNewNeedsARaftAndAStore(t *testing.T) {
	if _, err := New(Config{Store: kv.NewStore()}); err == nil {
		t.Error("no Raft, and no error")
	}
	if _, err := New(Config{Raft: newFakeRaft("n1")}); err == nil {
		t.Error("no Store, and no error")
	}
}

func TestAnAnswerOfTheStateMachineThatCannotBe(t *testing.T) {
	server, err := New(Config{Raft: newFakeRaft("n1"), Store: kv.NewStore()})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range []any{nil, &kv.Result{Code: kv.BadCommand}} {
		w := httptest.NewRecorder()
		server.answerWrite(w, kv.Put, raft.Applied{Result: result})
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"outcome":"unknown"`) {
			t.Errorf("%v: %d %s", result, w.Code, w.Body)
		}
	}
}

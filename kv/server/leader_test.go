package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

// pair gives a leader n1 and a follower n2.
func pair(t *testing.T) (leader, follower *node) {
	nodes := cluster(t, 2)
	nodes[1].raft.follow("n1")
	return nodes[0], nodes[1]
}

func TestAFollowerPassesEverythingOn(t *testing.T) {
	leader, follower := pair(t)
	n := follower
	put := n.do("PUT", "/v1/kv/a%2F..%2F%FF", "v", "If-None-Match: *", "Raft-Client: me", "Raft-Seq: 1")
	n.is(put, 200)
	if put.body != `{"index":11,"term":2}`+"\n" || put.header.Get("ETag") != `"11"` || put.header.Get("Raft-Leader") != "n1" || put.header.Get("Raft-Index") != "11" {
		t.Errorf("put answered %s with %v", put.body, put.header)
	}
	again := n.do("PUT", "/v1/kv/a%2F..%2F%FF", "v", "If-None-Match: *", "Raft-Client: me", "Raft-Seq: 1")
	if again.status != 200 || again.body != put.body {
		t.Errorf("the repeat got %d %s: the session was not passed on", again.status, again.body)
	}
	n.is(n.do("PUT", "/v1/kv/a%2F..%2F%FF", "v", "If-None-Match: *"), 412, "precondition-failed", "rejected")
	n.is(n.do("POST", "/v1/append/a%2F..%2F%FF", "w", `If-Match: "11"`), 200)
	got := n.do("GET", "/v1/kv/a%2F..%2F%FF", "")
	n.is(got, 200)
	if got.body != "vw" || got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("get answered %q with %v", got.body, got.header)
	}
	if head := n.do("HEAD", "/v1/kv/a%2F..%2F%FF", ""); head.status != 200 || head.header.Get("Content-Length") != "2" {
		t.Errorf("head answered %d with %v", head.status, head.header)
	}
	if list := n.do("GET", "/v1/kv?prefix=a/", ""); !strings.Contains(list.body, `"key_base64":"YS8uLi//"`) {
		t.Errorf("list answered %s", list.body)
	}
	if ready := n.do("GET", "/readyz?verbose", ""); ready.status != 200 || !strings.Contains(ready.body, "[+]") {
		t.Errorf("readyz answered %d %s", ready.status, ready.body)
	}
	n.is(n.do("DELETE", "/v1/kv/a%2F..%2F%FF", "", `If-Match: "14"`), 200)
	n.is(n.do("PUT", "/v1/kv/empty", ""), 200)
	if leader.raft.committed() != 6 || follower.raft.committed() != 0 {
		t.Errorf("the leader committed %d, the follower %d; want 6 and 0", leader.raft.committed(), follower.raft.committed())
	}
}

func TestARequestIsPassedOnOnce(t *testing.T) {
	leader, follower := pair(t)
	follower.is(follower.do("PUT", "/v1/kv/k", "v", "Raft-Forwarded: n9"), 503, "not-leader", "rejected")
	follower.is(follower.do("GET", "/v1/kv/k", "", "Raft-Forwarded: n9"), 503, "not-leader", "rejected")

	leader.passedOn.Store(0)
	follower.passedOn.Store(0)

	// Each believes that the other leads, until n1 finds that it does. What n1 passed on must not come back.
	for i, method := range []string{"DELETE", "GET"} {
		asked := map[string]int{}
		leader.raft.failWith(func(context.Context) error {
			if asked["n1"]++; asked["n1"] == 2 {
				return nil
			}
			return &raft.NotLeaderError{Leader: "n2"}
		})
		follower.raft.failWith(func(context.Context) error {
			asked["n2"]++
			return &raft.NotLeaderError{Leader: "n1"}
		})
		if got := leader.do(method, "/v1/kv/k", ""); got.status != 200 && got.status != 404 || asked["n1"] != 2 || asked["n2"] != 1 {
			t.Errorf("%s got %d after asking %v, want n1 twice and n2 once", method, got.status, asked)
		}
		if to, back := int(follower.passedOn.Load()), leader.passedOn.Load(); to != i+1 || back != 0 {
			t.Errorf("%s: %d requests were passed on, want %d; %d came back", method, to, i+1, back)
		}
	}
}

// The client of a cluster without a leader waits, and sees an answer as soon as there is one.
func TestARequestWaitsForALeader(t *testing.T) {
	n := single(t)
	for _, target := range []string{"/v1/kv/k", "/v1/append/k"} {
		method := map[string]string{"/v1/kv/k": "PUT", "/v1/append/k": "POST"}[target]
		tries := 0
		n.raft.failWith(func(context.Context) error {
			if tries++; tries <= 4 {
				return &raft.NotLeaderError{}
			}
			return nil
		})
		n.is(n.do(method, target, "v"), 200)
		if tries != 5 {
			t.Errorf("%d tries, want 5", tries)
		}
	}
}

func TestALeaderThatCannotBeReached(t *testing.T) {
	nodes := cluster(t, 2)
	leader, n := nodes[0], nodes[1]
	leader.http.Close()
	n.raft.follow("n1")
	got := n.do("DELETE", "/v1/kv/k?timeout=50ms", "")
	n.is(got, 503, "no-leader", "rejected") // nothing left this node
	if !strings.Contains(got.problem.Detail, "n1 at "+leader.addr) {
		t.Errorf("the reason should name who cannot be reached: %s", got.problem.Detail)
	}
	n.is(n.do("GET", "/v1/kv/k?timeout=50ms", ""), 503, "no-leader", "rejected")

	n.raft.follow("n7")
	got = n.do("DELETE", "/v1/kv/k?timeout=50ms", "")
	n.is(got, 503, "no-leader", "rejected")
	if !strings.Contains(got.problem.Detail, "client address of the leader n7 is not known") {
		t.Errorf("the reason should say what is missing: %s", got.problem.Detail)
	}

	// A new leader is found while the request waits.
	tries := 0
	n.raft.follow("n1")
	n.raft.failWith(func(context.Context) error {
		if tries++; tries == 3 {
			n.raft.follow("n2")
			return nil
		}
		return &raft.NotLeaderError{Leader: "n1"}
	})
	n.is(n.do("PUT", "/v1/kv/k", "v"), 200)
}

// impostor is a leader that answers each connection with the given bytes and closes it.
func impostor(t *testing.T, answer string) (addr string, asked <-chan *http.Request) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	requests := make(chan *http.Request, 100)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				_, _ = io.ReadAll(req.Body)
				requests <- req
				_, _ = io.WriteString(conn, answer)
			}
			conn.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return listener.Addr().String(), requests
}

// led gives a follower n1 of a leader n2 at that address.
func led(t *testing.T, addr string) *node {
	n := single(t, func(cfg *Config) {
		cfg.ClientAddress = func(id raft.ServerID) (string, bool) { return addr, id == "n2" }
	})
	n.raft.follow("n2")
	return n
}

// leadAfter makes the node the leader itself once it was told tries times that n2 leads.
func (n *node) leadAfter(tries int) {
	n.raft.failWith(func(context.Context) error {
		if tries--; tries < 0 {
			n.raft.follow("n1")
			return nil
		}
		return &raft.NotLeaderError{Leader: "n2"}
	})
}

// problemAnswer is the answer of a node of the service that rejects.
func problemAnswer(code api.Code) string {
	body, _ := json.Marshal(api.NewProblem(code, "for a test"))
	return "HTTP/1.1 503 Service Unavailable\r\nRaft-Term: 2\r\nRaft-Index: 1\r\nRaft-Leader: \r\nRetry-After: 1\r\n" +
		"Content-Type: application/problem+json\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + string(body)
}

// What the leader says, or does not, decides what may be said of a write, and what may be tried again.
func TestWhatTheLeaderSays(t *testing.T) {
	for _, test := range []struct {
		name, answer  string
		status        int
		code, outcome string // of the write; a read is tried again, unless passed says that the answer goes through
		passed        bool
	}{
		{"nothing", "", 504, "outcome-unknown", "unknown", false},
		{"garbage", "SSH-2.0-OpenSSH\r\n\r\n", 504, "outcome-unknown", "unknown", false},
		{"a stranger's page", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 504, "outcome-unknown", "unknown", false},
		{"a stranger's redirect", "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 504, "outcome-unknown", "unknown", false},
		{"it does not lead", problemAnswer(api.CodeNotLeader), 200, "", "", false},
		{"it shuts down", problemAnswer(api.CodeClosing), 200, "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, asked := impostor(t, test.answer)
			n := led(t, addr)
			n.leadAfter(1)
			got := n.do("PUT", "/v1/kv/k", "v")
			n.is(got, test.status, test.code, test.outcome)
			if len(asked) != 1 {
				t.Errorf("the leader was asked %d times, want once", len(asked))
			}
			n.raft.follow("n2")
			n.leadAfter(1)
			if got := n.do("GET", "/v1/kv/none", ""); got.status != 404 {
				t.Errorf("the read got %d %s; it should have been tried again, here", got.status, got.body)
			}
		})
	}
}

func TestARefusalOfTheLeaderGoesThrough(t *testing.T) {
	addr, asked := impostor(t, problemAnswer(api.CodeBusy))
	n := led(t, addr)
	got := n.do("PUT", "/v1/kv/k", "v", "Raft-Client: me", "Raft-Seq: 3", "Cookie: secret")
	n.is(got, 503, "busy", "rejected")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("the headers are %v", got.header)
	}
	req := <-asked
	if req.Header.Get("Raft-Forwarded") != "n1" || req.Header.Get("Raft-Client") != "me" || req.Header.Get("Raft-Seq") != "3" || req.Header.Get("Cookie") != "" {
		t.Errorf("the leader got the headers %v", req.Header)
	}
	left, err := time.ParseDuration(req.Header.Get(api.HeaderTimeout))
	if err != nil || left <= 0 || left >= api.DefaultTimeout {
		t.Errorf("the leader was given the time %q", req.Header.Get(api.HeaderTimeout))
	}
}

func TestAnAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	addr, _ := impostor(t, "HTTP/1.1 200 OK\r\nRaft-Term: 2\r\nContent-Length: 10\r\n\r\nhalf")
	n := led(t, addr)
	conn := n.dial()
	defer conn.Close()
	io.WriteString(conn, "GET /v1/kv/k HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the client took %q for the value", body)
	}
}

// A leader that accepts connections and says nothing is paused, or cut off: reads go elsewhere.
func TestAReadDoesNotWaitForAPausedLeader(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	n := led(t, listener.Addr().String())
	n.kv.patience = 10 * time.Millisecond
	n.leadAfter(2)
	n.is(n.do("GET", "/v1/kv/none", ""), 404, "not-found")
}

// A write that was sent is waited for: to give up sooner would only leave it in doubt.
func TestAWriteWaitsForTheLeader(t *testing.T) {
	_, follower := pair(t)
	follower.kv.patience = 1
	follower.is(follower.do("PUT", "/v1/kv/k", "v"), 200)
}

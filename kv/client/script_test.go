package client

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/raftnode/raft/kv/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// step is what a scripted server writes for one request, before it closes the connection.
type step string

const nothing step = ""

// silent is a step that never ends: the connection stays open, and empty.
const silent step = "silent"

func http200(body string, headers ...string) step {
	return answer("200 OK", body, append(headers, "Raft-Term: 2", "Raft-Index: 17", "Raft-Leader: n1")...)
}

func answer(status, body string, headers ...string) step {
	text := "HTTP/1.1 " + status + "\r\nConnection: close\r\n"
	for _, header := range headers {
		text += header + "\r\n"
	}
	return step(text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

func written(index int) step { return http200(fmt.Sprintf(`{"index":%d,"term":2}`, index)) }

func problem(code api.Code) step {
	p := api.NewProblem(code, "for a test")
	body, _ := json.Marshal(p)
	return answer(fmt.Sprintf("%d %s", p.Status, p.Title), string(body), "Raft-Term: 2", "Raft-Index: 17", "Raft-Leader: n1")
}

// request is what a scripted server got.
type request struct {
	method, target, body string
	header               http.Header
}

func (r request) pair() string { return r.header.Get("Raft-Client") + "/" + r.header.Get("Raft-Seq") }

// script is a server that reads each request to its end and then does the next step; the last one for ever.
type script struct {
	t        *testing.T
	addr     string
	listener net.Listener
	running  sync.WaitGroup

	arrived chan struct{} // gets one for each request that was read

	mu       sync.Mutex
	steps    []step
	requests []request
	open     []net.Conn
}

func serve(t *testing.T, steps ...step) *script {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, addr: listener.Addr().String(), listener: listener, steps: steps, arrived: make(chan struct{}, 1000)}
	s.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.answer(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		for _, conn := range s.open {
			conn.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

func (s *script) answer(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		conn.Close()
		return
	}
	body, _ := io.ReadAll(req.Body)
	s.mu.Lock()
	s.requests = append(s.requests, request{method: req.Method, target: req.RequestURI, body: string(body), header: req.Header})
	step := s.steps[0]
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	s.open = append(s.open, conn)
	s.mu.Unlock()
	s.arrived <- struct{}{}
	if step == silent {
		return
	}
	_, _ = io.WriteString(conn, string(step))
	conn.Close()
}

func (s *script) got() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// refused is an address where nobody listens.
func refused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func connect(t *testing.T, cfg Config, endpoints ...string) *Client {
	t.Helper()
	cfg.Endpoints = endpoints
	if cfg.Protocol == "" {
		cfg.Protocol = HTTP // what a script answers
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func isError(t *testing.T, err error, code api.Code, outcome api.Outcome) {
	t.Helper()
	if err == nil || CodeOf(err) != code || OutcomeOf(err) != outcome {
		t.Fatalf("got the error %v, want %s, %s", err, code, outcome)
	}
}

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"
)

// crowded is an HTTP server with room for that many connections. Requests for /hold are at work until release is closed.
type crowded struct {
	*node
	held    chan struct{} // gets a token from each request that is at work
	release chan struct{}
	config  *http.Server
	free    func()        // closes release
	idle    chan struct{} // gets a token when the server is through with a request
}

func newCrowded(t *testing.T, conns int) *crowded {
	t.Helper()
	c := &crowded{held: make(chan struct{}, 100), release: make(chan struct{}), idle: make(chan struct{}, 100)}
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && r.URL.Path == "/hold" {
			c.held <- struct{}{}
			<-c.release
		}
		fmt.Fprintf(w, "%d", len(body))
	}), conns)
	changed := ts.Config.ConnState
	ts.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if changed(conn, state); state == http.StateIdle {
			c.idle <- struct{}{}
		}
	}
	c.free = sync.OnceFunc(func() { close(c.release) })
	ts.Start()
	c.config = ts.Config
	t.Cleanup(func() { c.free(); ts.Close() })
	c.node = &node{t: t, addr: ts.Listener.Addr().String()}
	return c
}

// line is a client's connection.
type line struct {
	net.Conn
	t    *testing.T
	on   *crowded
	back *bufio.Reader
}

func (c *crowded) line() *line {
	c.t.Helper()
	conn := c.dial()
	c.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	return &line{conn, c.t, c, bufio.NewReader(conn)}
}

// says sends the text as it is.
func (l *line) says(text string) *line {
	l.t.Helper()
	if _, err := io.WriteString(l, text); err != nil {
		l.t.Fatal(err)
	}
	return l
}

const get, hold, post = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na"

// answered fails the test if there is no answer.
func (l *line) answered() *line {
	l.t.Helper()
	resp, err := http.ReadResponse(l.back, nil)
	if err != nil {
		l.t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		l.t.Fatal(err)
	}
	<-l.on.idle // it has written the answer, but until then it is at work
	return l
}

// closed waits until the server has closed the connection without a word.
func (l *line) closed() {
	l.t.Helper()
	if n, err := l.back.Read(make([]byte, 8)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Fatalf("it got %d bytes, error %v", n, err)
	}
}

// Whoever is silent, or slow with his header or with his body, or has said all he wanted, makes room: and nobody whose request is at work.
func TestWhoWaitsMakesRoom(t *testing.T) {
	for name, says := range map[string]string{
		"silent": "", "in the header": "GET / HTTP/1.1\r\nHo", "in the body": post, "in a body of unknown length": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowded(t, 3)
			works := c.line().says(hold)
			<-c.held
			var waiting []*line
			for range 20 {
				waiting = append(waiting, c.line().says(says))
			}
			for range 3 { // after a flood that goes on
				c.line().says(get).answered()
			}
			for _, l := range waiting[:18] {
				l.closed()
			}
			c.free()
			works.answered()
		})
	}
}

// Of two that wait, the one makes room that has waited for longer, whichever connected first.
func TestWhoAskedLastStays(t *testing.T) {
	c := newCrowded(t, 2)
	older := c.line().says(get).answered()
	newer := c.line().says(get).answered()
	older.says(get).answered()
	third := c.line().says(get).answered()
	newer.closed()
	older.says(get).answered()
	third.says(get).answered()
}

// When all are at work, who comes is closed at once.
func TestWorkIsNotThrownAway(t *testing.T) {
	c := newCrowded(t, 2)
	var works []*line
	for range 2 {
		works = append(works, c.line().says(hold))
		<-c.held
	}
	third := c.line()
	_, _ = io.WriteString(third, get) // it may be closed by now
	third.closed()
	c.free()
	for _, l := range works {
		l.answered()
	}
}

// A connection on which nothing was asked does not hold up the end: net/http alone waits for it as for a request.
func TestASilentConnectionDoesNotHoldUpTheEnd(t *testing.T) {
	c := newCrowded(t, 10)
	silent := c.line()
	c.line().says(get).answered() // so the silent one, which came before, was accepted
	now, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.config.Shutdown(now)                                                      // only asks, and does not wait
	if err := silent.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // net/http waits for 5
		t.Fatal(err)
	}
	if _, err := silent.back.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it was left open")
	}
}

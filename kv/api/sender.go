package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Sender sends HTTP requests and tells, when there is no answer, whether the request can have left
// this process: the difference between "certainly not done" and "may have been done". Redirects are not
// followed and proxies are not used: a request goes where it is addressed, once.
type Sender struct {
	transport *http.Transport
}

// NewSender makes a Sender. Close it when done.
func NewSender() *Sender {
	dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
	return &Sender{transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: conn}, nil
		},
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second, // below the server's, so that it seldom closes first
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

// Do sends the request. With an error, sent tells whether any byte of it may have left; if not, none
// will. The caller closes the answer's body.
func (s *Sender) Do(req *http.Request) (resp *http.Response, sent bool, err error) {
	var watch watch
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { watch.got(info.Conn) }}
	resp, err = s.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return nil, watch.seal(), err
	}
	return resp, true, nil
}

// Close closes the connections that nobody uses.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// watch follows one request over the connections that the transport tries for it. The transport tries a
// second one only if nothing was written to the first.
type watch struct {
	mu     sync.Mutex
	conn   *watchedConn
	writes int  // of conn when the request got it
	opaque bool // a connection that we cannot look into
}

func (w *watch) got(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	watched, ok := conn.(*watchedConn)
	if !ok {
		w.opaque = true
		return
	}
	w.conn, w.writes = watched, watched.begun()
}

// seal forbids the request's connection any further write and tells whether it had one.
func (w *watch) seal() (sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opaque {
		return true
	}
	return w.conn != nil && w.conn.seal() != w.writes
}

var errSealed = errors.New("the request was given up")

// watchedConn counts the writes begun. Its mutex is a leaf: no write happens under it.
type watchedConn struct {
	net.Conn
	mu     sync.Mutex
	writes int
	sealed bool // no write begins any more
}

func (c *watchedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.sealed {
		c.mu.Unlock()
		return 0, errSealed
	}
	c.writes++
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *watchedConn) begun() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

func (c *watchedConn) seal() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	return c.writes
}

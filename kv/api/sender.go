package api

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// Sender sends HTTP requests and tells, when there is no answer, whether the request can have left
// this process: the difference between "certainly not done" and "may have been done". Redirects are not
// followed and proxies are not used: a request goes where it is addressed, once.
type Sender struct {
	transport *http.Transport
	dialer    *dialer
}

// NewSender makes a Sender. Close it when done. secure gives what the next https connection is made with; nil is as if it gave an empty
// configuration.
func NewSender(secure func() *tls.Config) *Sender {
	d := &dialer{secure: secure, Dialer: net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}}
	return &Sender{dialer: d, transport: &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		MaxIdleConnsPerHost:    512,              // else under load connections are closed that the next request needs
		IdleConnTimeout:        30 * time.Second, // below the server's, so that it seldom closes first
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

// Dial connects as for a request. The connection is the caller's.
func (s *Sender) Dial(ctx context.Context, secure bool, address string) (net.Conn, error) {
	if secure {
		return s.dialer.dialTLS(ctx, "tcp", address)
	}
	return s.dialer.DialContext(ctx, "tcp", address)
}

type dialer struct {
	net.Dialer
	secure func() *tls.Config
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn}, nil
}

// secureTime bounds the TLS handshake.
const secureTime = 2 * time.Second

// dialTLS is in the place of the transport's own, to which certificates are given once and for all.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.secure != nil {
		config = d.secure().Clone()
	}
	if config.ServerName, _, err = net.SplitHostPort(address); err == nil {
		secured := tls.Client(conn, config)
		within, cancel := context.WithTimeout(ctx, secureTime)
		defer cancel()
		if err = secured.HandshakeContext(within); err == nil {
			return secured, nil
		}
	}
	conn.Close()
	return nil, err
}

// Do sends the request. With an error, sent tells whether any byte of it may have left; if not, none
// will. The caller closes the answer's body.
func (s *Sender) Do(req *http.Request) (resp *http.Response, sent bool, err error) {
	var watch watch
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { watch.got(info.Conn) }}
	resp, err = s.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return nil, watch.seal() && !Unwelcome(err), err
	}
	return resp, true, nil
}

// Unwelcome tells whether a server ended the TLS handshake over the certificate of this end, or the lack of one. With TLS 1.3 the first request is sent before that
// comes, and is not read.
func Unwelcome(err error) bool {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	switch strings.TrimPrefix(remote.Err.Error(), "tls: ") {
	case "certificate required", "bad certificate", "unsupported certificate", "unknown certificate", "unknown certificate authority",
		"expired certificate", "revoked certificate":
		return true
	}
	return false
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
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
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

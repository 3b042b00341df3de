package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
)

const (
	// dialTime bounds how long a stream may take to begin. A call waits for it no longer than its own time.
	dialTime = 5 * time.Second
	// plainTime is how long an endpoint that does not know streams is not asked again.
	plainTime = time.Minute
)

// errPlain: the call is to be made over HTTP.
var errPlain = errors.New("the server speaks HTTP only")

// errTimeUp is what a deadline gives.
var errTimeUp = context.DeadlineExceeded

// link is the way to one endpoint.
type link struct {
	client *Client
	base   string // as URL, without a slash at the end

	mu         sync.Mutex
	stream     *stream // the newest; nil if there was none yet
	older      []*stream
	dialing    *dialing // nil if nobody dials
	plainUntil time.Time
	closed     bool
}

// dialing is a dial that is under way. Those who wait for it share what comes of it.
type dialing struct {
	done   chan struct{}
	stream *stream
	err    error
}

// ready gives the stream if there is one now.
func (l *link) ready() *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream != nil && l.stream.usable() {
		return l.stream
	}
	return nil
}

// open gives the stream, and waits for it if it must be begun. With an error nothing was sent.
func (l *link) open(ctx context.Context, deadline time.Time) (*stream, error) {
	l.mu.Lock()
	switch {
	case l.closed:
		l.mu.Unlock()
		return nil, errClosed
	case l.stream != nil && l.stream.usable():
		defer l.mu.Unlock()
		return l.stream, nil
	case time.Now().Before(l.plainUntil):
		l.mu.Unlock()
		return nil, errPlain
	case l.dialing == nil:
		l.dialing = &dialing{done: make(chan struct{})}
		d := l.dialing
		l.client.running.Go(func() { l.dial(d) })
	}
	d := l.dialing
	l.mu.Unlock()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-d.done:
		return d.stream, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, errTimeUp
	}
}

func (l *link) dial(d *dialing) {
	ctx, cancel := context.WithTimeout(l.client.life, dialTime)
	defer cancel()
	var stopped bool
	d.stream, stopped, d.err = l.begin(ctx)
	l.mu.Lock()
	l.dialing = nil
	if stopped {
		l.plainUntil = time.Now().Add(plainTime)
	}
	if d.stream != nil && l.closed {
		l.mu.Unlock()
		d.stream.close()
		d.stream, d.err = nil, errClosed
		close(d.done)
		return
	}
	if d.stream != nil {
		l.replace(d.stream)
	}
	l.mu.Unlock()
	close(d.done)
}

// replace puts a new stream in place of one that takes no calls any more. Call it under mu.
func (l *link) replace(with *stream) {
	if l.stream != nil {
		l.older = append(l.older, l.stream)
	}
	l.stream = with
	alive := l.older[:0]
	for _, s := range l.older {
		s.mu.Lock()
		if s.broken == nil {
			alive = append(alive, s) // it waits for calls that have time left
		}
		s.mu.Unlock()
	}
	clear(l.older[len(alive):])
	l.older = alive
}

// begin connects and asks for the protocol. With plain the server is known not to have it.
func (l *link) begin(ctx context.Context) (s *stream, plain bool, err error) {
	scheme, host, _ := strings.Cut(l.base, "://")
	conn, err := l.client.sender.Dial(ctx, scheme == "https", host)
	if err != nil {
		return nil, false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", api.PathStream, host, wire.Protocol)
	in := bufio.NewReader(conn)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(in, nil)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		err = ctx.Err()
	case err != nil && strings.Contains(err.Error(), "malformed HTTP"):
		err = errPlain // whatever it is, over HTTP it is told what is wrong
	case err != nil:
	case resp.StatusCode == http.StatusSwitchingProtocols && resp.Header.Get("Upgrade") == wire.Protocol && stop():
		already, _ := in.Peek(in.Buffered())
		return newStream(conn, already, l.client.leads), false, nil
	default:
		err, plain = errPlain, isPlain(resp.StatusCode)
		_ = resp.Body.Close()
	}
	_ = conn.Close()
	return nil, plain, err
}

// isPlain tells whether a server that answers like this would do so the next time.
func isPlain(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUpgradeRequired, http.StatusNotImplemented, http.StatusOK:
		return true
	}
	return false
}

// close ends the streams, after which the link has no others.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	all := l.all()
	l.mu.Unlock()
	for _, s := range all {
		s.close()
	}
}

// all gives the streams, those that have ended among them. Call it under mu.
func (l *link) all() []*stream {
	if l.stream == nil {
		return slices.Clone(l.older)
	}
	return append(slices.Clone(l.older), l.stream)
}

// retire lets the link's streams end when their calls are answered, and begins no others.
func (l *link) retire() {
	l.mu.Lock()
	l.closed = true
	all := l.all()
	l.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		s.leaving = true
		s.endIfDone()
		s.mu.Unlock()
	}
	for _, s := range all {
		s.running.Wait()
	}
}

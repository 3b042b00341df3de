package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// connections bounds the number of those that are open. Above it, the one makes room that has waited for longest without a
// request that is complete: so idle connections and slow senders, as many as they are, keep out nobody who says what he wants. When there is a
// request at work on all, the newest makes room.
type connections struct {
	max int

	mu   sync.Mutex
	open map[net.Conn]*connection
	now  atomic.Uint64 // counts up with each change
}

// connection is one of them.
type connection struct {
	table *connections
	since atomic.Uint64 // when it began to wait, or to work
	works atomic.Bool   // on a request that has come in whole
	begun bool          // a request has begun to come in
}

type connectionKey struct{}

// changed is for http.Server.ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.open, conn)
	case http.StateIdle:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.open[conn].mark(false)
	case http.StateActive:
		c.mu.Lock()
		defer c.mu.Unlock()
		if entry := c.open[conn]; entry != nil {
			entry.begun = true
		}
	case http.StateNew:
	}
}

// enter is for http.Server.ConnContext, which is called for each new connection before a byte of it is read.
func (c *connections) enter(ctx context.Context, conn net.Conn) context.Context {
	entry := &connection{table: c}
	c.mu.Lock()
	c.open[conn] = entry
	entry.mark(false)
	var victim net.Conn
	if len(c.open) > c.max {
		victim = c.victim()
		delete(c.open, victim)
	}
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Close() // its last state will be StateClosed
	}
	return context.WithValue(ctx, connectionKey{}, entry)
}

// hangUp closes the connections on which nothing was asked. A server that shuts down would wait for them as for requests that are at work.
func (c *connections) hangUp() {
	c.mu.Lock()
	var silent []net.Conn
	for conn, entry := range c.open {
		if !entry.begun {
			silent = append(silent, conn)
		}
	}
	c.mu.Unlock()
	for _, conn := range silent {
		_ = conn.Close()
	}
}

// victim gives the connection that is to make room. There is one: the newest waits. Call it under mu.
func (c *connections) victim() (victim net.Conn) {
	for conn, entry := range c.open {
		if !entry.works.Load() && (victim == nil || entry.since.Load() < c.open[victim].since.Load()) {
			victim = conn
		}
	}
	return victim
}

// mark notes that the connection waits or works from now on. It does nothing for one that is not in a table.
func (e *connection) mark(works bool) {
	if e == nil {
		return
	}
	e.since.Store(e.table.now.Add(1))
	e.works.Store(works)
}

// stay keeps a connection in the table that is net/http's no longer, until leave. It marks itself.
func (e *connection) stay(conn net.Conn) {
	if e == nil {
		return
	}
	e.table.mu.Lock()
	defer e.table.mu.Unlock()
	e.mark(false)
	e.table.open[conn] = e
}

func (e *connection) leave(conn net.Conn) {
	if e == nil {
		return
	}
	e.table.mu.Lock()
	defer e.table.mu.Unlock()
	delete(e.table.open, conn)
}

// watched notes for each request when it is complete.
func watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if entry, _ := r.Context().Value(connectionKey{}).(*connection); entry != nil {
			if r.ContentLength == 0 {
				entry.complete()
			} else {
				body := r.Body
				r = r.WithContext(r.Context()) // net/http looks into the body of its own, to see what of it is left
				r.Body = &arriving{body, entry}
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (e *connection) complete() {
	e.table.mu.Lock()
	defer e.table.mu.Unlock()
	e.mark(true)
}

// arriving is a body that has not come in whole.
type arriving struct {
	io.ReadCloser
	on *connection
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // a body gives it bare
		a.on.complete()
	}
	return n, err
}

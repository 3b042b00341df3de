package server

import (
	"cmp"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// door counts the requests in work and the bytes of their bodies.
type door struct {
	maxRequests int
	maxBytes    int64

	mu       sync.Mutex
	requests int
	bytes    int64
}

// enter lets a request in, which must leave, or rejects it.
func (d *door) enter(bytes int64) (leave func(), problem *api.Problem) {
	if problem := d.take(bytes); problem != nil {
		return nil, problem
	}
	return func() { d.leave(1, bytes) }, nil
}

// take is enter for those who leave together.
func (d *door) take(bytes int64) *api.Problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.requests+1 > d.maxRequests || d.bytes+bytes > d.maxBytes {
		return api.NewProblem(api.CodeBusy, "this node is working on %d requests with %d bytes and takes no more; try again later", d.requests, d.bytes)
	}
	d.requests++
	d.bytes += bytes
	return nil
}

func (d *door) leave(requests int, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests -= requests
	d.bytes -= bytes
}

// The bounds of NewHTTPServer.
const (
	maxConnections  = 4096     // unless the caller says otherwise
	maxHeaderBytes  = 16 << 10 // a key of 1 KiB, percent-encoded, is 3 KiB
	headerTimeout   = 5 * time.Second
	requestTimeout  = api.MaxTimeout + 10*time.Second // to read; what is left over must outlast the longest request
	responseTimeout = api.MaxTimeout + 30*time.Second // from the end of the header to the end of the answer
	idleTimeout     = 2 * time.Minute
)

// NewHTTPServer makes an http.Server for the handler that slow, silent or too many clients cannot
// exhaust: reads, writes and idle connections end in time. There are at most so many connections, 4096 if conns is 0: beyond that the one is closed that has
// waited for longest without a complete request.
func NewHTTPServer(handler http.Handler, conns int) *http.Server {
	table := connections{max: cmp.Or(conns, maxConnections), open: map[net.Conn]*connection{}}
	srv := &http.Server{
		Handler:           watched(handler),
		ConnContext:       table.enter,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      responseTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         table.changed,
	}
	srv.RegisterOnShutdown(table.hangUp)
	return srv
}

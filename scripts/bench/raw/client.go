package raw

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftnode/raft/kv/load"
)

// silence is how long a server may leave requests in flight unanswered.
const silence = 30 * time.Second

// Client is a load.Target: some connections to one server. Close it when done.
type Client struct {
	conns []*clientConn
	next  atomic.Uint32
}

// Dial connects to the server.
func Dial(ctx context.Context, addr string, conns int) (*Client, error) {
	c := &Client{}
	for range conns {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("raw: %w", err)
		}
		c.conns = append(c.conns, newClientConn(conn))
	}
	return c, nil
}

// Close closes the connections: what is in flight fails.
func (c *Client) Close() {
	for _, conn := range c.conns {
		conn.out.close()
		_ = conn.conn.Close()
	}
	for _, conn := range c.conns {
		conn.running.Wait()
	}
}

// Start sends the operation over one of the connections, in turn.
func (c *Client) Start(_ context.Context, op load.Op, answered func(error)) {
	what := put
	switch op.Kind {
	case load.Get:
		what = get
	case load.Delete:
		panic("raw: there is no delete")
	case load.Put:
	}
	c.conns[int(c.next.Add(1))%len(c.conns)].send(what, op.Key, op.Value, answered)
}

// Leads asks the server whether it leads.
func (c *Client) Leads(ctx context.Context) (bool, error) {
	answer := make(chan error, 1)
	conn := c.conns[0]
	conn.send(leads, "", nil, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return conn.leads.Load(), err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// clientConn is one connection. Its reader calls whoever waits.
type clientConn struct {
	conn    net.Conn
	out     *writer
	running sync.WaitGroup
	leads   atomic.Bool // what the server said last

	mu      sync.Mutex
	waiting []func(error) // by id
	free    []int         // ids that nobody uses
	broken  error
}

func newClientConn(conn net.Conn) *clientConn {
	c := &clientConn{conn: conn, out: newWriter(conn)}
	c.running.Go(c.out.run)
	c.running.Go(c.read)
	return c
}

func (c *clientConn) send(what kind, key string, value []byte, answered func(error)) {
	id, err := c.enter(answered)
	if err == nil && !c.out.add(func(to []byte) []byte {
		if what == leads {
			return appendHeader(to, uint64(id), uint8(what), 0)
		}
		to = appendHeader(to, uint64(id), uint8(what), 2+len(key)+len(value))
		return appendCommand(to, key, value)
	}) {
		_ = c.conn.Close() // the reader tells whoever waits
	}
	if err != nil {
		go answered(err) // never from within Start
	}
}

func (c *clientConn) enter(answered func(error)) (id int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return 0, c.broken
	}
	if n := len(c.free); n > 0 {
		id, c.free = c.free[n-1], c.free[:n-1]
		c.waiting[id] = answered
		return id, nil
	}
	c.waiting = append(c.waiting, answered)
	return len(c.waiting) - 1, nil
}

// leave gives who waits for the answer; nil if nobody does.
func (c *clientConn) leave(id uint64) func(error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id >= uint64(len(c.waiting)) || c.waiting[id] == nil {
		return nil
	}
	answered := c.waiting[id]
	c.waiting[id] = nil
	c.free = append(c.free, int(id))
	return answered
}

func (c *clientConn) read() {
	in := bufio.NewReaderSize(c.conn, bufferBytes)
	for {
		if in.Buffered() == 0 {
			// Nobody may be waiting: then it is the connection that ends, and the next Start that says so.
			_ = c.conn.SetReadDeadline(time.Now().Add(silence))
		}
		id, what, rest, err := readFrame(in)
		if err != nil {
			c.fail(fmt.Errorf("raw: the connection broke: %w", err))
			return
		}
		answered := c.leave(id)
		if answered == nil {
			c.fail(fmt.Errorf("raw: an answer to request %d, which nobody sent", id))
			return
		}
		if status(what) == failed {
			answered(errors.New("raw: " + string(rest)))
			continue
		}
		if len(rest) == 1 {
			c.leads.Store(rest[0] == 1)
		}
		answered(nil)
	}
}

func (c *clientConn) fail(err error) {
	c.mu.Lock()
	c.broken = err
	waiting := slices.Clone(c.waiting)
	clear(c.waiting)
	c.mu.Unlock()
	c.out.close()
	_ = c.conn.Close()
	for _, answered := range waiting {
		if answered != nil {
			answered(err)
		}
	}
}

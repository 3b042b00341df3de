package integration

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Link is a userspace proxy for one direction of the network between two nodes: from dials it in
// place of to. Its address stays the same while it lives, whatever becomes of the two nodes.
//
// raftnode sends its messages one way per connection, replies included, so cutting the link n1->n2 cuts what
// n1 says to n2 and nothing else.
type Link struct {
	ln     net.Listener
	target func() (addr string, ok bool)
	ctx    context.Context // ends with Close: stops a dial that is under way
	stop   context.CancelFunc
	wg     sync.WaitGroup
	sky    *weather // nil: bytes are neither counted nor held back by chance

	mu    sync.Mutex // guards what follows; a leaf
	mode  linkMode
	delay time.Duration
	spoil func(chunk []byte) // nil: what arrives is what was sent
	conns map[*linkConn]struct{}
}

type linkMode uint8

const (
	passing linkMode = iota
	cut
	swallowing
)

// linkConn is one connection through a link: two sockets and two pumps.
type linkConn struct {
	near, far net.Conn      // far is nil until the target answered, and for ever if it was never asked
	lossy     bool          // bytes were swallowed: what would follow makes no sense to the receiver
	closed    chan struct{} // closed by Link.drop
}

// dialLimit bounds how long the target may take to accept. On loopback only a full backlog takes any time.
const dialLimit = 2 * time.Second

// NewLink listens on a port of loopback that the kernel picks and forwards each connection to the address
// that target gives at that moment. If target has none, the connection is reset.
func NewLink(target func() (addr string, ok bool)) (*Link, error) { return newLinkUnder(target, nil) }

func newLinkUnder(target func() (addr string, ok bool), sky *weather) (*Link, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("integration: link: %w", err)
	}
	l := &Link{ln: ln, target: target, sky: sky, conns: map[*linkConn]struct{}{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.wg.Go(l.accept)
	return l, nil
}

// Addr is where to dial the link, as host:port.
func (l *Link) Addr() string { return l.ln.Addr().String() }

// Cut resets all connections, and each new one as soon as it is accepted.
func (l *Link) Cut() { l.set(cut, func(*linkConn) bool { return true }) }

// Blackhole goes on accepting and reading, in both directions, and forwards nothing: as when packets vanish. No connection is
// reset, so only a timeout can tell.
func (l *Link) Blackhole() { l.set(swallowing, func(*linkConn) bool { return false }) }

// Heal ends Cut and Blackhole. Connections of which bytes were swallowed are reset; a delay stays.
func (l *Link) Heal() { l.set(passing, func(c *linkConn) bool { return c.lossy }) }

// Delay holds each chunk of bytes for d before it is passed on; 0 ends that. What arrives meanwhile waits
// for its turn, so a byte is late by d to 2d.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Spoil lets do change what from says before it is passed on; nil ends that. It is called for one chunk of bytes after another, also of several
// connections at once.
func (l *Link) Spoil(do func(chunk []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spoil = do
}

// Close resets all connections, and returns when no goroutine of the link is left.
func (l *Link) Close() {
	l.stop()
	_ = l.ln.Close()
	l.Cut()
	l.wg.Wait()
}

// set changes the mode and resets the connections that dead chooses.
func (l *Link) set(mode linkMode, dead func(*linkConn) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode = mode
	for c := range l.conns {
		if dead(c) {
			l.drop(c)
		}
	}
}

// drop resets a connection, once. The caller holds l.mu; closing a socket with linger 0 does not block.
func (l *Link) drop(c *linkConn) {
	if _, open := l.conns[c]; !open {
		return
	}
	delete(l.conns, c)
	close(c.closed)
	reset(c.near)
	if c.far != nil {
		reset(c.far)
	}
}

// reset closes with RST, as a dead network or a killed process would make the other side see at best.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (l *Link) accept() {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			return // closed
		}
		if c, ok := l.add(conn); ok {
			l.wg.Go(func() { l.serve(c) })
		}
	}
}

func (l *Link) add(conn net.Conn) (*linkConn, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mode == cut || l.ctx.Err() != nil {
		reset(conn)
		return nil, false
	}
	c := &linkConn{near: conn, lossy: l.mode == swallowing, closed: make(chan struct{})}
	l.conns[c] = struct{}{}
	return c, true
}

// serve runs one connection until either side or the link ends it.
func (l *Link) serve(c *linkConn) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.drop(c)
	}()
	if c.lossy { // accepted while swallowing: the target never hears of it
		l.pump(c, c.near, nil, nil)
		return
	}
	far, ok := l.connect(c)
	if !ok {
		return
	}
	// A side that ends ends the other: nobody here half-closes.
	l.wg.Go(func() {
		l.pump(c, far, c.near, nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.drop(c)
	})
	l.pump(c, c.near, far, l.sky)
}

// connect dials the target for c, unless c was dropped meanwhile.
func (l *Link) connect(c *linkConn) (net.Conn, bool) {
	addr, ok := l.target()
	if !ok {
		return nil, false
	}
	dialer := net.Dialer{Timeout: dialLimit}
	far, err := dialer.DialContext(l.ctx, "tcp", addr)
	if err != nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.conns[c]; !open {
		reset(far)
		return nil, false
	}
	c.far = far
	return far, true
}

// pump moves bytes from one socket to the other, as sky wills; to may be nil while everything is swallowed.
func (l *Link) pump(c *linkConn, from, to net.Conn, sky *weather) {
	chunk := make([]byte, 32<<10)
	var frames wire
	for {
		n, err := from.Read(chunk)
		var delay time.Duration
		if sky != nil && n > 0 {
			var broken bool
			if delay, broken = sky.chunk(frames.feed(chunk[:n]), n); broken {
				return
			}
		}
		if n > 0 && l.pass(c, delay) {
			if from == c.near {
				l.spoilt(chunk[:n])
			}
			if _, err := to.Write(chunk[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass holds a chunk of c for the link's delay and some more, and then tells whether it goes on. A chunk that is not passed
// makes c lossy for good.
func (l *Link) pass(c *linkConn, more time.Duration) bool {
	l.mu.Lock()
	delay := l.delay + more
	l.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.lossy = c.lossy || l.mode == swallowing
	return !c.lossy
}

// spoilt changes a chunk as Spoil wants it.
func (l *Link) spoilt(chunk []byte) {
	l.mu.Lock()
	spoil := l.spoil
	l.mu.Unlock()
	if spoil != nil {
		spoil(chunk)
	}
}

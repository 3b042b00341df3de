package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Link is the way to one peer: a queue, and a goroutine that keeps a connection to the peer and
// writes the queue to it. Answers do not come back on it, but on the peer's own link.
type Link struct {
	cfg     *Config
	report  func(Event)
	id      consensus.ServerID
	address string
	codec   Codec

	queue queue
	wake  chan struct{} // one token: the queue has something
	alive chan struct{} // one token: the peer was heard of, so dial it now

	mu      sync.Mutex
	conn    net.Conn // while there is one
	stopped bool     // no connection may be opened any more

	stats linkStats
}

type linkStats struct {
	connected               atomic.Bool
	sent, sentBytes         atomic.Uint64
	received, receivedBytes atomic.Uint64 // on the peer's connections to this server
}

func newLink(cfg *Config, report func(Event), id consensus.ServerID) *Link {
	return &Link{
		cfg: cfg, report: report, id: id, address: cfg.Peers[id], codec: lookup(cfg.Codec),
		queue: queue{maxMessages: cfg.MaxQueueMessages, maxBytes: cfg.MaxQueueBytes},
		wake:  make(chan struct{}, 1),
		alive: make(chan struct{}, 1),
	}
}

// ID is the peer at the other end.
func (l *Link) ID() consensus.ServerID { return l.id }

// Send queues m for the peer and returns at once. The message may be lost: when the queue is full,
// when the connection ends, and always when the link is down and a newer message of its kind comes.
// It must come from this server and be for the peer, and must not be changed any more.
func (l *Link) Send(m consensus.Message) {
	if l.queue.put(m) {
		notify(l.wake)
	}
}

// notify leaves a token, if there is none.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run keeps the link connected until ctx ends.
func (l *Link) run(ctx context.Context) {
	var backoff time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		if conn, err := l.connect(ctx); err != nil {
			l.reportFailure(ctx, err)
		} else {
			err := l.serve(ctx, conn)
			l.report(Event{Kind: LinkDown, Peer: l.id, Remote: l.address, Reason: reason(err)})
			// Only a link that lasted is a success: two servers of one name would else take
			// turns in throwing each other out as fast as they can dial.
			if time.Since(began) >= l.cfg.MaxBackoff {
				backoff = 0
			}
		}
		backoff = min(max(2*backoff, l.cfg.MinBackoff), l.cfg.MaxBackoff)
		l.pause(ctx, backoff)
	}
}

// pause waits for up to d, less if the peer is heard of: a server that comes back dials its peers, and
// they need not wait out their own pauses to answer it.
func (l *Link) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d - rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.alive:
	case <-ctx.Done():
	}
}

// connect dials the peer and shakes hands.
func (l *Link) connect(ctx context.Context) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, l.cfg.DialTimeout)
	defer cancel()
	conn, err := l.cfg.Dial(dialing, l.address)
	if err != nil {
		return nil, err
	}
	if !l.attach(conn) {
		return nil, net.ErrClosed
	}
	if err := l.greet(conn); err != nil {
		l.detach()
		return nil, err
	}
	return conn, nil
}

// refusedError is the reason that a peer gave for refusing this server.
type refusedError struct{ reason string }

func (e refusedError) Error() string { return e.reason }

// greet sends the hello and judges the answer.
func (l *Link) greet(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(l.cfg.HandshakeTimeout)); err != nil {
		return err
	}
	h := hello{
		lowest: protocolVersion, highest: protocolVersion,
		cluster: l.cfg.Cluster, sender: l.cfg.ID, receiver: l.id,
		codec: l.codec.Name(), advertise: l.cfg.Advertise, store: l.cfg.Store,
	}
	if _, err := conn.Write(h.append(nil)); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	a, err := readAnswer(conn)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if !a.accepted {
		return refusedError{a.reason}
	}
	if err := a.check(l.cfg, l.id); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

func (l *Link) reportFailure(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // it failed because we stop
	}
	kind := DialFailed
	if errors.As(err, new(refusedError)) {
		kind = DialRefused
	}
	l.report(Event{Kind: kind, Peer: l.id, Remote: l.address, Reason: reason(err)})
}

// serve writes the queue to conn until the connection or ctx ends, and says why.
func (l *Link) serve(ctx context.Context, conn net.Conn) error {
	l.queue.setUp(true)
	l.stats.connected.Store(true)
	l.report(Event{Kind: LinkUp, Peer: l.id, Remote: l.address})
	ctx, fail := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		fail(l.watch(conn))
	}()
	fail(newWriter(l, conn).run(ctx))
	l.detach()
	<-watched
	l.stats.connected.Store(false)
	l.queue.setUp(false)
	return context.Cause(ctx)
}

// watch reads the peer's signs of life until the connection ends. Without it the end would
// be noticed only by a write that fails, and that is the second one: the first vanishes.
func (l *Link) watch(conn net.Conn) error {
	in := &frameReader{r: bufio.NewReaderSize(&aliveReader{conn: conn, idle: l.cfg.IdleTimeout}, 512)}
	for {
		kind, _, err := in.next()
		if err != nil {
			return err
		}
		if kind != KindKeepalive {
			return violationf("the peer sent a %v where it only may show that it lives", kind)
		}
	}
}

// attach makes conn the connection that stop closes. If stop was called already, it closes conn.
func (l *Link) attach(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		conn.Close()
		return false
	}
	l.conn = conn
	return true
}

// detach closes the connection.
func (l *Link) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Close()
	l.conn = nil
}

// stop closes the connection and allows no other: it ends what waits in a read or a write.
func (l *Link) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.conn != nil {
		l.conn.Close()
	}
}

package rpc

import (
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
// writes the queue to it, where Send did not do so itself. Answers do not come back on it, but on the peer's own link.
type Link struct {
	cfg    *Config
	report func(Event)
	id     consensus.ServerID
	codec  Codec

	queue  queue
	writer atomic.Pointer[writer] // while the link is up
	wake   chan struct{}          // one token: the writer has something to do
	alive  chan struct{}          // one token: the peer was heard of, so dial it now
	// turn holds a token while a connection of this peer is read. A peer that redials while deliver
	// blocks would else leave one more blocked goroutine behind each time.
	turn chan struct{}

	mu      sync.Mutex
	address string
	end     context.CancelCauseFunc // ends run, while it runs
	abort   context.CancelFunc      // ends the attempt to connect that was begun last
	conn    net.Conn                // while there is one
	stopped error                   // why no connection may be opened any more

	patience time.Duration // how long the peer may be silent, or take nothing; of the goroutine of run

	temporary bool // to a server that is no peer. The roster's mutex guards this and the next
	users     int  // goroutines of incoming connections that use the link

	agreed   agreement     // by the last handshake; of the goroutine of run
	features atomic.Uint64 // of the agreement while the link is up, else 0
	stats    linkStats
	told     atomic.Pointer[string] // what the peer advertised
}

type linkStats struct {
	connected               atomic.Bool
	sent, sentBytes         atomic.Uint64
	received, receivedBytes atomic.Uint64 // on the peer's connections to this server
}

func newLink(cfg *Config, report func(Event), id consensus.ServerID, address string) *Link {
	return &Link{
		cfg: cfg, report: report, id: id, address: address, codec: lookup(cfg.Codec), patience: cfg.IdleTimeout,
		queue: queue{maxMessages: cfg.MaxQueueMessages, maxBytes: cfg.MaxQueueBytes},
		wake:  make(chan struct{}, 1),
		alive: make(chan struct{}, 1),
		turn:  make(chan struct{}, 1),
	}
}

// ID is the peer at the other end.
func (l *Link) ID() consensus.ServerID { return l.id }

// Send queues m for the peer and returns at once. The message may be lost: when the queue is full, when the connection
// ends, always when the link is down and a newer message of its kind comes, and when the peer was removed.
// It must come from this server and be for the peer, and must not be changed any more.
func (l *Link) Send(m consensus.Message) {
	if !l.queue.put(m) {
		return
	}
	if w := l.writer.Load(); w == nil || !w.try() {
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

// run keeps the link connected until ctx ends or the link is stopped.
func (l *Link) run(ctx context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	l.started(end)
	var backoff time.Duration
	for ctx.Err() == nil {
		began, address := time.Now(), l.where()
		if conn, err := l.connect(ctx, address); err != nil {
			l.reportFailure(ctx, address, err)
		} else {
			err := l.serve(ctx, conn, address)
			l.report(Event{Kind: LinkDown, Peer: l.id, Remote: address, Reason: reason(err)})
			l.wait(err)
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

// maxPatience is how many times IdleTimeout the other end may be silent at most.
const maxPatience = 8

// wait adapts the patience with the peer to how the last connection ended. Its rhythm may be slower than this server's, or its machine: to go on
// throwing away what waits for it would help nobody.
func (l *Link) wait(ended error) {
	if errors.Is(ended, errSilent) || errors.Is(ended, errStuck) {
		l.patience = min(2*l.patience, maxPatience*l.cfg.IdleTimeout)
	} else {
		l.patience = l.cfg.IdleTimeout
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
func (l *Link) connect(ctx context.Context, address string) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, l.cfg.DialTimeout)
	defer cancel()
	l.dialing(cancel)
	conn, err := l.cfg.Dial(dialing, address)
	if err != nil {
		return nil, err
	}
	if !l.attach(conn, address) {
		return nil, net.ErrClosed
	}
	stream, err := l.greet(conn)
	if err != nil {
		l.detach()
		return nil, err
	}
	return stream, nil
}

// refusedError is the reason that a peer gave for refusing this server.
type refusedError struct{ reason string }

func (e refusedError) Error() string { return e.reason }

// hello is what this server says to the peer.
func (l *Link) hello() *hello {
	return &hello{
		lowest: lowestVersion, highest: highestVersion,
		cluster: l.cfg.Cluster, sender: l.cfg.ID, receiver: l.id,
		codec: l.codec.Name(), advertise: l.cfg.Advertise, store: l.cfg.Store, address: l.cfg.Address,
		incarnation: l.cfg.incarnation(l.id), codecs: joinCodecs(l.codec.Name()), features: l.cfg.Features,
		membership: l.cfg.membership(),
	}
}

// greet secures the connection, if it is to be, sends the hello and judges the answer. It gives what is to be written to.
func (l *Link) greet(raw net.Conn) (net.Conn, error) {
	if err := raw.SetDeadline(time.Now().Add(l.cfg.HandshakeTimeout)); err != nil {
		return nil, err
	}
	conn, err := l.secure(raw)
	if err != nil {
		return nil, err
	}
	h := l.hello()
	if _, err := conn.Write(h.append(nil)); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	a, err := readAnswer(conn)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", alert(err))
	}
	if !a.accepted && a.cluster == "" && a.server == l.id { // it is starting, and that is nobody's mistake
		return nil, errors.New(a.reason)
	}
	if !a.accepted {
		return nil, refusedError{a.reason}
	}
	if err := a.check(l.cfg, l.id); err != nil {
		return nil, err
	}
	l.agree(a)
	return conn, conn.SetDeadline(time.Time{})
}

func (l *Link) reportFailure(ctx context.Context, address string, err error) {
	if ctx.Err() != nil || l.where() != address {
		return // it failed because we stop, or go elsewhere
	}
	kind := DialFailed
	if errors.As(err, new(refusedError)) {
		kind = DialRefused
	}
	l.report(Event{Kind: kind, Peer: l.id, Remote: address, Reason: reason(err)})
}

// serve writes the queue to conn until the connection or ctx ends, and says why.
func (l *Link) serve(ctx context.Context, conn net.Conn, address string) error {
	l.queue.setUp(true)
	l.stats.connected.Store(true)
	l.features.Store(l.agreed.features)
	l.report(Event{
		Kind: LinkUp, Peer: l.id, Remote: address, Codec: l.agreed.codec.Name(), Protocol: int(l.agreed.version), Features: l.agreed.features,
	})
	ctx, fail := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		fail(l.watch(conn))
	}()
	w := newWriter(l, conn)
	l.writer.Store(w)
	fail(w.run(ctx))
	l.writer.Store(nil)
	l.detach()
	<-watched
	l.stats.connected.Store(false)
	l.features.Store(0)
	l.queue.setUp(false)
	return context.Cause(ctx)
}

// watch reads the peer's signs of life until the connection ends. Without it the end would
// be noticed only by a write that fails, and that is the second one: the first vanishes.
func (l *Link) watch(conn net.Conn) error {
	in := &frameReader{r: &aliveReader{conn: conn, idle: l.patience}}
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

// where gives the address at which the peer is to be dialed now.
func (l *Link) where() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.address
}

// move makes the link go to another address, if it is another, without waiting for what it does now.
func (l *Link) move(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.address == address {
		return
	}
	l.address = address
	l.interrupt()
	notify(l.alive) // no pause before the next attempt
}

// interrupt ends the connection, or the attempt to get one. Call it under mu.
func (l *Link) interrupt() {
	if l.abort != nil {
		l.abort()
	}
	if l.conn != nil {
		l.conn.Close()
	}
}

// started makes end what stop calls. If stop was called already, it calls end.
func (l *Link) started(end context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end = end; l.stopped != nil {
		end(l.stopped)
	}
}

// dialing makes cancel what move calls.
func (l *Link) dialing(cancel context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abort = cancel
}

// attach makes conn, which was dialed at address, the connection that stop closes. If stop was called already, or
// the peer moved, it closes conn.
func (l *Link) attach(conn net.Conn, address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil || l.address != address {
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

// stop closes the connection, allows no other, and makes run end, whose connection then ended for that reason. It does not wait.
func (l *Link) stop(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped == nil {
		l.stopped = why
	}
	l.queue.close()
	if l.end != nil {
		l.end(why)
	}
	l.interrupt()
}

// ended tells whether stop was called.
func (l *Link) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped != nil
}

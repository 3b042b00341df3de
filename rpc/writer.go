package rpc

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// writeStep is how much is gathered for one write, and how much must go out within one IdleTimeout.
const writeStep = 64 << 10

// writer writes the queue of a link to one connection. Who sends a message writes it without waiting, if the connection takes it and nobody else is
// writing; so a message leaves without a change of goroutines. What is left is for run.
type writer struct {
	link *Link
	conn net.Conn
	now  *nowWriter    // nil: the connection has no way to write without waiting
	rush time.Duration // messages that come as soon as this behind another go together

	mu       sync.Mutex // held while frames are gathered and written
	ended    bool       // the connection is not written to any more
	buf      []byte     // the frames of one write
	rest     []byte     // the end of buf that is still to be written
	messages int        // in buf
	sequence uint64     // of the last frame
	drops    uint64     // how many of the queue's drops were told
	last     time.Time  // when something was written
}

func newWriter(l *Link, conn net.Conn) *writer {
	return &writer{link: l, conn: conn, now: newNowWriter(conn), drops: l.queue.drops(), last: time.Now(), rush: rush}
}

// run sends what waits, as much as there is in one write, and a keepalive when there was
// nothing for a while. It ends with the connection or ctx.
func (w *writer) run(ctx context.Context) error {
	interval := w.link.cfg.KeepaliveInterval
	quiet := time.NewTimer(interval)
	defer quiet.Stop()
	defer w.end()
	for keepalive := false; ctx.Err() == nil; {
		if err := w.write(keepalive); err != nil {
			return err
		}
		keepalive = false
		w.tellDrops()
		select {
		case <-w.link.wake:
		case <-ctx.Done():
		case <-quiet.C:
			silent := w.silent()
			if keepalive = silent >= interval; keepalive {
				silent = 0
			}
			quiet.Reset(interval - silent)
		}
	}
	return ctx.Err()
}

// write writes what waits, and waits for the connection to take it. A keepalive stands before all.
func (w *writer) write(keepalive bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if len(w.rest) == 0 {
			w.gather()
		}
		if keepalive && w.messages == 0 {
			w.sequence++
			w.buf = appendEmptyFrame(w.buf, KindKeepalive, w.sequence)
			w.rest = w.buf
		}
		keepalive = false
		if len(w.rest) == 0 {
			return nil
		}
		if err := writeAll(w.conn, w.rest, w.link.patience); err != nil {
			return err
		}
		w.rest = nil
		w.wrote()
	}
}

// rush is about what a write takes. Where messages come faster, the goroutine of the link writes all that are there by the time it runs.
const rush = 20 * time.Microsecond

// try writes what waits, as far as that needs no waiting. It says false if there is something left to do.
func (w *writer) try() bool {
	if w.now == nil || !w.mu.TryLock() {
		return false
	}
	defer w.mu.Unlock()
	if time.Since(w.last) < w.rush {
		return false
	}
	for !w.ended && len(w.rest) == 0 {
		if w.gather(); len(w.rest) == 0 {
			return w.link.queue.drops() == w.drops
		}
		n := w.now.write(w.rest)
		if w.rest = w.rest[n:]; len(w.rest) == 0 {
			w.wrote()
		}
	}
	return false
}

// wrote notes that all of buf was written.
func (w *writer) wrote() {
	w.last = time.Now()
	w.link.stats.sent.Add(uint64(w.messages))
	w.link.stats.sentBytes.Add(uint64(len(w.buf)))
	w.messages = 0
}

// silent gives for how long nothing has been written.
func (w *writer) silent() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.last)
}

// end keeps messages for the next connection from being written to this one.
func (w *writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// gather fills buf with the frames of waiting messages. Messages leave the
// queue one by one as they are encoded, so that its bounds are those of all that waits. Call it under mu.
func (w *writer) gather() {
	if cap(w.buf) > maxScratch {
		w.buf = nil
	}
	w.buf, w.messages = w.buf[:0], 0
	for len(w.buf) < writeStep {
		m, ok := w.link.queue.take()
		if !ok {
			break
		}
		frame, err := w.append(m)
		if err != nil {
			w.link.queue.drop()
			w.drops++
			w.link.report(Event{Kind: MessageDropped, Peer: w.link.id, Reason: reason(err)})
			continue
		}
		w.buf = frame
		w.sequence++
		w.messages++
	}
	w.rest = w.buf
}

// append gives buf with the frame of m behind it.
func (w *writer) append(m consensus.Message) ([]byte, error) {
	cfg, peer := w.link.cfg, w.link.id
	if err := check(m); err != nil {
		return nil, fmt.Errorf("not sent: %w", err)
	}
	if h := m.Head(); h.From != cfg.ID || h.To != peer {
		return nil, fmt.Errorf("not sent: a message from %q to %q, on the link from %q to %q", h.From, h.To, cfg.ID, peer)
	}
	if !w.link.agreed.carries(KindOf(m)) {
		return nil, fmt.Errorf("not sent: the peer is of a version that does not know %v", KindOf(m))
	}
	start := len(w.buf)
	frame, err := w.link.agreed.codec.Append(beginFrame(w.buf), m)
	if err != nil {
		return nil, fmt.Errorf("not sent: encode %v: %w", KindOf(m), err)
	}
	if n := len(frame) - start - frameHeader; n > w.link.agreed.maxFrame {
		return nil, fmt.Errorf("not sent: %v of %d bytes is over the limit of %d", KindOf(m), n, w.link.agreed.maxFrame)
	}
	endFrame(frame, start, KindOf(m), w.sequence+1)
	return frame, nil
}

// tellDrops reports what the queue had no room for since the last time.
func (w *writer) tellDrops() {
	w.mu.Lock()
	defer w.mu.Unlock()
	drops := w.link.queue.drops()
	if n := drops - w.drops; n > 0 {
		w.drops = drops
		w.link.report(Event{
			Kind: MessageDropped, Peer: w.link.id, Count: int(n),
			Reason: "more was sent than the link could take",
		})
	}
}

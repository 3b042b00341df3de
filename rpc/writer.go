package rpc

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// writeStep is how much is gathered for one write, and how much must go out within one IdleTimeout.
const writeStep = 64 << 10

// writer writes the queue of a link to one connection.
type writer struct {
	link     *Link
	conn     net.Conn
	buf      []byte // the frames of one write
	sequence uint64 // of the last frame
	drops    uint64 // how many of the queue's drops were told
}

func newWriter(l *Link, conn net.Conn) *writer {
	return &writer{link: l, conn: conn, drops: l.queue.drops()}
}

// run sends what waits, as much as there is in one write, and a keepalive when there was
// nothing for a while. It ends with the connection or ctx.
func (w *writer) run(ctx context.Context) error {
	quiet := time.NewTimer(w.link.cfg.KeepaliveInterval)
	defer quiet.Stop()
	for ctx.Err() == nil {
		messages := w.gather()
		if messages == 0 {
			select {
			case <-w.link.wake:
				continue
			case <-ctx.Done():
				continue
			case <-quiet.C:
				w.sequence++
				w.buf = appendEmptyFrame(w.buf, KindKeepalive, w.sequence)
			}
		}
		if err := writeAll(w.conn, w.buf, w.link.cfg.IdleTimeout); err != nil {
			return err
		}
		quiet.Reset(w.link.cfg.KeepaliveInterval)
		w.link.stats.sent.Add(uint64(messages))
		w.link.stats.sentBytes.Add(uint64(len(w.buf)))
		w.tellDrops()
	}
	return ctx.Err()
}

// gather fills buf with the frames of waiting messages, and gives their number. Messages leave the
// queue one by one as they are encoded, so that its bounds are those of all that waits.
func (w *writer) gather() (messages int) {
	if cap(w.buf) > maxScratch {
		w.buf = nil
	}
	w.buf = w.buf[:0]
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
		messages++
	}
	return messages
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
	drops := w.link.queue.drops()
	if n := drops - w.drops; n > 0 {
		w.drops = drops
		w.link.report(Event{
			Kind: MessageDropped, Peer: w.link.id, Count: int(n),
			Reason: "more was sent than the link could take",
		})
	}
}

package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// accept serves the connections that come to ln until ctx ends, each on a goroutine of running. It returns an
// error if ln was closed by somebody else.
func (in *incoming) accept(
	ctx context.Context, ln net.Listener, running *sync.WaitGroup, deliver func(...consensus.Message),
) error {
	var backoff time.Duration
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Most likely out of file descriptors. That passes, and a server that stops listening does not.
			in.report(Event{Kind: AcceptFailed, Reason: reason(err)})
			backoff = min(max(2*backoff, in.cfg.MinBackoff), in.cfg.MaxBackoff)
			wait(ctx, backoff)
			continue
		}
		backoff = 0
		if c := in.admit(conn); c != nil {
			running.Go(func() { in.serve(c, deliver) })
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// serve runs one connection from the handshake to its end.
func (in *incoming) serve(c *inConn, deliver func(...consensus.Message)) {
	e := Event{Remote: c.conn.RemoteAddr().String()}
	h, link, err := in.greet(c, &e)
	if link != nil {
		defer in.roster.release(link)
	}
	defer in.remove(c, e.Peer)
	if err != nil {
		if err = c.end(err); !errors.Is(err, errStopped) && !errors.Is(err, errReplaced) {
			e.Reason = in.explain(err)
			in.report(e)
		}
		return
	}
	up := e
	up.Kind, up.Codec, up.Protocol, up.Features = IncomingUp, h.choose(), int(h.version()), h.features&in.cfg.Features
	in.report(up)
	err = c.end(in.read(c, h, link, deliver))
	e.Kind, e.Reason = IncomingDown, reason(err)
	if errors.As(err, new(violation)) {
		e.Kind = IncomingBroken
	}
	in.report(e)
}

// greet reads the hello, judges it and answers. It sets in e who is at the other end, if that is known,
// and what kind of event an error is. The link that it gives is in use until it is released.
func (in *incoming) greet(c *inConn, e *Event) (*hello, *Link, error) {
	e.Kind = Stranger
	if err := c.conn.SetDeadline(time.Now().Add(in.cfg.HandshakeTimeout)); err != nil {
		return nil, nil, err
	}
	proved, err := c.secure(in.cfg)
	if err != nil {
		return nil, nil, err
	}
	h, err := readHello(c.stream)
	if err != nil {
		return nil, nil, err
	}
	e.Kind = IncomingRefused
	if h.asks() {
		e.Kind = Asked
	}
	if in.roster.find(h.sender) != nil {
		e.Peer = h.sender // others' names are in the reason: here they could be anything
	}
	a := answer{cluster: in.cfg.Cluster, server: in.cfg.ID, store: in.cfg.Store, incarnation: in.cfg.incarnation(h.sender)}
	a.agree(in.cfg, h)
	link, err := in.judge(h, proved)
	if err == nil {
		e.Peer = h.sender
		if !in.register(c, h) {
			return nil, link, errReplaced
		}
		if link.ended() { // whoever removes a peer ends the link first, and then the connection that is registered
			err = errRemoved
		}
	}
	if errors.As(err, new(withheldError)) {
		a.cluster = question // earlier programs take that for no cluster either
	}
	if a.accepted = err == nil; !a.accepted {
		a.reason = err.Error()
		_, _ = c.stream.Write(a.append(nil)) // if it fails the caller learns less, and that is all
		return nil, link, err
	}
	link.told.Store(&h.advertise)
	if _, err := c.stream.Write(a.append(nil)); err != nil {
		return nil, link, err
	}
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return nil, link, err
	}
	notify(link.alive)
	return h, link, nil
}

// judge gives the link to the server that sent h, or the reason why it is not let in. It takes the link into use. proved is whose certificate
// it showed.
func (in *incoming) judge(h *hello, proved consensus.ServerID) (*Link, error) {
	if in.cfg.TLS != nil && h.sender != proved {
		return nil, fmt.Errorf("the caller calls itself %q, and its certificate is that of %q", h.sender, proved)
	}
	if err := h.withheld(in.cfg); err != nil {
		return nil, err
	}
	if reason := h.refusal(in.cfg); reason != "" {
		return nil, errors.New(reason)
	}
	link := in.roster.use(h.sender)
	if link == nil {
		if err := h.introduce(in.cfg); err != nil {
			return nil, err
		}
	}
	if err := in.cfg.admit(h.sender, h.store, h.incarnation); err != nil {
		if link != nil {
			in.roster.release(link)
		}
		return nil, err
	}
	if link != nil {
		return link, nil
	}
	return in.roster.adopt(h.sender, h.address)
}

// explain says why a connection did not get through its handshake.
func (in *incoming) explain(err error) string {
	var strange strangeError
	var timeout net.Error
	switch {
	case errors.As(err, &strange) && strange.http && in.cfg.Advertise != "":
		return fmt.Sprintf("an HTTP request came to the peer port; the client port is %s", printable(in.cfg.Advertise))
	case errors.As(err, &strange) && strange.tls:
		return strange.what + " came to the peer port, which does not speak TLS here: it must be configured on all servers or on none"
	case errors.As(err, &strange) && in.cfg.TLS != nil:
		return strange.what + " came to the peer port, which speaks TLS only"
	case errors.As(err, &strange):
		return strange.what + " came to the peer port"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no handshake within %v", in.cfg.HandshakeTimeout)
	}
	return "handshake: " + reason(err)
}

// read delivers what comes on c, once no older connection of the same peer is being read.
func (in *incoming) read(c *inConn, h *hello, link *Link, deliver func(...consensus.Message)) error {
	select {
	case link.turn <- struct{}{}:
		defer func() { <-link.turn }()
	case <-c.gone:
		return c.why
	}
	var (
		stats  = &link.stats
		codec  = lookup(h.choose())
		idle   = maxPatience * in.cfg.IdleTimeout
		heart  = &heart{conn: c.stream, interval: in.cfg.KeepaliveInterval, idle: idle}
		alive  = &aliveReader{conn: c.stream, idle: idle, heard: heart.beat, pace: pace{idle: in.cfg.IdleTimeout, rate: in.cfg.MinFrameRate}}
		frames = &frameReader{r: alive, max: in.cfg.MaxFrameBytes, pace: &alive.pace}
	)
	var batch []consensus.Message
	for {
		var err error
		batch, err = gather(frames, codec, stats, batch[:0])
		for _, m := range batch {
			m.Head().From, m.Head().To = h.sender, in.cfg.ID
		}
		if len(batch) > 0 {
			deliver(batch...)
			clear(batch)
		}
		if err != nil {
			return err
		}
	}
}

// gather waits for a frame, and appends to batch the messages in it and in those that came with it. With an error it gives those before.
func gather(frames *frameReader, codec Codec, stats *linkStats, batch []consensus.Message) ([]consensus.Message, error) {
	for more := true; more; more = frames.ready() {
		kind, payload, err := frames.next()
		if err != nil {
			return batch, err
		}
		stats.receivedBytes.Add(frameHeader + uint64(len(payload)))
		if kind == KindKeepalive {
			continue
		}
		m, err := decode(codec, kind, payload)
		if err != nil {
			return batch, violationf("%v: %w", kind, err)
		}
		stats.received.Add(1)
		batch = append(batch, m)
	}
	return batch, nil
}

// decode gives the message in a payload, if it is one that a correct server sends.
func decode(c Codec, kind Kind, payload []byte) (consensus.Message, error) {
	m, err := c.Decode(kind, payload)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if got := KindOf(m); got != kind {
		return nil, fmt.Errorf("decode: the codec made it a %v", got)
	}
	return m, check(m)
}

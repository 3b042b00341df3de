package rpc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// pace is by when a frame must be there that was begun. Without it, who sends a byte now and then is never silent, and keeps for ever
// what was made room for.
type pace struct {
	idle time.Duration // and as long as the frame takes at
	rate int           // bytes a second

	due   time.Time // zero: no frame was begun
	limit time.Duration
	want  int
}

func (p *pace) none() { p.due = time.Time{} }

func (p *pace) expect(begun time.Time, n int) {
	p.want, p.limit = n, p.idle+time.Duration(n)*time.Second/time.Duration(p.rate)
	p.due = begun.Add(p.limit)
}

// aliveReader reads from conn, and gives up when nothing comes for as long as idle, or a frame that was begun is not there in
// time.
type aliveReader struct {
	conn net.Conn
	idle time.Duration
	pace pace
	// heard, if set, is called after each read that brought something.
	heard func() error
}

var errSilent = errors.New("nothing was heard")

func (r *aliveReader) Read(p []byte) (int, error) {
	deadline, late := time.Now().Add(r.idle), false
	if due := r.pace.due; !due.IsZero() && due.Before(deadline) {
		deadline, late = due, true
	}
	if err := r.conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && late:
		return n, violationf("a frame of %d bytes that was begun was not there after %v", r.pace.want, r.pace.limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, fmt.Errorf("%w for %v", errSilent, r.idle)
	}
	if err == nil && r.heard != nil {
		err = r.heard()
	}
	return n, err
}

// heart tells the other end of conn that this end lives, at most once in each interval.
type heart struct {
	conn           net.Conn
	interval, idle time.Duration
	sequence       uint64
	last           time.Time
}

func (h *heart) beat() error {
	now := time.Now()
	if now.Sub(h.last) < h.interval {
		return nil
	}
	h.last = now
	h.sequence++
	return writeAll(h.conn, appendEmptyFrame(nil, KindKeepalive, h.sequence), h.idle)
}

var errStuck = errors.New("it took nothing")

// writeAll writes buf in steps, each of which the other end must take within idle.
func writeAll(conn net.Conn, buf []byte, idle time.Duration) error {
	for len(buf) > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		n, err := conn.Write(buf[:min(len(buf), writeStep)])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w for %v", errStuck, idle)
		}
		if err != nil {
			return err
		}
		buf = buf[n:]
	}
	return nil
}

// reason puts into words why a connection ended.
func reason(err error) string {
	switch {
	case err == nil, errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return "closed here"
	case errors.Is(err, io.EOF):
		return "closed by the other end"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "closed by the other end in the middle of a frame"
	}
	return printable(err.Error())
}

package rpc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// aliveReader reads from conn, and gives up when nothing comes for as long as idle. That is counted from
// read to read, not from frame to frame: a big frame on a slow line is no silence.
type aliveReader struct {
	conn net.Conn
	idle time.Duration
	// heard, if set, is called after each read that brought something.
	heard func() error
}

var errSilent = errors.New("nothing was heard")

func (r *aliveReader) Read(p []byte) (int, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(r.idle)); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
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

// writeAll writes buf in steps, each of which the other end must take within idle.
func writeAll(conn net.Conn, buf []byte, idle time.Duration) error {
	for len(buf) > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		n, err := conn.Write(buf[:min(len(buf), writeStep)])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("it took nothing for %v", idle)
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

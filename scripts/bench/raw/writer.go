package raw

import (
	"net"
	"runtime"
	"sync"
)

const bufferBytes = 256 << 10

// writer sends what is added to it, as much at once as there is. One goroutine, run, owns the connection's outgoing half.
type writer struct {
	conn net.Conn

	mu     sync.Mutex
	buf    []byte
	closed bool
	wake   chan struct{} // there is something to send, or it is closed
}

func newWriter(conn net.Conn) *writer {
	return &writer{conn: conn, wake: make(chan struct{}, 1)}
}

// add lets appendTo extend what is sent next; false if the writer is closed.
func (w *writer) add(appendTo func([]byte) []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	if len(w.buf) == 0 {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	w.buf = appendTo(w.buf)
	return true
}

func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.wake)
	}
}

// run sends until the writer is closed or the connection fails, which it closes.
func (w *writer) run() {
	var out []byte
	defer w.conn.Close()
	for range w.wake {
		runtime.Gosched() // whoever is adding adds the rest first
		w.mu.Lock()
		out, w.buf = w.buf, out[:0]
		w.mu.Unlock()
		if _, err := w.conn.Write(out); err != nil {
			w.close()
			return
		}
	}
}

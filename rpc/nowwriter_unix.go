//go:build unix

package rpc

import (
	"net"
	"syscall"
)

// nowWriter writes to a connection what that takes without waiting. Deadlines do not count. It is for one goroutine at a time.
type nowWriter struct {
	raw  syscall.RawConn
	call func(fd uintptr) // once, so that no write needs to allocate it
	p    []byte
	n    int
}

// newNowWriter gives nil if the connection is no plain socket. What wraps one may have a Write of its own, which must not be gone around.
func newNowWriter(conn net.Conn) *nowWriter {
	var socket syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		socket = conn
	case *net.UnixConn:
		socket = conn
	default:
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	w := &nowWriter{raw: raw}
	// Sockets of package net do not block.
	w.call = func(fd uintptr) { w.n, _ = syscall.Write(int(fd), w.p) }
	return w
}

// write gives how many bytes of p were taken. It is silent on errors: who writes the rest, and waits, sees them.
func (w *nowWriter) write(p []byte) (n int) {
	w.p, w.n = p, 0
	if err := w.raw.Control(w.call); err != nil {
		return 0
	}
	w.p = nil
	return max(w.n, 0)
}

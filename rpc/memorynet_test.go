package rpc

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// memoryNet is a network inside a synctest bubble, where time is free and exact.
type memoryNet struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
}

type memoryListener struct {
	net   *memoryNet
	name  string
	conns chan net.Conn
	once  sync.Once
	gone  chan struct{}
}

func (n *memoryNet) listen(name string) *memoryListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = make(map[string]*memoryListener)
	}
	ln := &memoryListener{net: n, name: name, conns: make(chan net.Conn), gone: make(chan struct{})}
	n.listeners[name] = ln
	return ln
}

func (n *memoryNet) dial(ctx context.Context, name string) (net.Conn, error) {
	n.mu.Lock()
	ln := n.listeners[name]
	n.mu.Unlock()
	if ln == nil {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	select {
	case ln.conns <- there:
		return here, nil
	case <-ln.gone:
		return nil, errors.New("connection reset")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.gone:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.gone) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.name) }

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

// config gives a server, with the time-outs of every day, whose peer "b" (or "a") is at "b:1" (or "a:1").
func (n *memoryNet) config(id, peer consensus.ServerID) Config {
	return Config{Cluster: "test", ID: id, Peers: map[consensus.ServerID]string{peer: string(peer) + ":1"}, Dial: n.dial}
}

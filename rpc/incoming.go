package rpc

import (
	"errors"
	"net"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// incoming is the table of the connections that others opened to this server. It holds at most
// MaxConns of them, and one of each peer that may be read.
type incoming struct {
	cfg    *Config
	roster *roster
	report func(Event)

	mu       sync.Mutex
	stopped  bool
	accepted uint64                         // connections, ever
	strange  map[*inConn]struct{}           // in the handshake
	current  map[consensus.ServerID]*inConn // the newest of each peer
}

// inConn is one of these connections.
type inConn struct {
	conn   net.Conn // as it was accepted; closing it ends all
	stream net.Conn // what is said on it, which is conn if that is not secured; of the goroutine that serves it
	number uint64   // in the order in which they came
	gone   chan struct{}
	once   sync.Once
	why    error // set before gone is closed
}

// The reasons for which this server throws a connection out.
var (
	errStopped  = errors.New("this server is stopping")
	errReplaced = errors.New("the same server opened a newer connection")
	errUnknown  = errors.New("that server is not a peer, and went away")
	errRemoved  = errors.New("that server is not a peer any more")
	errCrowded  = errors.New("it had not finished its handshake when there were too many connections")
)

// throwOut closes the connection, and says why to the goroutine that serves it.
func (c *inConn) throwOut(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.gone)
		c.conn.Close()
	})
}

// end gives why the connection ended, when err is what its goroutine saw of that.
func (c *inConn) end(err error) error {
	select {
	case <-c.gone:
		return c.why
	default:
		return err
	}
}

func newIncoming(cfg *Config, roster *roster, report func(Event)) *incoming {
	return &incoming{
		cfg: cfg, roster: roster, report: report,
		strange: make(map[*inConn]struct{}),
		current: make(map[consensus.ServerID]*inConn),
	}
}

// admit enters a new connection into the table, or closes it and gives nil. There is room for it but for moments:
// MaxConns is above the number of servers that may connect, so that the others are in the handshake. The oldest of
// those goes: an honest one needs a round trip, and a flood cannot keep the peers out by waiting.
func (in *incoming) admit(conn net.Conn) *inConn {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.accepted++
	c := &inConn{conn: conn, stream: conn, number: in.accepted, gone: make(chan struct{})}
	if in.stopped {
		c.throwOut(errStopped)
		return nil
	}
	if len(in.strange)+len(in.current) >= in.cfg.MaxConns {
		var oldest *inConn
		for s := range in.strange {
			if oldest == nil || s.number < oldest.number {
				oldest = s
			}
		}
		if oldest == nil { // those of servers that were removed are about to end
			c.throwOut(errCrowded)
			return nil
		}
		delete(in.strange, oldest)
		oldest.throwOut(errCrowded)
	}
	in.strange[c] = struct{}{}
	return c
}

// register makes c the connection of the peer that sent h, in place of the one before it: that one may be
// half open, its other end long gone. It fails if c was thrown out, or is itself the older one.
func (in *incoming) register(c *inConn, h *hello) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	before := in.current[h.sender]
	if _, waiting := in.strange[c]; !waiting || before != nil && before.number > c.number {
		return false
	}
	if before != nil {
		before.throwOut(errReplaced)
	}
	delete(in.strange, c)
	in.current[h.sender] = c
	return true
}

// remove closes the connection and forgets it.
func (in *incoming) remove(c *inConn, peer consensus.ServerID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c.conn.Close()
	delete(in.strange, c)
	if in.current[peer] == c {
		delete(in.current, peer)
	}
}

// stop closes all connections and admits no other.
func (in *incoming) stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = true
	for c := range in.strange {
		c.throwOut(errStopped)
	}
	for _, c := range in.current {
		c.throwOut(errStopped)
	}
}

// dismiss closes the connection of a server that is no peer any more.
func (in *incoming) dismiss(peer consensus.ServerID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if c := in.current[peer]; c != nil {
		c.throwOut(errRemoved)
	}
}

func (in *incoming) connected(peer consensus.ServerID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.current[peer] != nil
}

package rpc

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// incoming is the table of the connections that others opened to this server: one of each server that was let in, which may be read, and
// those in the handshake, as many as MaxConns leaves room for.
type incoming struct {
	cfg    *Config
	roster *roster
	report func(Event)

	mu       sync.Mutex
	stopped  bool
	accepted uint64                         // connections, ever
	strange  map[*inConn]struct{}           // in the handshake
	origins  map[string]int                 // how many of these came from each address
	current  map[consensus.ServerID]*inConn // the newest of each peer
}

// inConn is one of these connections.
type inConn struct {
	conn   net.Conn // as it was accepted; closing it ends all
	stream net.Conn // what is said on it, which is conn if that is not secured; of the goroutine that serves it
	origin string   // whence it came
	number uint64   // in the order in which they came
	hello  *hello   // once it is current
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
		strange: make(map[*inConn]struct{}), origins: make(map[string]int),
		current: make(map[consensus.ServerID]*inConn),
	}
}

// minHandshakes is how many connections may be in the handshake, however many servers are connected.
const minHandshakes = 16

// admit enters a new connection into the table, or closes it and gives nil. When there are too many, the oldest
// goes of those in the handshake from the address that has the most: an honest one needs a round trip, and a flood cannot keep the peers
// out by waiting, nor from one address those at others.
func (in *incoming) admit(conn net.Conn) *inConn {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.accepted++
	c := &inConn{conn: conn, stream: conn, origin: originOf(conn), number: in.accepted, gone: make(chan struct{})}
	if in.stopped {
		c.throwOut(errStopped)
		return nil
	}
	in.strange[c] = struct{}{}
	in.origins[c.origin]++
	if len(in.strange) > max(in.cfg.MaxConns-len(in.current), minHandshakes) {
		crowd := in.crowd()
		in.leave(crowd)
		crowd.throwOut(errCrowded)
	}
	return c
}

// crowd gives the connection in the handshake that is to make room. There is one. Call it under mu.
func (in *incoming) crowd() (crowd *inConn) {
	for c := range in.strange {
		more := 1
		if crowd != nil {
			more = cmp.Or(in.origins[c.origin]-in.origins[crowd.origin], cmp.Compare(crowd.number, c.number))
		}
		if more > 0 {
			crowd = c
		}
	}
	return crowd
}

// leave takes a connection out of those in the handshake, if it is there. Call it under mu.
func (in *incoming) leave(c *inConn) {
	if _, here := in.strange[c]; !here {
		return
	}
	delete(in.strange, c)
	if in.origins[c.origin]--; in.origins[c.origin] == 0 {
		delete(in.origins, c.origin)
	}
}

// originOf gives whence a connection came. One host has many addresses of IPv6: they count as one.
func originOf(conn net.Conn) string {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return ""
	}
	address := from.Addr().Unmap()
	if address.Is4() {
		return address.String()
	}
	network, _ := address.Prefix(64) // fails for other families only
	return network.String()
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
	in.leave(c)
	c.hello = h
	in.current[h.sender] = c
	return true
}

// remove closes the connection and forgets it.
func (in *incoming) remove(c *inConn, peer consensus.ServerID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c.conn.Close()
	in.leave(c)
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

// reconsider throws out the servers that are no peers and that Config.Unknown would not let in any more.
func (in *incoming) reconsider() {
	in.mu.Lock()
	current := slices.Collect(maps.Values(in.current))
	in.mu.Unlock()
	for _, c := range current {
		if !in.roster.foreign(c.hello.sender) {
			continue
		}
		if err := c.hello.introduce(in.cfg); err != nil {
			c.throwOut(err)
		}
	}
}

func (in *incoming) connected(peer consensus.ServerID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.current[peer] != nil
}

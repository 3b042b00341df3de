package rpc

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// maxUnknown is how many links there may be to servers that are not peers, if that is not above a quarter of MaxConns.
const maxUnknown = 16

// roster holds the links: those to the peers, and those to servers that are not peers but that Config.Unknown let in. The latter
// are there as long as a connection from such a server is.
type roster struct {
	cfg    *Config
	report func(Event)

	mu    sync.Mutex
	links map[consensus.ServerID]*Link
	begin func(*Link) // starts a link's goroutine; nil while Run does not run
}

func newRoster(cfg *Config, report func(Event)) *roster {
	r := &roster{cfg: cfg, report: report, links: make(map[consensus.ServerID]*Link)}
	for id, address := range cfg.Peers {
		r.links[id] = newLink(cfg, report, id, address)
	}
	return r
}

// open starts all links, and from now on each new one.
func (r *roster) open(begin func(*Link)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin = begin
	for _, l := range r.links {
		begin(l)
	}
}

// close stops all links, and starts no other.
func (r *roster) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin = nil
	for _, l := range r.links {
		l.stop(errStopped)
	}
}

// find gives the link to a server, or nil.
func (r *roster) find(id consensus.ServerID) *Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.links[id]
}

// foreign tells that there is a link to a server that is no peer.
func (r *roster) foreign(id consensus.ServerID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	return l != nil && l.temporary
}

// peers gives the links to peers, in the order of their names.
func (r *roster) peers() []*Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	links := make([]*Link, 0, len(r.links))
	for _, id := range slices.Sorted(maps.Keys(r.links)) {
		if l := r.links[id]; !l.temporary {
			links = append(links, l)
		}
	}
	return links
}

// add makes a server a peer, or tells the link to it where the peer is now.
func (r *roster) add(id consensus.ServerID, address string) error {
	if err := checkPeer(id, address); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.links[id]; l != nil {
		l.temporary = false
		l.move(address)
		return nil
	}
	r.enter(newLink(r.cfg, r.report, id, address))
	return nil
}

// checkPeer tells what is wrong with a server's name or address.
func checkPeer(id consensus.ServerID, address string) error {
	if id == "" || len(id) > maxName {
		return fmt.Errorf("the peer's name %q must have 1 to %d bytes", id, maxName)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("the address of peer %q must be host:port: %w", id, err)
	}
	return nil
}

// enter puts a link in, and starts it. Call it under mu.
func (r *roster) enter(l *Link) {
	r.links[l.id] = l
	if r.begin != nil {
		r.begin(l)
	}
}

func (r *roster) countTemporary() (n int) {
	for _, l := range r.links {
		if l.temporary {
			n++
		}
	}
	return n
}

// remove ends the link to a peer and gives it, or nil if there is no such peer.
func (r *roster) remove(id consensus.ServerID) *Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	if l == nil || l.temporary {
		return nil
	}
	delete(r.links, id)
	l.stop(errRemoved)
	return l
}

// use gives the link to a peer to the goroutine of an incoming connection, which calls release when it ends. It gives nil if there is no
// such peer.
func (r *roster) use(id consensus.ServerID) *Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	if l == nil || l.temporary {
		return nil
	}
	l.users++
	return l
}

// adopt is use for a server that is no peer: it makes a link to it, if there is none.
func (r *roster) adopt(id consensus.ServerID, address string) (*Link, error) {
	if err := checkPeer(id, address); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	switch {
	case l != nil && l.temporary:
		l.move(address)
	case l != nil: // it was made a peer just now
	default:
		if r.countTemporary() >= min(maxUnknown, max(r.cfg.MaxConns/4, 1)) {
			return nil, errors.New("too many servers that are no peers are connected: try again")
		}
		l = newLink(r.cfg, r.report, id, address)
		l.temporary = true
		r.enter(l)
	}
	l.users++
	return l, nil
}

// release ends what use or adopt began. A link that is not to a peer ends with its last user.
func (r *roster) release(l *Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.users--
	if l.users == 0 && l.temporary {
		delete(r.links, l.id)
		l.stop(errUnknown)
	}
}

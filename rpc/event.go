package rpc

import (
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// EventKind tells what happened.
type EventKind uint8

// The kinds of events. A link is this server's connection to a peer; an incoming connection is
// a peer's to this server.
const (
	LinkUp          EventKind = iota + 1 // a link was accepted by its peer
	LinkDown                             // a link that was up ended
	DialFailed                           // a peer could not be reached, or is not who it should be
	DialRefused                          // a peer answered, and refused this server
	IncomingUp                           // a peer connected and was accepted
	IncomingDown                         // an accepted connection ended
	IncomingBroken                       // an accepted connection was closed because of what came on it
	IncomingRefused                      // a handshake was refused
	Stranger                             // something that is no server connected: HTTP, TLS, garbage, nothing in time
	MessageDropped                       // messages could not be sent: the link's queue was full, or they were over a limit
	AcceptFailed                         // the listener failed to accept, or there are too many connections
	Asked                                // a server asked to which cluster this one belongs: see Ask
)

var eventNames = [...]string{
	LinkUp: "link up", LinkDown: "link down", DialFailed: "cannot connect", DialRefused: "refused by peer",
	IncomingUp: "peer connected", IncomingDown: "peer disconnected", IncomingBroken: "closed a peer's connection",
	IncomingRefused: "refused a connection", Stranger: "closed a stranger's connection",
	MessageDropped: "dropped messages", AcceptFailed: "cannot accept connections", Asked: "asked",
}

// String gives a few words.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return fmt.Sprintf("unknown event %d", uint8(k))
}

// Event is something that an operator may want to know. All kinds but LinkUp, LinkDown,
// IncomingUp and IncomingDown are told at most once a minute for each kind, other end and reason; and of the reasons of one other end, no more than eight a
// minute, for who varies its mistakes must not fill a log.
type Event struct {
	Kind   EventKind
	Peer   consensus.ServerID // the other server, or "" if it is not known
	Remote string             // the other end's address
	Codec  string             // of LinkUp and IncomingUp: what messages are written in on this connection
	// Protocol is, of LinkUp and IncomingUp, the version of the protocol that is spoken.
	Protocol int
	Features uint64 // of LinkUp and IncomingUp: those that both ends have, by bit
	Reason   string // why, in words; safe to print
	Count    int    // how many of these happened since one was last told, this one among them
}

// String gives a line for people.
func (e Event) String() string {
	s := e.Kind.String()
	if e.Peer != "" {
		s += fmt.Sprintf(": %s", printable(string(e.Peer)))
	}
	if e.Remote != "" {
		s += fmt.Sprintf(" (%s)", e.Remote)
	}
	if e.Codec != "" {
		s += " with codec " + e.Codec
	}
	if e.Protocol != 0 {
		s += fmt.Sprintf(", protocol %d", e.Protocol)
	}
	if e.Features != 0 {
		s += fmt.Sprintf(", features %#x", e.Features)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Count > 1 {
		s += fmt.Sprintf(" (%d times)", e.Count)
	}
	return s
}

// quietFor is how long an event of a kind that may repeat keeps others of its kind and reason quiet.
const quietFor = time.Minute

// The bounds of what is remembered and told: strangers choose the addresses they come from, and their mistakes.
const (
	maxMuted   = 1024 // kinds and origins
	maxReasons = 8    // of one of these, within quietFor
	maxChanges = 64   // of the reasons of all strangers, besides the first of each, within quietFor
)

// reporter hands events to the user.
type reporter struct {
	tell func(Event)

	mu      sync.Mutex
	muted   map[muteKey]*mute
	changes mute // of strangers' reasons; its count is how many were told
}

type muteKey struct {
	kind EventKind
	from string // the peer's name or, if it has none, the remote host
}

type mute struct {
	until time.Time
	count int      // since it was last told
	told  []uint32 // checksums of the reasons that were told since the minute began
}

// report tells e, unless one of its kind, origin and reason was told less than a minute ago.
func (r *reporter) report(e Event) {
	e.Count = max(e.Count, 1)
	switch e.Kind {
	case LinkUp, LinkDown, IncomingUp, IncomingDown:
	default:
		if e.Count = r.admit(e, time.Now()); e.Count == 0 {
			return
		}
	}
	r.tell(e)
}

// admit counts e, and gives how many to tell of now: 0 for none.
func (r *reporter) admit(e Event, now time.Time) int {
	key := muteKey{e.Kind, string(e.Peer)}
	if e.Peer == "" {
		key.from, _, _ = net.SplitHostPort(e.Remote)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.muted[key]
	if m == nil && len(r.muted) >= maxMuted {
		r.forget(now)
		if len(r.muted) >= maxMuted {
			key.from = "" // all further strangers share one line
			m = r.muted[key]
		}
	}
	if m == nil {
		m = new(mute)
		r.muted[key] = m
	}
	m.count += e.Count
	sum := crc32.Checksum([]byte(e.Reason), castagnoli)
	switch {
	case !now.Before(m.until):
		m.until, m.told = now.Add(quietFor), nil
	case len(m.told) >= maxReasons || slices.Contains(m.told, sum):
		return 0
	case e.Peer == "" && !r.change(now):
		return 0
	}
	m.told = append(m.told, sum)
	count := m.count
	m.count = 0
	return count
}

// change tells whether one more changed reason of a stranger may be told. Call it under mu.
func (r *reporter) change(now time.Time) bool {
	if !now.Before(r.changes.until) {
		r.changes = mute{until: now.Add(quietFor)}
	}
	r.changes.count++
	return r.changes.count <= maxChanges
}

// forget drops what does not matter any more.
func (r *reporter) forget(now time.Time) {
	for key, m := range r.muted {
		if !now.Before(m.until) {
			delete(r.muted, key)
		}
	}
}

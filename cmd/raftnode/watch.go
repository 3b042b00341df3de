package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc"
)

const (
	lookEvery = 250 * time.Millisecond
	// downFor is how long a peer is out of reach before that is said: nodes that are started together
	// miss each other for a moment.
	downFor = time.Second
	// quietFor is how long nothing more is said of a peer after something was: a link that comes and goes must not
	// fill the log.
	quietFor = time.Minute
	// electionsOfPatience is how many elections may fail before the node says that nobody leads: votes are
	// split in the best of clusters (§5.2).
	electionsOfPatience = 4
)

// watch says which members cannot be reached and, when nobody leads, whether that is why. The transport tries again and
// again; a person wants to read of it once.
type watch struct {
	log      hclog.Logger
	self     raft.ServerID
	patience time.Duration // how long nobody may lead without a word

	mu    sync.Mutex
	peers map[raft.ServerID]*peer

	// Of the goroutine of run.
	place      place
	leaderless time.Time // since when nobody leads; zero: somebody does
	toldNone   bool      // that nobody leads, since then
	quiet      time.Time // until when nothing more is said of that
}

// peer is what is known of the way to a member, and what was said of it.
type peer struct {
	address string
	up      bool
	reason  string    // why not, if something failed; "" if it was said elsewhere
	since   time.Time // since when it is not up
	told    string    // the reason that was said since it was up last
	quiet   time.Time
}

func newWatch(log hclog.Logger, c *config, address string) *watch {
	patience := max(electionsOfPatience*2*c.electionTimeout, downFor)
	_, founder := c.cluster[c.id]
	return &watch{
		log: log, self: c.id, patience: patience, peers: map[raft.ServerID]*peer{},
		place: place{log: log, id: c.id, address: address, patience: patience, founder: founder},
	}
}

// enter begins to watch a peer, or tells where it is now.
func (w *watch) enter(id raft.ServerID, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.peers[id]; id != w.self && (p == nil || p.address != address) {
		w.peers[id] = &peer{address: address}
	}
}

// leave ends that: nobody minds that such a server cannot be reached.
func (w *watch) leave(id raft.ServerID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.peers, id)
}

// event takes in what the transport tells.
func (w *watch) event(e rpc.Event, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.peers[e.Peer]
	if p == nil {
		return
	}
	switch e.Kind {
	case rpc.LinkUp:
		p.up, p.reason, p.told = true, "", ""
	case rpc.LinkDown, rpc.DialFailed, rpc.DialRefused:
		if p.up || p.since.IsZero() {
			p.since = now
		}
		p.up, p.reason = false, plainReason(e.Reason)
		if e.Kind == rpc.DialRefused {
			p.reason = "" // the refusal itself is a warning
		}
	}
}

// plainReason leaves out what the line says already: that it was dialled, and where.
func plainReason(reason string) string {
	if rest, dialled := strings.CutPrefix(reason, "dial tcp"); dialled {
		_, reason, _ = strings.Cut(rest, ": ")
	}
	return strings.TrimPrefix(reason, "connect: ")
}

// look says what is new.
func (w *watch) look(now time.Time, v view) {
	w.place.look(now, v)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(w.peers)) {
		p := w.peers[id]
		if !p.up && p.reason != "" && p.reason != p.told && now.Sub(p.since) >= downFor && !now.Before(p.quiet) {
			w.log.Warn(fmt.Sprintf("cannot reach %s (%s): %s; trying on", id, p.address, p.reason))
			p.told, p.quiet = p.reason, now.Add(quietFor)
		}
	}
	w.lookForLeader(now, v)
}

func (w *watch) lookForLeader(now time.Time, v view) {
	if v.leader != "" || !v.member {
		w.leaderless, w.toldNone = time.Time{}, false
		return
	}
	if w.leaderless.IsZero() {
		w.leaderless = now
	}
	voters, reached := v.voters(), 0
	for _, id := range voters {
		if p := w.peers[id]; id == w.self || p != nil && p.up {
			reached++
		}
	}
	if w.toldNone || reached > len(voters)/2 || now.Sub(w.leaderless) < w.patience || now.Before(w.quiet) {
		return
	}
	w.toldNone, w.quiet = true, now.Add(quietFor)
	w.log.Warn(fmt.Sprintf("no majority: %d of %d nodes reachable, so there is no leader; %d are needed", reached, len(voters), len(voters)/2+1))
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context, see func() view) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			w.look(now, see())
		}
	}
}

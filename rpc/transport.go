package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// Transport carries messages between this server and its peers. Make one with New.
type Transport struct {
	cfg    Config
	roster *roster
	// incoming are the peers' connections to this server.
	incoming *incoming
	report   func(Event)

	mu      sync.Mutex
	started bool
	closed  bool
	cancel  context.CancelFunc // ends Run
	done    chan struct{}      // Run has ended
}

// ErrClosed is returned by Run after Close.
var ErrClosed = errors.New("rpc: the transport is closed")

// New makes a Transport that does nothing until Run. The error names everything that is wrong with cfg.
func New(cfg Config) (*Transport, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, fmt.Errorf("rpc: configuration: %w", err)
	}
	r := &reporter{tell: cfg.OnEvent, muted: make(map[muteKey]*mute)}
	t := &Transport{
		cfg:    cfg,
		report: r.report,
		done:   make(chan struct{}),
	}
	t.roster = newRoster(&t.cfg, r.report)
	t.incoming = newIncoming(&t.cfg, t.roster, r.report)
	return t, nil
}

// Peers gives the links, one for each peer, in the order of their names.
func (t *Transport) Peers() []*Link { return t.roster.peers() }

// AddPeer makes a server a peer, from now on and until RemovePeer. For one that is a peer already it changes the address, and if
// that is another the link goes there at once. It does nothing for this server itself.
func (t *Transport) AddPeer(id consensus.ServerID, address string) error {
	if id == t.cfg.ID {
		return nil
	}
	if err := t.roster.add(id, address); err != nil {
		return fmt.Errorf("rpc: add peer: %w", err)
	}
	return nil
}

// RemovePeer ends the link to a peer and the peer's connection to this server. From then on the peer is as
// unknown as any other. It does not wait for what ends; Run does.
func (t *Transport) RemovePeer(id consensus.ServerID) {
	if t.roster.remove(id) != nil {
		t.incoming.dismiss(id)
	}
}

// Reconsider asks Config.Unknown again for each server that is no peer and was let in, and ends the connections of those that it does not let
// in any more.
func (t *Transport) Reconsider() { t.incoming.reconsider() }

// Link gives the way to a server: to a peer, or to one that is let in by Config.Unknown and connected. It is nil
// if there is none.
func (t *Transport) Link(id consensus.ServerID) *Link { return t.roster.find(id) }

// Send gives the message to the link to its receiver. Without one the message is lost.
func (t *Transport) Send(m consensus.Message) {
	if l := t.Link(m.Head().To); l != nil {
		l.Send(m)
	}
}

// Run connects to the peers and serves their connections to ln until ctx ends or Close is
// called; then it returns nil. When ln fails for good it returns that error. In any case ln is
// closed, and every goroutine and connection has ended. Run may be called once.
//
// deliver gets the messages of each peer in the order in which they were sent, but for those that were lost, and
// for chunks of snapshots, which others overtake; different peers' at the same time. What came at once it gets at once. It may block: then that
// peer's connection is not read, and TCP stops the sender. Run cannot return while deliver blocks. The messages are deliver's to keep, but not the slice.
func (t *Transport) Run(ctx context.Context, ln net.Listener, deliver func(...consensus.Message)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := t.start(cancel); err != nil {
		ln.Close()
		return err
	}
	defer close(t.done)

	var running sync.WaitGroup
	defer running.Wait()
	t.roster.open(func(l *Link) { running.Go(func() { l.run(ctx) }) })
	running.Go(func() {
		<-ctx.Done()
		ln.Close()
		t.incoming.stop()
		t.roster.close() // this goroutine still runs: no link is started when Run waits for the last
	})
	err := t.incoming.accept(ctx, ln, &running, deliver)
	cancel()
	if err != nil {
		return fmt.Errorf("rpc: accept: %w", err)
	}
	return nil
}

func (t *Transport) start(cancel context.CancelFunc) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.started {
		return errors.New("rpc: Run was called twice")
	}
	t.started, t.cancel = true, cancel
	return nil
}

// Close ends Run and waits for it. It must not be called by deliver or OnEvent.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	started := t.started
	t.mu.Unlock()
	if started {
		t.cancel()
		<-t.done
	}
	return nil
}

// Advertised gives what the peer told this server when it connected last: its Config.Advertise. It is
// false while the peer has never been accepted.
func (t *Transport) Advertised(id consensus.ServerID) (string, bool) {
	l := t.roster.find(id)
	if l == nil {
		return "", false
	}
	told := l.told.Load()
	if told == nil {
		return "", false
	}
	return *told, true
}

// PeerStats is what went over the connections with one peer since New.
type PeerStats struct {
	ID        consensus.ServerID
	Connected bool // this server's link to the peer is up
	Incoming  bool // the peer's link to this server is up

	MessagesSent     uint64
	BytesSent        uint64 // with frame headers and keepalives
	MessagesDropped  uint64 // given to Send, and certainly not sent
	MessagesReceived uint64
	BytesReceived    uint64
}

// Stats gives the counts for each peer, in the order of their names.
func (t *Transport) Stats() []PeerStats {
	peers := t.Peers()
	stats := make([]PeerStats, 0, len(peers))
	for _, l := range peers {
		stats = append(stats, PeerStats{
			ID:               l.id,
			Connected:        l.stats.connected.Load(),
			Incoming:         t.incoming.connected(l.id),
			MessagesSent:     l.stats.sent.Load(),
			BytesSent:        l.stats.sentBytes.Load(),
			MessagesDropped:  l.queue.drops(),
			MessagesReceived: l.stats.received.Load(),
			BytesReceived:    l.stats.receivedBytes.Load(),
		})
	}
	return stats
}

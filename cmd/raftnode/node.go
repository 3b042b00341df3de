package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/cmd/internal/storefile"
	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/server"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	_ "github.com/raftnode/raft/rpc/cborcodec" // for --codec cbor
	"github.com/raftnode/raft/wal"
)

// node is everything that one process runs.
type node struct {
	config    *config
	clusterID string
	log       hclog.Logger
	secrets   *secrets
	disk      *wal.Log
	peers     net.Listener
	clients   net.Listener
	transport *rpc.Transport
	stores    *stores
	detours   *detours
	door      *door
	watch     *watch
	space     *space
	files     descriptors
	raft      *raft.Raft
	service   *server.Server
	http      *http.Server

	end      context.CancelFunc // of what is lifelong; nil before
	lifelong sync.WaitGroup     // what runs from before the node knows its cluster until it is released

	knocking bool // it waits to be added, and dials the founders; of the goroutine of raft once that runs
}

// serve runs a node until ctx ends, and then gives nil; or until it must stop, and then says why.
func serve(ctx context.Context, c *config, log hclog.Logger) error {
	n := &node{config: c, log: log}
	if err := n.assemble(ctx); err != nil {
		_ = n.release() // nothing was promised yet
		if errors.Is(err, errAsked) {
			log.Info("stopped")
			return nil
		}
		return fmt.Errorf("cannot start: %w", adviseDisk(c, err))
	}
	err := n.run(ctx)
	if errors.Is(err, errHangs) {
		return err // the parts still use what release would close
	}
	// Whoever finds the file may count on a process behind it. If it cannot be removed, that is not
	// what the node stopped for, and nobody can act on it.
	_ = withdraw(c.dataDir)
	if closed := n.release(); err == nil {
		err = closed
	}
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// assemble opens and connects all parts, and starts nothing but the watch over the certificates: it may be long until this node knows its
// cluster. The listeners come first, so that a node whose address is taken leaves no directory behind. Nobody is accepted before the disk is open, whose lock
// shows that no other process is this node.
func (n *node) assemble(ctx context.Context) (err error) {
	c := n.config
	if err := n.countFiles(); err != nil {
		return err
	}
	if n.secrets, err = openSecrets(n.log.Named("tls"), c); err != nil {
		return err
	}
	var life context.Context
	life, n.end = context.WithCancel(context.Background())
	n.lifelong.Go(func() { n.secrets.run(life) })
	if n.peers, err = listen(ctx, "--listen-peer", c.listenPeer); err != nil {
		return err
	}
	warnIfOpen(n.log, "--listen-peer", n.peers.Addr(), c.peerGuard())
	if n.clients, err = listen(ctx, "--listen-client", c.listenClient); err != nil {
		return err
	}
	warnIfOpen(n.log, "--listen-client", n.clients.Addr(), c.clientGuard())
	if n.clusterID, err = n.identify(ctx); err != nil {
		return err
	}
	if err := n.openDisk(); err != nil {
		return err
	}
	if err := withdraw(c.dataDir); err != nil {
		return err
	}
	return n.connect()
}

// countFiles finds out whether there are enough files to be had, for the members that this node knows of before it has read its log.
func (n *node) countFiles() error {
	limit, err := openFiles()
	if err != nil {
		return err
	}
	others := len(n.config.cluster)
	if !n.config.join {
		others--
	}
	n.files, err = shareOut(limit, others)
	return err
}

// openDisk opens the log, and the watch of the disk that it is on.
func (n *node) openDisk() error {
	c := n.config
	found, err := spaceAt(c.dataDir)
	if err != nil {
		found.Size = math.MaxInt64 // it is said later, by who looks again and again
	}
	marks, err := marksFor(c, found.Size)
	if err != nil {
		return err
	}
	n.disk, err = wal.Open(c.dataDir, wal.Options{
		Cluster: n.clusterID, Node: c.id, ReserveBytes: marks.reserve, ReserveAbove: marks.high - marks.reserve,
	})
	if err != nil {
		return err
	}
	logRecovery(n.log.Named("wal"), n.disk.Recovery())
	n.space = &space{
		log: n.log.Named("disk"), dir: c.dataDir, marks: marks, reserve: n.disk, wake: make(chan struct{}, 1),
		look: func() (wal.Space, error) { return wal.SpaceOf(c.dataDir) },
	}
	return nil
}

// connect makes the transport, the Raft server and the service for clients out of the open disk and listeners.
func (n *node) connect() (err error) {
	c := n.config
	var lost bool
	if n.stores, lost, err = openStores(c.dataDir, n.disk.Recovery(), n.disk.Anchor); err != nil {
		return err
	}
	if lost {
		n.log.Warn("the file " + storefile.Name + " is missing: it is lost, unless the first start on this directory was cut short. Until the members come again nothing is known of their data directories, " +
			"so one that was exchanged or put back from an older copy may be let in")
	}
	n.door = &door{knows: n.roll, was: n.stores.was}
	n.detours = &detours{dials: c.dial, addresses: map[string]raft.ServerID{}}
	address := c.advertisePeer
	if address == "" {
		address = n.peers.Addr().String()
	}
	n.watch = newWatch(n.log, c, address)
	n.watch.place.listens = c.listens(n.peers.Addr())
	tell := logEvent(n.log.Named("rpc"), c, n.clusterID)
	n.transport, err = rpc.New(rpc.Config{
		Cluster: n.clusterID, ID: c.id, Codec: c.codec, TLS: n.secrets.betweenPeers(), Identify: n.secrets.identify(),
		Address: address, Advertise: n.secrets.scheme() + reachable(n.clients.Addr(), address),
		Store: n.disk.Recovery().Store, Incarnation: n.incarnation, Admit: n.stores.admit, AdmitEmpty: n.stores.admitEmpty,
		Unknown: n.admitUnknown, Membership: n.door.membership, Dial: n.detours.dial,
		MaxConns: n.files.peers, IdleTimeout: silence(c), KeepaliveInterval: silence(c) / 4,
		OnEvent: func(e rpc.Event) {
			tell(e)
			if e.Kind == rpc.LinkUp {
				n.stores.note(e.Peer)
			}
			n.watch.event(e, time.Now())
		},
	})
	if err != nil {
		return err
	}
	store := kv.NewStore()
	if err := n.makeRaft(store); err != nil {
		return err
	}
	n.service, err = server.New(server.Config{
		Raft: n.raft, Store: store, ClientAddress: n.clientAddress(address), Cluster: n.clusterID, Version: version(),
		TLS:  n.secrets.toOthers(),
		Disk: n.space.status, Certificates: n.secrets.certificates,
	})
	if err != nil {
		return err
	}
	n.space.tell, n.space.compact = n.raft.SetNoSpace, n.service.TakeSnapshot
	n.space.begin(time.Now())
	n.http = server.NewHTTPServer(n.service, n.files.clients)
	n.http.ErrorLog = n.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug})
	n.http.Handler = n.reportPanics(n.http.Handler)
	return nil
}

// incarnation is what to tell another server of this start.
func (n *node) incarnation(peer raft.ServerID) string { return n.disk.IncarnationFor(peer).String() }

// silence is how long a member may be silent before its link is dialed again: a follower that hears nothing for so long stands for election, and so
// must be reached again by then. Below a tenth of a second it would tell more of the machine than of the network.
func silence(c *config) time.Duration { return max(c.electionTimeout, 100*time.Millisecond) }

// clientAddress gives where each node serves clients: the others tell when they connect.
func (n *node) clientAddress(peerAddress string) func(raft.ServerID) (string, bool) {
	own := n.secrets.scheme() + reachable(n.clients.Addr(), peerAddress)
	return func(id raft.ServerID) (string, bool) {
		if id == n.config.id {
			return own, true
		}
		return n.transport.Advertised(id)
	}
}

// makeRaft makes the Raft server, whose ways to the others follow the configuration.
func (n *node) makeRaft(store *kv.Store) (err error) {
	c := n.config
	facts := &facts{log: n.log.Named("raft")}
	n.raft, err = raft.New(raft.Config{
		ID: c.id, Founders: c.founders(), Join: c.join, PeerFor: n.peerFor, Strangers: n.transport.Send,
		Persister: n.disk, StateMachine: store,
		HeartbeatInterval: c.heartbeat, ElectionTimeout: c.electionTimeout,
		SnapshotEntries: orNever(c.snapshotEntries), SnapshotBytes: orNever(c.snapshotBytes), TrailingBytes: trailing(c.snapshotBytes),
		Noop: true, PreVote: true, CheckQuorum: true,
		Logger: noFacts{n.log.Named("raft")},
		OnFact: func(fact consensus.Fact) {
			facts.tell(fact)
			n.follow(fact)
		},
	})
	if err != nil {
		return err
	}
	if len(n.raft.Status().Config) == 0 {
		n.dialFounders()
	}
	n.warnOfDials()
	return nil
}

// orNever translates a limit where 0 means that there is none.
func orNever(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

// trailing gives how much of the log stays behind a snapshot: a follower that is a little behind need not get a snapshot, but what stays must
// not be much against what made the snapshot due.
func trailing(snapshotBytes int) int {
	if snapshotBytes == 0 {
		return 0 // the host's default
	}
	return max(min(snapshotBytes/8, 8<<20), 1)
}

// reportPanics logs a panic of a handler where operators look. net/http goes on serving the other requests, and has
// only its ErrorLog for it, which also gets what clients do wrong.
func (n *node) reportPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler { //nolint:errorlint // it is this value, never wrapped
				n.log.Named("http").Error("a request made this program panic; please report it", "panic", v, "stack", string(debug.Stack()))
			}
			panic(v)
		}()
		next.ServeHTTP(w, r)
	})
}

// run runs all parts until ctx ends or one of them fails.
func (n *node) run(ctx context.Context) error {
	work, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	var running sync.WaitGroup
	part := func(run func() error) {
		running.Go(func() {
			if err := run(); err != nil {
				stop(err)
			}
		})
	}
	part(func() error { return n.raft.Run(work) })
	part(func() error { return n.transport.Run(work, n.peers, n.raft.Deliver) })
	part(n.serveClients)
	running.Go(func() { n.watch.run(work, n.look) })
	running.Go(func() { n.stores.run(work, n.log) })
	running.Go(func() { n.space.shorten(work) })
	if err := n.announce(); err != nil {
		stop(err)
	}
	running.Go(func() { n.space.run(work) }) // behind what announce may leave to it

	select {
	case <-work.Done(): // a part failed
	case <-ctx.Done():
		n.log.Info("asked to stop: finishing the requests that are being served")
		n.drain()
		stop(errAsked)
	}
	// What still waits gets an answer from the Raft server as it ends, or sees its connection close.
	_ = n.http.Close() // its errors are those of connections that end here anyway
	if !waitFor(&running, stopTime) {
		return fmt.Errorf("%w within %v: a write to it may never return. Nothing is lost by ending now; look at the disk before the next start",
			errHangs, stopTime)
	}
	n.service.Close()
	if cause := context.Cause(work); !errors.Is(cause, errAsked) {
		return fmt.Errorf("must stop: %w", adviseDisk(n.config, cause))
	}
	return nil
}

// announce tells people and programs where this node can be found.
func (n *node) announce() error {
	here := addresses{PID: os.Getpid(), Peer: n.peers.Addr().String(), Client: n.clients.Addr().String()}
	if err := n.space.write("where this node listens", func() error { return here.publish(n.config.dataDir) }); err != nil {
		return err
	}
	n.files.tell(n.log)
	members := n.raft.Status().Config.String()
	if members == "" {
		members = "none yet: waits to be added"
	}
	n.log.Info("serving", "clients", n.clients.Addr(), "peers", n.peers.Addr(), "pid", os.Getpid(),
		"cluster", n.clusterID, "members", members, "version", version())
	return nil
}

func (n *node) serveClients() error {
	if err := n.http.Serve(n.secrets.forClients(n.clients)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve clients: %w", err)
	}
	return nil
}

// release closes what assemble opened, and gives the disk's error, which is the only one that matters.
func (n *node) release() error {
	if n.end != nil {
		n.end()
		n.lifelong.Wait()
	}
	for _, ln := range []net.Listener{n.peers, n.clients} {
		if ln != nil {
			_ = ln.Close() // mostly closed already, by what served it
		}
	}
	if n.disk == nil {
		return nil
	}
	return n.disk.Close()
}

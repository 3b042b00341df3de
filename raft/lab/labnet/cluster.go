package labnet

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/raft/lab"
)

// Options are what a Cluster is made with.
type Options struct {
	Servers int
	Seed    uint64
	Network lab.Network   // at the beginning
	Raft    []raft.Option // for each server
	Trace   *Trace        // nil: none

	SnapshotEvery int // applied commands; 0: never

	Each func(i int) []raft.Option // for server i, if set
}

// Cluster is servers made by raft.Make on one Network, each with a Disk and a service that remembers what it applied. It is
// a lab.System.
type Cluster struct {
	opts    Options
	network *Network
	ids     []raft.ServerID
	disks   []*Disk

	mu      sync.Mutex
	servers []*server // nil: crashed
	log     []string  // by index-1: what was applied there first, by anybody
	err     error
}

// server is one incarnation of a server.
type server struct {
	raft    *raft.Raft
	applied []string // by index-1
	stop    chan struct{}
	done    chan struct{}
}

var _ lab.System = (*Cluster)(nil)

// New starts a cluster; all servers are connected.
func New(opts Options) *Cluster {
	c := &Cluster{opts: opts, servers: make([]*server, opts.Servers)}
	for i := range opts.Servers {
		c.ids = append(c.ids, raft.ServerID(fmt.Sprintf("n%d", i)))
		c.disks = append(c.disks, NewDisk(opts.Seed+uint64(i)))
	}
	c.network = NewNetwork(c.ids, opts.Seed, opts.Trace)
	c.network.SetConditions(opts.Network)
	for i := range opts.Servers {
		c.Restart(i)
	}
	return c
}

// Net is the cluster's network, for tests that cut single links.
func (c *Cluster) Net() *Network { return c.network }

// Size is the number of servers.
func (c *Cluster) Size() int { return c.opts.Servers }

// Noops is false: Make's leaders append nothing of their own.
func (c *Cluster) Noops() bool { return false }

// Restart starts server i from its disk, if it does not run.
func (c *Cluster) Restart(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.servers[i] != nil {
		return
	}
	opts := append([]raft.Option{
		raft.WithSeed(c.opts.Seed),
		raft.WithConfig(func(cfg *raft.Config) {
			cfg.OnFact = func(f consensus.Fact) { c.opts.Trace.fact(i, f) }
		}),
	}, c.opts.Raft...)
	if c.opts.Each != nil {
		opts = append(opts, c.opts.Each(i)...)
	}
	applyCh := make(chan raft.ApplyMsg)
	c.opts.Trace.note(i, "started")
	s := &server{
		raft: raft.Make(c.network.Peers(i), i, c.disks[i], applyCh, opts...),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	c.servers[i] = s
	c.network.Attach(i, s.raft.Deliver)
	go c.serve(i, s, applyCh)
}

// serve is server i's service: it remembers what it applied, and takes snapshots of it.
func (c *Cluster) serve(i int, s *server, applyCh <-chan raft.ApplyMsg) {
	defer close(s.done)
	for {
		select {
		case msg := <-applyCh:
			if snapshot := c.apply(i, s, msg); snapshot != nil {
				s.raft.Snapshot(msg.CommandIndex, snapshot)
			}
		case <-s.stop:
			return
		}
	}
}

// apply takes in what came on applyCh. It gives a snapshot if one is due.
func (c *Cluster) apply(i int, s *server, msg raft.ApplyMsg) (snapshot []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if msg.SnapshotValid {
		c.restore(i, s, msg)
		return nil
	}
	command, ok := msg.Command.(string)
	switch {
	case !msg.CommandValid || !ok:
		c.fail("server %d applied %+v, which nobody started", i, msg)
	case msg.CommandIndex != len(s.applied)+1:
		c.fail("server %d applied index %d after index %d", i, msg.CommandIndex, len(s.applied))
	case msg.CommandIndex > len(c.log):
		c.log = append(c.log, command)
	case c.log[msg.CommandIndex-1] != command:
		c.fail("server %d applied %.40q at index %d, another applied %.40q there", i, command, msg.CommandIndex, c.log[msg.CommandIndex-1])
	}
	s.applied = append(s.applied, command)
	if c.opts.SnapshotEvery == 0 || msg.CommandIndex%c.opts.SnapshotEvery != 0 {
		return nil
	}
	return encode(s.applied)
}

// restore compares a snapshot with what was applied before. It needs c.mu.
func (c *Cluster) restore(i int, s *server, msg raft.ApplyMsg) {
	applied, err := decode(msg.Snapshot)
	switch {
	case err != nil || len(applied) != msg.SnapshotIndex:
		c.fail("server %d got a snapshot at index %d with %d commands: %v", i, msg.SnapshotIndex, len(applied), err)
	case msg.SnapshotIndex <= len(s.applied):
		c.fail("server %d got a snapshot at index %d after it had applied index %d", i, msg.SnapshotIndex, len(s.applied))
	case msg.SnapshotIndex > len(c.log) || !slices.Equal(applied, c.log[:msg.SnapshotIndex]):
		c.fail("server %d got a snapshot at index %d that is not what was applied up to there", i, msg.SnapshotIndex)
	}
	s.applied = applied
}

// encode gives the service's snapshot: a gob of all commands.
func encode(applied []string) []byte {
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(applied); err != nil {
		panic("labnet: strings that gob cannot encode: " + err.Error())
	}
	return buf.Bytes()
}

func decode(snapshot []byte) (applied []string, err error) {
	err = gob.NewDecoder(bytes.NewReader(snapshot)).Decode(&applied)
	return applied, err
}

// fail keeps the first error. It needs c.mu.
func (c *Cluster) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// Crash stops server i, and loses what its disk had not written.
func (c *Cluster) Crash(i int) {
	c.mu.Lock()
	s := c.servers[i]
	c.servers[i] = nil
	c.mu.Unlock()
	if s == nil {
		return
	}
	c.opts.Trace.note(i, "crashed")
	c.network.Attach(i, nil)
	c.disks[i].Crash()
	s.raft.Kill()
	close(s.stop)
	<-s.done
	if err := s.raft.Err(); err != nil && !errors.Is(err, errCrashed) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fail("server %d stopped: %v", i, err)
	}
}

// server gives server i, or nil if it is crashed.
func (c *Cluster) server(i int) *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[i]
}

// Start asks server i to begin agreement.
func (c *Cluster) Start(i int, command string) (index, term int, ok bool) {
	if s := c.server(i); s != nil {
		return s.raft.Start(command)
	}
	return -1, 0, false
}

// State tells server i's term and whether it leads.
func (c *Cluster) State(i int) (term int, leader bool) {
	if s := c.server(i); s != nil {
		return s.raft.GetState()
	}
	return 0, false
}

// Applied tells what server i applied at index.
func (c *Cluster) Applied(i, index int) (command string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.servers[i]; s != nil && 0 < index && index <= len(s.applied) {
		return s.applied[index-1], true
	}
	return "", false
}

// LogSize tells how many entries server i's disk has behind its snapshot.
func (c *Cluster) LogSize(i int) int {
	if c.server(i) == nil {
		return 0
	}
	return c.disks[i].logSize()
}

// Connect joins server i to the others.
func (c *Cluster) Connect(i int) {
	c.opts.Trace.note(i, "connected")
	c.network.Cut(i, false)
}

// Disconnect cuts server i off.
func (c *Cluster) Disconnect(i int) {
	c.opts.Trace.note(i, "cut off")
	c.network.Cut(i, true)
}

// SetNetwork changes how messages are treated.
func (c *Cluster) SetNetwork(n lab.Network) { c.network.SetConditions(n) }

// Counts gives what was sent so far.
func (c *Cluster) Counts() lab.Counts { return c.network.Counts() }

// Err tells of the first disagreement.
func (c *Cluster) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.err, c.network.Err())
}

// Close stops everything.
func (c *Cluster) Close() error {
	for i := range c.servers {
		c.Crash(i)
	}
	c.network.Close()
	return c.Err()
}

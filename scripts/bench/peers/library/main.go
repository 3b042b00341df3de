package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/scripts/bench/peer"
	"github.com/raftnode/raft/scripts/bench/raw"
	"github.com/raftnode/raft/wal"
)

const (
	cluster = "bench"
	timeout = 10 * time.Second
)

func main() {
	c := peer.Parse()
	s, err := start(c)
	if err != nil {
		peer.Fail(err)
	}
	peer.Serve(c, s, s)
}

func name(id int) consensus.ServerID { return consensus.ServerID(fmt.Sprintf("n%d", id)) }

func start(c peer.Config) (*server, error) {
	disk, err := wal.Open(c.Dir, wal.Options{Cluster: cluster, Node: name(c.ID)})
	if err != nil {
		return nil, err
	}
	addrs := map[consensus.ServerID]string{}
	for i, addr := range c.Raft {
		addrs[name(i+1)] = addr
	}
	transport, err := rpc.New(rpc.Config{Cluster: cluster, ID: name(c.ID), Peers: addrs})
	if err != nil {
		return nil, err
	}
	var peers []raft.Peer
	for _, link := range transport.Peers() {
		peers = append(peers, link)
	}
	s := &server{store: raw.NewStore(), disk: disk}
	s.raft, err = raft.New(raft.Config{
		ID: name(c.ID), Peers: peers, Persister: disk, StateMachine: machine{s.store}, Noop: true, PreVote: true, CheckQuorum: true,
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.RaftAddr())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.work.Go(func() { s.must(s.raft.Run(ctx)) })
	s.work.Go(func() { s.must(transport.Run(ctx, listener, s.raft.Deliver)) })
	return s, nil
}

// server answers clients. What a connection brings at once is proposed at once, and reads share a Read.
type server struct {
	raft  *raft.Raft
	store *raw.Store
	disk  *wal.Log
	stop  context.CancelFunc
	work  sync.WaitGroup

	mu     sync.Mutex
	writes []raft.Offer
	reads  []raw.Request
}

// must ends the program when a part of it fails.
func (s *server) must(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		peer.Fail(err)
	}
}

// waiter answers a write.
type waiter raw.Request

// Done says what became of it.
func (w *waiter) Done(applied raft.Applied, err error) {
	if failed, ok := applied.Result.(error); ok && err == nil {
		err = failed
	}
	if err != nil {
		raw.Request(*w).Failed(err)
		return
	}
	raw.Request(*w).Done(nil)
}

// Put is proposed by Gathered.
func (s *server) Put(r raw.Request) {
	w := waiter(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, raft.Offer{Command: r.Command, To: &w})
}

// Get is answered by Gathered.
func (s *server) Get(r raw.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, r)
}

// Gathered proposes and asks what came since it was called last.
func (s *server) Gathered() {
	s.mu.Lock()
	writes, reads := s.writes, s.reads
	s.writes, s.reads = nil, nil
	s.mu.Unlock()
	if len(writes) > 0 {
		s.raft.ProposeAll(writes)
	}
	if len(reads) > 0 {
		s.raft.ReadAsync(func(_ consensus.Index, err error) { s.answer(reads, err) })
	}
}

func (s *server) answer(reads []raw.Request, err error) {
	for _, r := range reads {
		if err != nil {
			r.Failed(err)
		} else {
			s.store.Answer(r)
		}
	}
}

// Leads tells whether this process leads, and could show it.
func (s *server) Leads() bool { return s.raft.Status().IsLeader() && s.read() == nil }

// Close stops the server. No client is connected any more.
func (s *server) Close() error {
	s.stop()
	s.work.Wait()
	return s.disk.Close()
}

func (s *server) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := s.raft.Read(ctx)
	return err
}

// machine is the state machine.
type machine struct{ store *raw.Store }

// Apply does a batch. A result is an error or nil.
func (m machine) Apply(commands []raft.Command) []any {
	results := make([]any, len(commands))
	for i, command := range commands {
		encoded, ok := command.Value.([]byte)
		if !ok {
			results[i] = fmt.Errorf("a command of type %T", command.Value)
			continue
		}
		if err := m.store.Apply(encoded); err != nil {
			results[i] = err
		}
	}
	return results
}

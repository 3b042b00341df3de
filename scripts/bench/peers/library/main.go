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
	s := &server{store: raw.NewStore(), disk: disk, reads: make(chan raw.Request, 64<<10)}
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
	s.work.Go(s.answerReads)
	return s, nil
}

// server answers clients. Each write has a goroutine, and one asks for a read, for all that have come since it asked last.
type server struct {
	raft  *raft.Raft
	store *raw.Store
	disk  *wal.Log
	reads chan raw.Request
	stop  context.CancelFunc
	work  sync.WaitGroup
}

// must ends the program when a part of it fails.
func (s *server) must(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		peer.Fail(err)
	}
}

// Put proposes the command.
func (s *server) Put(r raw.Request) {
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		applied, err := s.raft.Propose(ctx, r.Command)
		if failed, ok := applied.Result.(error); ok && err == nil {
			err = failed
		}
		if err != nil {
			r.Failed(err)
			return
		}
		r.Done(nil)
	})
}

// Get is answered by answerReads.
func (s *server) Get(r raw.Request) { s.reads <- r }

// Leads tells whether this process leads, and could show it.
func (s *server) Leads() bool { return s.raft.Status().IsLeader() && s.read() == nil }

// Close stops the server. No client is connected any more.
func (s *server) Close() error {
	s.stop()
	close(s.reads)
	s.work.Wait()
	return s.disk.Close()
}

func (s *server) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := s.raft.Read(ctx)
	return err
}

func (s *server) answerReads() {
	for first := range s.reads {
		batch := []raw.Request{first}
		for n := len(s.reads); n > 0; n-- {
			batch = append(batch, <-s.reads)
		}
		err := s.read()
		for _, r := range batch {
			if err != nil {
				r.Failed(err)
			} else {
				s.store.Answer(r)
			}
		}
	}
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

package raft_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// wire joins servers of one process: a message is delivered at once. Package rpc does it over TCP.
type wire struct {
	to      raft.ServerID
	servers *sync.Map // ServerID to *Raft
}

func (w wire) ID() raft.ServerID { return w.to }

func (w wire) Send(msg raft.Message) {
	if server, ok := w.servers.Load(w.to); ok {
		go server.(*raft.Raft).Deliver(msg) // Send must not wait
	}
}

// counter is a state machine: it adds up.
type counter struct{ sum int }

func (c *counter) Apply(commands []raft.Command) []any {
	results := make([]any, len(commands))
	for i, command := range commands {
		c.sum += command.Value.(int)
		results[i] = c.sum
	}
	return results
}

// Snapshot makes it a raft.Snapshotter: the log is dropped now and then. A number is captured by copying it.
func (c *counter) Snapshot() (encode func() ([]byte, error)) {
	sum := c.sum
	return func() ([]byte, error) { return json.Marshal(sum) }
}

// Restore takes over what some counter's Snapshot gave.
func (c *counter) Restore(snapshot []byte, _ raft.Index, _ raft.Term) error {
	return json.Unmarshal(snapshot, &c.sum)
}

// A cluster of one, with the product's surface: propose a command, get the state machine's result.
func ExampleRaft_Propose() {
	r, err := raft.New(raft.Config{
		ID:           "n1",
		Persister:    raft.NewMemoryPersister(), // wal.Open for one on disk
		StateMachine: &counter{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = r.Run(context.Background()) }()
	defer r.Close()

	for range time.Tick(10 * time.Millisecond) {
		applied, err := r.Propose(context.Background(), 40)
		if raft.OutcomeOf(err) == raft.Rejected && err != nil {
			continue // not elected yet; certainly not done
		}
		fmt.Println("index", applied.Index, "sum", applied.Result)
		break
	}
	// Output: index 1 sum 40
}

// The classic interface: a server of three, whose service reads applyCh. Here one process has all three.
func ExampleMake() {
	var servers sync.Map
	peers := []raft.Peer{wire{"n1", &servers}, wire{"n2", &servers}, wire{"n3", &servers}}
	applyCh := make(chan raft.ApplyMsg)
	for me, peer := range peers {
		rf := raft.Make(peers, me, raft.NewMemoryPersister(), applyCh)
		defer rf.Kill()
		servers.Store(peer.ID(), rf)
	}
	for range time.Tick(10 * time.Millisecond) {
		started := false
		servers.Range(func(_, server any) bool {
			_, _, isLeader := server.(*raft.Raft).Start("x=1")
			started = isLeader
			return !started
		})
		if started {
			break
		}
	}
	for range peers {
		msg := <-applyCh
		fmt.Println(msg.CommandIndex, msg.Command)
	}
	// Output:
	// 1 x=1
	// 1 x=1
	// 1 x=1
}

// A server that was not among the founders is added. It gets the log, or a snapshot, and votes when ChangeMembership returns.
func ExampleRaft_ChangeMembership() {
	var servers sync.Map
	start := func(id raft.ServerID, change func(*raft.Config)) *raft.Raft {
		cfg := raft.Config{
			ID: id, Persister: raft.NewMemoryPersister(), StateMachine: &counter{},
			PeerFor: func(m consensus.Member) raft.Peer { return wire{m.ID, &servers} }, // package rpc dials m.Address
			Noop:    true, PreVote: true, CheckQuorum: true,
		}
		change(&cfg)
		r, err := raft.New(cfg)
		if err != nil {
			panic(err)
		}
		servers.Store(id, r)
		go func() { _ = r.Run(context.Background()) }()
		return r
	}
	n1 := start("n1", func(c *raft.Config) { c.Founders = consensus.Voters("n1") })
	defer n1.Close()
	n2 := start("n2", func(c *raft.Config) { c.Join, c.Peers = true, []raft.Peer{wire{"n1", &servers}} })
	defer n2.Close()

	for range time.Tick(10 * time.Millisecond) {
		_, err := n1.ChangeMembership(context.Background(), consensus.Change{Op: consensus.AddVoter, ID: "n2", Address: "10.0.0.2:7000"})
		if err == nil {
			break
		}
		if raft.OutcomeOf(err) == raft.Unknown {
			panic(err)
		}
	}
	fmt.Println(n1.Status().Config)
	// Output: n1 n2
}

package raft_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/raftnode/raft/raft"
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

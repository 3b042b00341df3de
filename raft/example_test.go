package raft_test

import (
	"context"
	"fmt"

	"github.com/raftnode/raft/raft"
)

// wire joins servers of one process: a message is delivered at once. Package rpc does it over TCP.
type wire struct {
	to      raft.ServerID
	servers map[raft.ServerID]*raft.Raft
}

func (w wire) ID() raft.ServerID     { return w.to }
func (w wire) Send(msg raft.Message) { go w.servers[w.to].Deliver(msg) }

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

	for {
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
	ids := []raft.ServerID{"n1", "n2", "n3"}
	servers := map[raft.ServerID]*raft.Raft{}
	var peers []raft.Peer
	for _, id := range ids {
		peers = append(peers, wire{id, servers})
	}
	applyCh := make(chan raft.ApplyMsg)
	// A server sends as soon as its first election timeout is over; by then all three are in the map.
	for me, id := range ids {
		servers[id] = raft.Make(peers, me, raft.NewMemoryPersister(), applyCh)
	}
	for started := false; !started; {
		for _, rf := range servers {
			if _, _, isLeader := rf.Start("x=1"); isLeader {
				started = true
				break
			}
		}
	}
	for range servers {
		msg := <-applyCh
		fmt.Println(msg.CommandIndex, msg.Command)
	}
	for _, rf := range servers {
		rf.Kill()
	}
	// Output:
	// 1 x=1
	// 1 x=1
	// 1 x=1
}

package rpc_test

import (
	"context"
	"fmt"
	"net"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// Two servers of one cluster, in one process: n1 asks n2 for its vote.
func Example() {
	ln1, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ln2, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	n1, err := rpc.New(rpc.Config{
		Cluster: "orders",
		ID:      "n1",
		Peers:   map[consensus.ServerID]string{"n2": ln2.Addr().String()},
	})
	if err != nil {
		panic(err)
	}
	n2, err := rpc.New(rpc.Config{
		Cluster: "orders",
		ID:      "n2",
		Peers:   map[consensus.ServerID]string{"n1": ln1.Addr().String()},
	})
	if err != nil {
		panic(err)
	}

	got := make(chan consensus.Message)
	ended := make(chan error)
	go func() { ended <- n1.Run(context.Background(), ln1, func(...consensus.Message) {}) }()
	go func() {
		ended <- n2.Run(context.Background(), ln2, func(messages ...consensus.Message) { got <- messages[0] })
	}()

	for _, peer := range n1.Peers() {
		peer.Send(&consensus.RequestVote{Header: consensus.Header{From: "n1", To: peer.ID(), Term: 1}})
	}
	m := <-got
	fmt.Printf("%T from %s to %s in term %d\n", m, m.Head().From, m.Head().To, m.Head().Term)

	n1.Close()
	n2.Close()
	fmt.Println(<-ended, <-ended)
	// Output:
	// *consensus.RequestVote from n1 to n2 in term 1
	// <nil> <nil>
}

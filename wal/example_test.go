package wal_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

func Example() {
	base, err := os.MkdirTemp("", "wal-example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(base)
	dir, opts := filepath.Join(base, "n1"), wal.Options{Cluster: "c1", Node: "n1"}

	log, err := wal.Open(dir, opts)
	if err != nil {
		panic(err)
	}
	err = log.Save([]consensus.Save{
		{HardState: &consensus.HardState{Term: 1, VotedFor: "n1"}},
		{Entries: []consensus.Entry{{Index: 1, Term: 1, Kind: consensus.EntryCommand, Data: []byte("x=1")}}},
	})
	fmt.Println("saved:", err)
	_ = log.Close()

	log, err = wal.Open(dir, opts)
	if err != nil {
		panic(err)
	}
	defer log.Close()
	saved, _ := log.Load()
	fmt.Printf("term %d, voted for %s, entry %d: %s\n", saved.HardState.Term, saved.HardState.VotedFor, saved.Entries[0].Index, saved.Entries[0].Data)
	// Output:
	// saved: <nil>
	// term 1, voted for n1, entry 1: x=1
}

package kv_test

import (
	"fmt"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft"
)

// What goes through the log, and what comes out of the Store. On a server the Raft calls Apply.
func ExampleStore() {
	put, err := kv.Command{Op: kv.Put, Key: "motd", Value: []byte("hello"), Client: "me", Seq: 1}.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	store := kv.NewStore()
	results := store.Apply([]raft.Command{
		{Index: 1, Term: 1, Value: put},
		{Index: 2, Term: 1, Value: put}, // sent twice, since the first answer was lost
	})
	item, at, _ := store.Get("motd")
	fmt.Printf("%s, version %d, applied %d\n", item.Value, item.Version, at.Index)
	fmt.Println("the same answer:", *results[0].(*kv.Result) == *results[1].(*kv.Result))
	// Output:
	// hello, version 1, applied 2
	// the same answer: true
}

package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// A lock that is held by somebody else: the error says that nothing was done, and why.
func Example() {
	node := httptest.NewServer(http.HandlerFunc(lockIsTaken))
	defer node.Close()
	c, err := client.New(client.Config{Endpoints: []string{node.Listener.Addr().String()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.Put(context.Background(), "lock", []byte("me"), client.IfAbsent())
	fmt.Println(client.CodeOf(err), client.OutcomeOf(err))
	// Output: precondition-failed rejected
}

// lockIsTaken stands for a node.
func lockIsTaken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(api.HeaderTerm, "1")
	w.WriteHeader(http.StatusPreconditionFailed)
	fmt.Fprint(w, `{"code":"precondition-failed","outcome":"rejected","detail":"the key has version 3"}`)
}

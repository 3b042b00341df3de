package server

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

// link carries messages between servers of one process.
type link struct {
	to      raft.ServerID
	servers map[raft.ServerID]*raft.Raft // complete before any of them runs
	sending *sync.WaitGroup
}

func (l link) ID() raft.ServerID { return l.to }

func (l link) Send(msg raft.Message) {
	l.sending.Go(func() { l.servers[l.to].Deliver(msg) }) // Send must not wait
}

// realCluster is three Servers on three Rafts.
func realCluster(t *testing.T) map[raft.ServerID]*node {
	t.Helper()
	ids := []raft.ServerID{"n1", "n2", "n3"}
	nodes, rafts := map[raft.ServerID]*node{}, map[raft.ServerID]*raft.Raft{}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	for _, id := range ids {
		var peers []raft.Peer
		for _, to := range ids {
			peers = append(peers, link{to: to, servers: rafts, sending: &running})
		}
		store := kv.NewStore()
		r, err := raft.New(raft.Config{ID: id, Peers: peers, Persister: raft.NewMemoryPersister(), StateMachine: store, Noop: true})
		if err != nil {
			t.Fatal(err)
		}
		rafts[id] = r
		n := &node{t: t, http: httptest.NewUnstartedServer(nil)}
		nodes[id] = n
		server, err := New(Config{Raft: r, Store: store, ClientAddress: func(id raft.ServerID) (string, bool) { return nodes[id].addr, true }})
		if err != nil {
			t.Fatal(err)
		}
		n.http.Config = NewHTTPServer(server, 0)
		n.addr = n.http.Listener.Addr().String()
		n.stop = func() { r.Close(); n.http.Close(); server.Close() }
	}
	for _, id := range ids {
		nodes[id].http.Start()
		running.Go(func() { _ = rafts[id].Run(context.Background()) })
		t.Cleanup(nodes[id].stop)
	}
	return nodes
}

// insist repeats a write as long as its outcome is unknown: a connection to a leader that was stopped this
// moment still takes a request.
func (n *node) insist(method, target, body string, headers ...string) seen {
	got := n.do(method, target, body, headers...)
	for got.problem.Outcome == api.Unknown {
		got = n.do(method, target, body, headers...)
	}
	return got
}

// The first request comes before there is a leader, and the fourth after the leader was stopped. Clients see neither.
func TestClientsSeeAChangeOfLeaderAsLatency(t *testing.T) {
	nodes := maps.Clone(realCluster(t)) // those that run
	for round := range 2 {
		var leader string
		for id, n := range nodes {
			put := n.insist("POST", "/v1/append/k?timeout=30s", "x", "Raft-Client: via-"+string(id), fmt.Sprint("Raft-Seq: ", round+1))
			n.is(put, 200)
			leader = put.header.Get("Raft-Leader")
		}
		want := "xxxxx"[:3+2*round]
		for id, n := range nodes {
			if got := n.do("GET", "/v1/kv/k?timeout=30s", ""); got.body != want {
				t.Errorf("round %d: through %s the value is %q, want %q", round, id, got.body, want)
			}
			n.is(n.do("GET", "/readyz?timeout=30s", ""), 200)
		}
		nodes[raft.ServerID(leader)].stop()
		delete(nodes, raft.ServerID(leader))
	}
	for _, n := range nodes { // one of three: nobody can lead, nothing is done
		n.is(n.insist("DELETE", "/v1/kv/k?timeout=100ms", ""), 503, "no-leader", "rejected")
		n.is(n.do("GET", "/livez", ""), 200)
		n.is(n.do("GET", "/v1/kv/k?consistency=stale", ""), 200)
	}
}

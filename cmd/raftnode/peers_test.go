package main

import (
	"net"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// A server that gives an address where this node cannot reach it is answered where --dial says, member or not.
func TestDialCountsForServersThatAreNoMembersYet(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const nobody = "127.0.0.1:1"
	d := &detours{dials: map[raft.ServerID]string{"n4": ln.Addr().String()}, addresses: map[string]raft.ServerID{}}
	for _, id := range []raft.ServerID{"n5", "n4"} {
		d.note(id, nobody)
		conn, err := d.dial(t.Context(), nobody)
		if (err == nil) != (id == "n4") {
			t.Errorf("after %s came, %s is dialled with %v", id, nobody, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	for i := range 10 * maxDetours {
		d.note("n4", net.JoinHostPort("h", string(rune('a'+i))))
	}
	if len(d.addresses) > maxDetours+1 {
		t.Errorf("%d addresses are remembered", len(d.addresses))
	}
}

// A node that was added lost its link to the leader the moment it heard that the leader is to be removed, and with it its acknowledgement of
// that: nobody could commit it.
func TestFoundersAreDroppedOnce(t *testing.T) {
	c, wrong := resolved(t, good("--id", "n4", "--join", "--listen-peer", "127.0.0.1:0"), nil)
	if wrong != nil {
		t.Fatal(wrong)
	}
	transport, err := rpc.New(rpc.Config{Cluster: "c", ID: "n4"})
	if err != nil {
		t.Fatal(err)
	}
	stores, _, err := openStores(t.TempDir(), directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	log := hclog.NewNullLogger()
	n := &node{config: c, log: log, transport: transport, stores: stores, watch: newWatch(log, c, "h:4")}
	n.dialFounders()
	for _, step := range []struct {
		config consensus.Configuration
		links  string // that there are then
	}{
		{nil, "n1 n2 n3"},
		{consensus.Voters("n2", "n3", "n4"), "n2 n3"}, // n1 is no member any more
		{consensus.Voters("n3", "n4"), "n2 n3"},       // n2 may be the leader that says so
	} {
		n.follow(consensus.ConfigurationChanged{Config: step.config})
		links := ""
		for _, link := range transport.Peers() {
			links += " " + string(link.ID())
		}
		if links[1:] != step.links {
			t.Errorf("with the members %v there are links to%s, want %s", step.config, links, step.links)
		}
	}
}

package main

import (
	"net"
	"testing"

	"github.com/raftnode/raft/raft"
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
		if err := d.note(id, nobody, "store"); err != nil {
			t.Fatal(err)
		}
		conn, err := d.dial(t.Context(), nobody)
		if (err == nil) != (id == "n4") {
			t.Errorf("after %s came, %s is dialled with %v", id, nobody, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	for i := range 10 * maxDetours {
		if err := d.note("n4", net.JoinHostPort("h", string(rune('a'+i))), ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.addresses) > maxDetours+1 {
		t.Errorf("%d addresses are remembered", len(d.addresses))
	}
}

package rpc

import (
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	_, err := New(Config{
		ID:                consensus.ServerID(strings.Repeat("x", maxName+1)),
		Peers:             map[consensus.ServerID]string{"": "a:1", "b": "nowhere"},
		Advertise:         strings.Repeat("x", maxAdvertise+1),
		Codec:             "morse",
		MaxFrameBytes:     -1,
		MaxConns:          -1,
		MinFrameRate:      -1,
		MaxQueueMessages:  -1,
		MaxQueueBytes:     -1,
		DialTimeout:       -1,
		HandshakeTimeout:  -1,
		KeepaliveInterval: time.Second,
		IdleTimeout:       time.Second,
		MinBackoff:        time.Hour,
		Features:          1 << 63,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"rpc: configuration: ", "the cluster's name", "the server's name", "the peer's name",
		`the address of peer "b" must be host:port`, "Advertise has 1025 bytes", `there is no codec "morse"; known are`,
		"MaxFrameBytes -1 must", "MaxConns -1 must", "MinFrameRate -1 must", "MaxQueueMessages -1 must",
		"MaxQueueBytes -1 must", "DialTimeout -1ns must", "HandshakeTimeout -1ns must",
		"IdleTimeout 1s must be at least twice KeepaliveInterval 1s", "MaxBackoff 1s must not be below MinBackoff 1h0m0s",
		"Features 0x8000000000000000 must have no bit from 48 on",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestTheZeroConfigIsSensible(t *testing.T) {
	peers := map[consensus.ServerID]string{"c": "c:1", "b": "b:1", "a": "a:1"} // with this server
	tr, err := New(Config{Cluster: "test", ID: "a", Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	var ids []consensus.ServerID
	for _, l := range tr.Peers() {
		ids = append(ids, l.ID())
	}
	if len(ids) != 2 || ids[0] != "b" || ids[1] != "c" {
		t.Errorf("peers %q", ids)
	}
	if len(peers) != 3 {
		t.Error("the caller's map was changed")
	}
}

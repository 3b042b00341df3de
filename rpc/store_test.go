package rpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// Each end of a handshake learns the other's store and incarnation, and may refuse them. Then nothing is delivered.
func TestAStoreThatIsNotAdmittedIsRefusedAtBothEnds(t *testing.T) {
	lost := errors.New("it was bound to another store")
	for name, c := range map[string]struct {
		admitA, admitB func(peer consensus.ServerID, store, incarnation string) error
		kind           EventKind
	}{
		"by the acceptor": {admitB: func(peer consensus.ServerID, store, incarnation string) error {
			if peer == "a" && store == "store of a" && incarnation == "start of a for b" {
				return lost
			}
			return nil
		}, kind: DialRefused},
		"by the dialer": {admitA: func(peer consensus.ServerID, store, incarnation string) error {
			if peer == "b" && store == "store of b" && incarnation == "start of b for a" {
				return lost
			}
			return nil
		}, kind: DialRefused},
	} {
		t.Run(name, func(t *testing.T) {
			lnA, lnB := listen(t), listen(t)
			a := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
			b := config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()})
			a.Store, a.Admit = "store of a", c.admitA
			a.Incarnation = func(peer consensus.ServerID) string { return "start of a for " + string(peer) }
			b.Store, b.Admit = "store of b", c.admitB
			b.Incarnation = func(peer consensus.ServerID) string { return "start of b for " + string(peer) }
			sa := start(t, a, lnA, nil)
			start(t, b, lnB, nil)
			e := sa.await(c.kind)
			if e.Peer != "b" || !strings.Contains(e.Reason, lost.Error()) {
				t.Errorf("got %v", e)
			}
			if sa.Stats()[0].Connected {
				t.Error("the link is up all the same")
			}
		})
	}
}

func TestAStoreNameHasALimit(t *testing.T) {
	_, err := New(Config{Cluster: "c", ID: "a", Peers: map[consensus.ServerID]string{"b": "127.0.0.1:1"}, Store: strings.Repeat("x", 65)})
	if err == nil || !strings.Contains(err.Error(), "Store has 65 bytes") {
		t.Errorf("got %v", err)
	}
	long := &Config{Incarnation: func(consensus.ServerID) string { return strings.Repeat("x", maxIncarnation+1) }}
	if got := len(long.incarnation("b")); got != maxIncarnation {
		t.Errorf("%d bytes are told", got)
	}
}

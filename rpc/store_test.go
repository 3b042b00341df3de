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
			if peer == "a" && store == "store of a" && incarnation == "start of a" {
				return lost
			}
			return nil
		}, kind: DialRefused},
		"by the dialer": {admitA: func(peer consensus.ServerID, store, incarnation string) error {
			if peer == "b" && store == "store of b" && incarnation == "start of b" {
				return lost
			}
			return nil
		}, kind: DialRefused},
	} {
		t.Run(name, func(t *testing.T) {
			lnA, lnB := listen(t), listen(t)
			a := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
			b := config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()})
			a.Store, a.Incarnation, a.Admit = "store of a", "start of a", c.admitA
			b.Store, b.Incarnation, b.Admit = "store of b", "start of b", c.admitB
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
	_, err = New(Config{Cluster: "c", ID: "a", Incarnation: strings.Repeat("x", 1025)})
	if err == nil || !strings.Contains(err.Error(), "Incarnation has 1025 bytes") {
		t.Errorf("got %v", err)
	}
}

package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// Who had a store, and comes without one, is told why it must not begin anew, and not the cluster: a program that knows nothing of that takes
// the answer for none.
func TestWhoLostItsStoreIsNotToldTheCluster(t *testing.T) {
	s := startAlone(t, func(cfg *Config) {
		cfg.AdmitEmpty = func(peer consensus.ServerID) error {
			if peer == "b" {
				return errors.New("it had a store")
			}
			return nil
		}
	})
	var lost LostError
	if cluster, err := Ask(context.Background(), Config{ID: "b"}, "a", s.address, ""); cluster != "" || !errors.As(err, &lost) || lost.Reason != "it had a store" {
		t.Errorf("cluster %q, error %v", cluster, err)
	}
	if e := s.await(Asked); e.Peer != "b" || !strings.Contains(e.Reason, "it had a store") {
		t.Errorf("event %q", e)
	}
	if cluster, err := Ask(context.Background(), Config{ID: "new"}, "a", s.address, ""); cluster != "test" || err != nil {
		t.Errorf("cluster %q, error %v", cluster, err)
	}
	h := goodHello()
	h.cluster = question
	if back := string(s.say(h.append(nil))); strings.Contains(back, "test") {
		t.Errorf("it answers %q", back)
	}
}

// A node that asks hears why it is turned away.
func TestWhoAsksIsToldWhyItIsTurnedAway(t *testing.T) {
	ca, _ := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	s := startAlone(t, func(cfg *Config) { cfg.secureWith(k) })
	other, _ := authority(t)
	foreign := Config{ID: "b"} // trusts a's certificate, and shows one that a does not trust
	foreign.secureWith(k)
	foreign.TLS = func() *tls.Config { return rogue(load(t, node(t, other, "b"), nil)) }
	for want, cfg := range map[string]Config{
		"that server speaks TLS with its peers, and this one does not": {ID: "b"},
		"the other end refuses the connection (":                       foreign,
	} {
		if _, err := Ask(context.Background(), cfg, "a", s.address, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

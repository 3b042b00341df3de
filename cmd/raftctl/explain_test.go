package main

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/server"
	"github.com/raftnode/raft/rpc/certs"
)

// waiting is where a node waits for the id of its cluster.
func waiting(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(server.NotYet("this node waits to learn the cluster's id from n1 (a:1)"))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// A node that waits for its cluster's id was called no node of this service, and a write that it refused was in doubt.
func TestANodeThatWaitsForItsClusterIsOne(t *testing.T) {
	addr := waiting(t)
	_, stderr, exit := ctl(t, "", "put k v --timeout 1m --endpoints "+addr)
	if want := "raftctl: put: this node waits to learn the cluster's id from n1 (a:1)\nthe write was certainly not done\n"; exit != exitNoQuorum || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit %d, %q, want %q", exit, stderr, want)
	}
	stdout, stderr, exit := ctl(t, "", "status --endpoints "+addr)
	if want := "raftctl: no node takes part in a cluster yet: " + addr + " waits: this node waits to"; exit != exitNoQuorum || !strings.Contains(stdout, " waits ") || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit %d, %s%q, want %q", exit, stdout, stderr, want)
	}
	_, leader := start(t, nil)
	_, stderr, exit = ctl(t, "", "status --endpoints "+leader+","+addr)
	if want := "raftctl: " + addr + " waits: "; exit != exitDone || !strings.HasPrefix(stderr, want) || strings.Contains(stderr, "did not answer") {
		t.Errorf("exit %d, %q, want %q", exit, stderr, want)
	}
}

// What failed for different reasons was told of all with the first of them, and the advice was the last one's.
func TestEachEndpointFailsInItsOwnWords(t *testing.T) {
	_, plain := start(t, nil)
	down, addr := nobody(t), waiting(t)
	dir := filepath.Join(t.TempDir(), "certs")
	ca, err := certs.NewAuthority(dir, "demo", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.Client("c", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("RAFTCTL_TLS_CA", files.CA)
	_, stderr, exit := ctl(t, "", "status --endpoints "+plain+",http://"+addr+",http://"+down)
	want := "https://" + plain + " fails: the server does not speak TLS: use no certificates, or http:// there; " + addr + " waits: this node waits to learn the cluster's id from n1 (a:1); " +
		down + " refuses connections\nif the nodes have no TLS, leave out --tls-ca, --tls-cert and --tls-key, and `unset "
	if exit != exitNoQuorum || !strings.Contains(stderr, want) {
		t.Errorf("exit %d, %q, want %q", exit, stderr, want)
	}
}

func TestEndpointsAreGroupedByWhatIsSaidOfThem(t *testing.T) {
	all := []asked{{Endpoint: "a", err: errors.New("one")}, {Endpoint: "b", err: errors.New("other")}, {Endpoint: "c", err: errors.New("one")}}
	if got, want := endpointsInWords(all), "a, c fail: one; b fails: other"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

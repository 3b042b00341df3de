package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/wal"
)

// member begins a node of a cluster of two; the client address is fixed so that it can be asked while it waits.
func member(t *testing.T, id, dir, client, members string, more ...string) *program {
	t.Helper()
	return begin(t, append([]string{
		"serve", "--id", id, "--data-dir", dir, "--listen-client", client, "--cluster", members,
		"--heartbeat", "10ms", "--election-timeout", "50ms",
	}, more...)...)
}

// patience is how long a program may take to do what it never does when it is wrong.
const patience = 20 * time.Second

func clusterOf(t *testing.T, dir string) string {
	t.Helper()
	id, _, err := wal.Identity(dir)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A founder that is not the first waits for the id, says so to everybody, and goes on when the first one is there. Then it asks nobody.
func TestAFounderWaitsForTheFirst(t *testing.T) {
	members := "n1=" + freeAddress(t) + ",n2=" + freeAddress(t)
	one, two, client := filepath.Join(t.TempDir(), "n1"), filepath.Join(t.TempDir(), "n2"), freeAddress(t)
	second := member(t, "n2", two, client, members)
	second.await(t, "waits to learn the cluster's id from n1")
	if code, _ := ask(t, "GET", client, "/livez", ""); code != http.StatusOK {
		t.Errorf("/livez: %d", code)
	}
	for _, path := range []string{"/readyz", "/v1/kv/k"} {
		if code, body := ask(t, "GET", client, path, ""); code != http.StatusServiceUnavailable || !strings.Contains(body, "this node waits to learn the cluster's id from n1") || !strings.Contains(body, "If the cluster is new, start n1, which founds it") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if _, err := os.Stat(two); !os.IsNotExist(err) {
		t.Errorf("it has a data directory already: %v", err)
	}
	first := member(t, "n1", one, "127.0.0.1:0", members)
	first.await(t, "founds the cluster")
	second.await(t, "learned that the cluster is")
	second.await(t, "serving")
	first.stop()
	first.end(t, 0)
	second.stop()
	second.end(t, 0)
	if id := clusterOf(t, one); id != clusterOf(t, two) || !regexp.MustCompile("^[0-9a-f]{16}-[0-9a-f]{8}$").MatchString(id) {
		t.Errorf("the cluster is %q, and %q", id, clusterOf(t, two))
	}
	second = member(t, "n2", two, client, members) // n1 does not run
	second.await(t, "serving")
	second.stop()
	second.end(t, 0)
}

func TestANodeThatWaitsEndsWhenAsked(t *testing.T) {
	p := member(t, "n2", filepath.Join(t.TempDir(), "n2"), "127.0.0.1:0", "n1="+freeAddress(t)+",n2="+freeAddress(t))
	p.await(t, "waits to learn")
	p.stop()
	p.end(t, 0)
}

// The first founder, wiped, does not found a second cluster beside the others, nor does it come back empty to those who knew it.
func TestAFounderThatWasWipedDoesNotStart(t *testing.T) {
	members := "n1=" + freeAddress(t) + ",n2=" + freeAddress(t)
	dirs := map[string]string{"n1": filepath.Join(t.TempDir(), "n1"), "n2": filepath.Join(t.TempDir(), "n2")}
	for wiped, other := range map[string]string{"n1": "n2", "n2": "n1"} {
		p, q := member(t, wiped, dirs[wiped], "127.0.0.1:0", members), member(t, other, dirs[other], "127.0.0.1:0", members)
		p.await(t, "link up: "+other)
		q.await(t, "link up: "+wiped)
		p.stop()
		p.end(t, 0)
		kept := filepath.Join(t.TempDir(), "kept")
		if err := os.Rename(dirs[wiped], kept); err != nil {
			t.Fatal(err)
		}
		p = member(t, wiped, dirs[wiped], "127.0.0.1:0", members)
		giveUp := time.AfterFunc(patience, p.stop)
		last := p.end(t, exitFailed)
		giveUp.Stop()
		for _, want := range []string{"raftnode: cannot start: " + other + " (", "it had store ", "it must not come back empty", "add a node with a new id"} {
			if !strings.Contains(last, want) {
				t.Errorf("%s says %q, want %q", wiped, last, want)
			}
		}
		q.await(t, "its data directory was lost or exchanged")
		if _, err := os.Stat(dirs[wiped]); !os.IsNotExist(err) {
			t.Errorf("%s made a data directory: %v", wiped, err)
		}
		if err := os.Rename(kept, dirs[wiped]); err != nil {
			t.Fatal(err)
		}
		q.stop()
		q.end(t, 0)
	}
}

// Two clusters that were founded with the same list do not mix, and are told what that means.
func TestTwoClustersOfOneListDoNotMix(t *testing.T) {
	members := "n1=" + freeAddress(t) + ",n2=" + freeAddress(t)
	var dirs [2]string
	for i, id := range []string{"n1", "n2"} { // each on the founder's empty directory, while the other is away
		dirs[i] = filepath.Join(t.TempDir(), id)
		c := &config{cluster: mustMembers(t, members)}
		p := member(t, id, dirs[i], "127.0.0.1:0", members, "--cluster-id", c.newClusterID())
		p.await(t, "serving")
		p.stop()
		p.end(t, 0)
	}
	first, second := member(t, "n1", dirs[0], "127.0.0.1:0", members), member(t, "n2", dirs[1], "127.0.0.1:0", members)
	for i, p := range []*program{first, second} {
		p.await(t, fmt.Sprintf("they were founded apart, with the same --cluster: if this node (cluster %s)", clusterOf(t, dirs[i])))
		p.stop()
		p.end(t, 0)
	}
}

// A node that joins learns the id from whoever of the founders answers.
func TestANodeThatJoinsAsks(t *testing.T) {
	dir, at := t.TempDir(), freeAddress(t)
	founder := member(t, "n1", dir, "127.0.0.1:0", "n1="+at)
	founder.await(t, "serving")
	joiner := filepath.Join(t.TempDir(), "n2")
	p := begin(t, "serve", "--id", "n2", "--join", "--data-dir", joiner, "--cluster", "n1="+at, "--listen-peer", "127.0.0.1:0", "--listen-client", "127.0.0.1:0")
	p.await(t, `members="none yet: waits to be added"`)
	for _, p := range []*program{p, founder} {
		p.stop()
		p.end(t, 0)
	}
	if clusterOf(t, joiner) != clusterOf(t, dir) {
		t.Errorf("it is of cluster %s", clusterOf(t, joiner))
	}
}

//go:build linux

package powerfs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftnode/raft/integration"
	"github.com/raftnode/raft/kv/client"
)

// A write or an fsync of a node's log fails, once, while a client writes. The node ends with the reason, the file and what to do as its last
// line; the next start is clean, and has what was acknowledged. No fsync is tried again: the failed one has left nothing to write.
func TestDiskErrorOfANode(t *testing.T) {
	r := &rack{t: t, random: rand.New(rand.NewPCG(7, 14)), acked: map[string]string{}}
	fs, at := mounted(t)
	dir := t.TempDir()
	check(t, os.Symlink(at, filepath.Join(dir, "n1")))
	var err error
	if r.Cluster, err = integration.NewCluster(integration.Config{Binary: build(t), Dir: dir, Nodes: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, r.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n := r.Nodes()[0]
	said := map[string]int{}
	for nth := 1; nth <= 6; nth++ {
		r.back(ctx, 0)
		for had := r.acknowledged(); r.acknowledged() == had && ctx.Err() == nil; {
			r.put(ctx, fmt.Sprintf("before-%d", nth)) // until it leads, and all that its start writes is written
		}
		fs.FailAt(nth, syscall.EIO)
		for i := 0; n.Ended() == "" && ctx.Err() == nil; i++ {
			r.put(ctx, fmt.Sprintf("%d-%d", nth, i))
		}
		text, err := n.Printed()
		check(t, err)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := lines[len(lines)-1]
		for _, want := range []string{"raftnode: must stop: ", filepath.Join(dir, "n1", "0000"), "input/output error. The disk or its file system failed", "raftctl doctor --data-dir", "start the node again"} {
			if !strings.Contains(last, want) {
				t.Errorf("error %d: the last line is %q, want it to say %q", nth, last, want)
			}
		}
		if n.Ended() != "exit status 1" {
			t.Errorf("error %d: it ended with %s", nth, n.Ended())
		}
		for _, call := range []string{": write ", ": sync "} {
			if strings.Contains(last, call+filepath.Join(dir, "n1")) {
				said[call]++
			}
		}
		check(t, n.Kill())
		fs.FailAt(0, 0)
		r.count.faults++
	}
	r.back(ctx, 0)
	r.check(ctx)
	if len(said) != 2 {
		t.Errorf("it ended for %v, want for writes and for fsyncs", said)
	}
	r.count.acknowledged = r.acknowledged()
	if r.count.acknowledged < r.count.faults {
		t.Errorf("%d writes were acknowledged between %d errors: nothing could be lost, and this proves nothing", r.count.acknowledged, r.count.faults)
	}
	r.count.report(t, "errors of the disk of a raftnode, each of which it said and ended")
}

// put writes one key, and notes it if it was acknowledged.
func (r *rack) put(ctx context.Context, key string) {
	r.t.Helper()
	c, err := client.New(client.Config{Endpoints: r.Endpoints(), Timeout: 500 * time.Millisecond})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Put(ctx, key, []byte("x")); err == nil {
		r.acked[key] = fmt.Sprint(1, byte('x'))
	}
}

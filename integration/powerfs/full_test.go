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

// A node's disk is filled and freed, again and again, while a client writes. The node says that there is no room and ends, or says so to the
// client; with room again it starts, and has what was acknowledged.
func TestFullDiskOfANode(t *testing.T) {
	cycles, least := 3, 1 // so often the log itself must find no room: the node may notice before it does, and refuse writes
	if torture() {
		cycles, least = 25, 12
	}
	r := &rack{t: t, random: rand.New(rand.NewPCG(6, 13)), acked: map[string]string{}}
	dir := t.TempDir()
	disk := smallDisk(t, filepath.Join(dir, "n1"))
	var err error
	if r.Cluster, err = integration.NewCluster(integration.Config{Binary: build(t), Dir: dir, Nodes: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	said, noticed := 0, 0
	for cycle := range cycles {
		r.back(ctx, 0)
		if cycle > 0 {
			r.check(ctx)
		}
		ballast := filepath.Join(disk, "ballast")
		fillDisk(t, ballast, r.random.IntN(300_000))
		refused := r.fill(ctx, cycle)
		if crash := r.Crashed(); crash != nil {
			if said++; !strings.Contains(crash.Error(), "no space left on device") {
				t.Errorf("it ended without the reason: %v", crash)
			}
		} else if noticed++; !strings.Contains(refused, "space") {
			t.Errorf("the node runs, and refuses writes with %q", refused)
		}
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		r.count.faults++
	}
	r.back(ctx, 0)
	r.check(ctx)
	r.count.acknowledged = r.acknowledged()
	r.count.report(t, fmt.Sprintf("times the disk of a raftnode was filled and freed, ENOSPC ended it %d times, and it refused writes before that %d times", said, noticed))
	if said < least {
		t.Errorf("only %d times the log found no room, want %d", said, least)
	}
}

func smallDisk(t *testing.T, dir string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts a file system")
	}
	check(t, os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m,mode=0700"); err != nil {
		skip(t, "no tmpfs may be mounted here: root is needed", err)
	}
	t.Cleanup(func() { check(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fillDisk leaves so many bytes.
func fillDisk(t *testing.T, ballast string, leave int) {
	t.Helper()
	var at syscall.Statfs_t
	check(t, syscall.Statfs(filepath.Dir(ballast), &at))
	check(t, os.WriteFile(ballast, make([]byte, max(0, int(at.Bavail)*int(at.Bsize)-leave)), 0o600))
}

// fill writes until the node has ended, or has refused many writes in a row, and gives the last refusal.
func (r *rack) fill(ctx context.Context, cycle int) (refused string) {
	r.t.Helper()
	c, err := client.New(client.Config{Endpoints: r.Endpoints(), Timeout: 500 * time.Millisecond})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	value := []byte(strings.Repeat("x", 9000))
	for n, failed := 0, 0; failed < 10 && r.Crashed() == nil && ctx.Err() == nil; n++ {
		key := fmt.Sprintf("%d-%d", cycle, n)
		if _, err := c.Put(ctx, key, value); err != nil {
			failed++
			refused = err.Error()
			continue
		}
		failed = 0
		r.acked[key] = fmt.Sprint(len(value), value[0])
	}
	return refused
}

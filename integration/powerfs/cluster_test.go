//go:build linux

package powerfs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/integration"
	"github.com/raftnode/raft/integration/powerfs"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// A rack is a cluster of real nodes, each of which keeps its data where the power can fail.
type rack struct {
	*integration.Cluster
	t      *testing.T
	disks  []*powerfs.FS
	random *rand.Rand
	count  tally

	mu    sync.Mutex
	acked map[string]string // what clients were told is written
}

func newRack(t *testing.T) *rack {
	t.Helper()
	r := &rack{t: t, random: rand.New(rand.NewPCG(4, 12)), acked: map[string]string{}}
	dir := t.TempDir()
	for i := range 3 {
		fs, at := mounted(t)
		if err := os.Symlink(at, filepath.Join(dir, fmt.Sprintf("n%d", i+1))); err != nil {
			t.Fatal(err)
		}
		r.disks = append(r.disks, fs)
	}
	var err error
	if r.Cluster, err = integration.NewCluster(integration.Config{Binary: build(t), Dir: dir, Args: []string{"--snapshot-entries", "40"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// build makes a raftnode of the module above.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "raftnode")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", binary, "./cmd/raftnode").CombinedOutput(); err != nil {
		t.Fatalf("build raftnode: %v\n%s", err, out)
	}
	return binary
}

// write lets clients write until the context ends.
func (r *rack) write(ctx context.Context, round, size int) {
	var group sync.WaitGroup
	for worker := range 4 {
		value := make([]byte, 1+size/(1+worker))
		for i := range value {
			value[i] = byte('a' + worker)
		}
		group.Go(func() {
			c, err := client.New(client.Config{Endpoints: r.Endpoints(), Timeout: time.Second})
			if err != nil {
				r.t.Error(err)
				return
			}
			defer c.Close()
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprintf("%d-%d-%d", round, worker, n)
				if _, err := c.Put(ctx, key, value); err != nil {
					continue // it may have been done, or not
				}
				r.mu.Lock()
				r.acked[key] = fmt.Sprint(len(value), value[0])
				r.mu.Unlock()
			}
		})
	}
	group.Wait()
}

func (r *rack) acknowledged() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// lose takes the power from these nodes, some as they write and some when they have been killed, and brings it back.
func (r *rack) lose(loss func(*rand.Rand) powerfs.Loss, nodes ...int) {
	for _, i := range nodes {
		if r.random.IntN(2) == 0 {
			r.disks[i].CutAt(1 + r.random.IntN(5))
		}
	}
	var group sync.WaitGroup
	for _, i := range nodes {
		group.Go(func() {
			if err := r.Nodes()[i].Kill(); err != nil {
				r.t.Error(err)
			}
		})
	}
	group.Wait()
	for _, i := range nodes {
		r.disks[i].PowerLoss(loss(r.random))
		r.count.faults++
		// Where it listened, for who starts it: that need not survive, and may be half of it.
		if err := os.Remove(filepath.Join(r.Nodes()[i].DataDir, "addresses.json")); err != nil && !os.IsNotExist(err) {
			r.t.Error(err)
		}
	}
}

// back starts these nodes: each must start.
func (r *rack) back(ctx context.Context, nodes ...int) {
	r.t.Helper()
	for _, i := range nodes {
		if err := r.Start(ctx, r.Nodes()[i]); err != nil {
			r.count.failedStarts++
			r.t.Errorf("start: %v", err)
		}
	}
	if r.t.Failed() {
		r.t.FailNow()
	}
}

// check reads all that is there, linearizably.
func (r *rack) check(ctx context.Context) {
	r.t.Helper()
	c, err := client.New(client.Config{Endpoints: r.Endpoints(), Timeout: 20 * time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	found := map[string]bool{}
	for after, more := "", true; more; {
		page, err := c.List(ctx, "", after, api.MaxListLimit)
		if err != nil {
			r.t.Fatalf("list: %v", err)
		}
		for _, key := range page.Keys {
			found[key.Name()], after = true, key.Name()
		}
		more = page.More
	}
	for key, want := range r.acked {
		if !found[key] {
			r.count.lost++
			r.t.Errorf("%s was acknowledged, and is gone", key)
		}
		if r.random.IntN(20) > 0 {
			continue
		}
		got, err := c.Get(ctx, key)
		if err != nil {
			r.t.Errorf("get %s: %v", key, err)
		} else if fmt.Sprint(len(got.Data), got.Data[0]) != want {
			r.count.wrong++
			r.t.Errorf("%s has %d bytes of %q, want %s", key, len(got.Data), got.Data[0], want)
		}
	}
	if r.t.Failed() {
		r.t.FailNow()
	}
}

// All nodes of a cluster lose their power at once, as in one building, or one of them does, while clients write: every node starts
// again, and what clients were told is written is there.
func TestPowerLossOfACluster(t *testing.T) {
	rounds := 3
	if torture() {
		rounds = 90 // 30 of them of one node: 210 losses
	}
	r := newRack(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	r.back(ctx, 0, 1, 2)
	for round := range rounds {
		nodes, loss := []int{0, 1, 2}, powerfs.Random
		if round%3 == 1 {
			nodes = []int{r.random.IntN(3)}
		}
		if round%6 == 0 { // the first is the only one when all that the directories have is new
			loss = func(*rand.Rand) powerfs.Loss { return powerfs.Everything() }
		}
		writing, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		size := r.random.IntN(40_000)
		group.Go(func() { r.write(writing, round, size) })
		for enough := r.acknowledged() + 20 + r.random.IntN(200); r.acknowledged() < enough && ctx.Err() == nil; {
			if _, _, err := r.WaitLeader(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
		r.lose(loss, nodes...)
		stop()
		group.Wait()
		r.back(ctx, nodes...)
		r.check(ctx)
	}
	if _, err := r.WaitConverged(ctx); err != nil {
		t.Error(err)
	}
	if status, err := r.Status(ctx, r.Nodes()[0]); err != nil || status.SnapshotIndex == 0 {
		t.Errorf("no snapshot was taken, %v: this proves less than it should", err)
	}
	r.count.acknowledged = r.acknowledged()
	r.count.report(t, "power losses of raftnodes")
}

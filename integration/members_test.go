package integration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// often makes snapshots come soon, and the log behind them short: so who comes late needs one.
var often = []string{"--snapshot-entries", "200", "--snapshot-bytes", "64KiB"}

// newGrowing makes a cluster of three with nodes to spare; nothing runs yet.
func newGrowing(t *testing.T, spares int, args ...string) *Cluster {
	t.Helper()
	return newCluster(t, Config{Spares: spares, Args: args})
}

// newCluster makes a cluster of real nodes; nothing runs yet.
func newCluster(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	cfg.Binary, cfg.Dir = raftnode(t), t.TempDir()
	leavesNothing(t)
	c, err := NewCluster(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// underLoad lets clients work while something happens, and judges what they saw and what the members have in the end.
func underLoad(t *testing.T, c *Cluster, happens func(ctx context.Context, d *Drill) error) {
	t.Helper()
	underLoadWithin(bounded(t), t, c, happens)
}

func underLoadWithin(ctx context.Context, t *testing.T, c *Cluster, happens func(ctx context.Context, d *Drill) error) {
	t.Helper()
	d := &Drill{Cluster: c, History: NewHistory(), opts: Options{Narrate: func(s Step) { t.Logf("%8.3f s  %s %s", s.At.Seconds(), s.What, s.Detail) }}}
	finals, err := d.run(ctx, Scenario{play: func(ctx context.Context, d *Drill) error { return happens(ctx, d) }})
	if err != nil {
		t.Fatalf("%v%s", err, c.lastWords())
	}
	judged := Judge(d.History, finals, Judging{Nodes: idsOf(c.Nodes()), Writes: enough, Reads: someReads})
	t.Logf("%+v", judged.Tally)
	if judged.Verdict.Result != Passed {
		t.Fatalf("verdict: %v", judged.Verdict)
	}
}

// lastWords are the ends of the logs, for who looks into a failure.
func (c *Cluster) lastWords() string {
	text := ""
	for _, path := range c.logs() {
		b, _ := os.ReadFile(path)
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		text += "\n" + filepath.Base(path) + ":\n" + strings.Join(lines[max(0, len(lines)-30):], "\n")
	}
	return text
}

// A fourth node is added while clients write, and the leader is killed in the middle of that. Nothing is lost, and the change is made
// in the end, by whoever leads then.
func TestLeaderIsKilledWhileANodeIsAdded(t *testing.T) {
	c := newGrowing(t, 1, often...)
	underLoad(t, c, func(ctx context.Context, d *Drill) error {
		n4 := c.Spares()[0]
		if err := n4.Start(ctx); err != nil {
			return err
		}
		leader, _, err := d.leader(ctx, 0)
		if err != nil {
			return err
		}
		var adding sync.WaitGroup
		var added error
		adding.Go(func() { added = c.Enlist(ctx, n4) })
		// As soon as the new node hears of the cluster, the leader dies.
		err = poll(ctx, "the change to begin", func() (bool, error) {
			status, err := c.Status(ctx, n4)
			return err == nil && status.Term > 0, c.Crashed()
		})
		err = errors.Join(err, leader.Kill())
		d.fault("leader killed", "%s, in the middle of the change", leader.ID)
		adding.Wait()
		if err := errors.Join(err, added); err != nil {
			return err
		}
		d.say("added", "%s", n4.ID)
		return d.restart(ctx, leader)
	})
	status, err := c.Status(t.Context(), c.everyone[3])
	if err != nil || len(status.Members) != 4 || status.Joint {
		t.Errorf("the new node knows %+v, %v", status.Configuration, err)
	}
}

// A node that lost its disk cannot come back under its name. It is removed, and a new one takes its place, which is brought up by a
// snapshot over the network.
func TestANodeWhoseDiskIsLostIsReplaced(t *testing.T) {
	c := newGrowing(t, 1, often...)
	underLoad(t, c, func(ctx context.Context, d *Drill) error {
		n1, n4 := c.Nodes()[0], c.Spares()[0]
		if err := c.waitSnapshots(ctx); err != nil {
			return err
		}
		if err := errors.Join(n1.Kill(), os.RemoveAll(n1.DataDir)); err != nil {
			return err
		}
		refuses(t, n1.Args(), 1, "remove it from the cluster and add a node with a new id")
		if err := d.must(ctx, func(ctx context.Context) error { return c.Remove(ctx, n1) }); err != nil {
			return err
		}
		d.fault("removed", "%s", n1.ID)
		if err := d.must(ctx, func(ctx context.Context) error { return c.Add(ctx, n4) }); err != nil {
			return err
		}
		d.fault("added", "%s", n4.ID)
		text, err := n4.Printed()
		if err == nil && !strings.Contains(text, "snapshot at index") {
			err = fmt.Errorf("n4 was not brought up by a snapshot: %s", text)
		}
		return err
	})
}

// The leader is removed, again and again, until one node is left, and the cluster grows again.
func TestLeadersAreRemovedUntilOneIsLeft(t *testing.T) {
	c := newGrowing(t, 2, often...)
	underLoad(t, c, func(ctx context.Context, d *Drill) error {
		for range 2 {
			leader, _, err := d.leader(ctx, 0)
			if err != nil {
				return err
			}
			if err := d.removeAndSeeItSaysSo(ctx, leader); err != nil {
				return err
			}
			if err := d.writesGoOn(ctx); err != nil {
				return err
			}
		}
		for _, n := range c.Spares() {
			if !n.spare() {
				continue // was a member
			}
			if err := d.must(ctx, func(ctx context.Context) error { return c.Add(ctx, n) }); err != nil {
				return err
			}
		}
		return d.writesGoOn(ctx)
	})
}

// removeAndSeeItSaysSo removes a node that runs on: it says once that it was removed, and serves nothing.
func (d *Drill) removeAndSeeItSaysSo(ctx context.Context, n *Node) error {
	c := d.Cluster
	return d.must(ctx, func(ctx context.Context) error {
		if err := c.Change(ctx, api.MemberChange{Op: api.OpRemove, ID: n.ID}); err != nil {
			return err
		}
		d.fault("removed", "%s, the leader", n.ID)
		err := poll(ctx, n.ID+" to say that it was removed", func() (bool, error) {
			text, err := n.Printed()
			return strings.Contains(text, n.ID+" is no member of the cluster"), err
		})
		if err != nil {
			return err
		}
		addr, _ := n.ClientAddr()
		kv, err := client.New(client.Config{Endpoints: []string{addr}, NoRetry: true})
		if err != nil {
			return err
		}
		defer kv.Close()
		if _, err := kv.Get(ctx, "k", client.Stale()); client.CodeOf(err) != api.CodeNotMember {
			return fmt.Errorf("a removed node answers a read with %v: %w", err, errTooSlow)
		}
		return c.Remove(ctx, n)
	})
}

// A node restarts from a snapshot and what comes behind it, and its directory does not grow with what is written.
func TestTheDirectoryIsBounded(t *testing.T) {
	c := newGrowing(t, 0, "--snapshot-entries", "50", "--snapshot-bytes", "1MiB")
	ctx := bounded(t)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	kv := clientOf(t, c)
	value := make([]byte, 256<<10)
	for i := range 200 { // 50 MiB, in 8 keys
		if _, err := kv.Put(ctx, fmt.Sprint("k", i%8), value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kv.Put(ctx, "last", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := c.waitSnapshots(ctx); err != nil {
		t.Fatal(err)
	}
	const limit = 20 << 20 // two segments of 4 MiB, one that is to be removed, and two snapshots of 2 MiB; the rest is reserve
	for _, n := range c.Nodes() {
		if size := sizeOf(t, n.DataDir); size > limit {
			t.Errorf("%s has %d bytes on disk, after 50 MiB of writes to 2 MiB of keys; want at most %d", n.ID, size, limit)
		}
	}
	n1 := c.Nodes()[0]
	if err := errors.Join(c.Kill(), c.Start(ctx)); err != nil {
		t.Fatal(err)
	}
	text, err := n1.Printed()
	if err != nil || !strings.Contains(text, " snapshot=") {
		t.Errorf("n1 does not say that it began with a snapshot: %s, %v", text, err)
	}
	for i := range 8 {
		got, err := kv.Get(ctx, fmt.Sprint("k", i))
		if err != nil || len(got.Data) != len(value) {
			t.Errorf("key k%d has %d bytes, %v", i, len(got.Data), err)
		}
	}
	if got, err := kv.Get(ctx, "last"); err != nil || string(got.Data) != "one" {
		t.Errorf("the last key is %q, %v", got.Data, err)
	}
}

func sizeOf(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // compaction has just removed it
			return nil
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// Leadership is handed over while clients write, to each node in turn: it is there at once, and nobody waits for an election timeout.
func TestLeadershipIsHandedOverUnderLoad(t *testing.T) {
	c := newGrowing(t, 0)
	underLoad(t, c, func(ctx context.Context, d *Drill) error {
		kv, err := client.New(client.Config{Endpoints: c.Endpoints()})
		if err != nil {
			return err
		}
		defer kv.Close()
		for _, n := range c.Nodes() {
			began := time.Now()
			err := d.must(ctx, func(ctx context.Context) error {
				return poll(ctx, n.ID+" to lead", func() (bool, error) {
					now, err := kv.TransferLeadership(ctx, n.ID)
					return err == nil && now.Leader == n.ID, c.Crashed()
				})
			})
			if err != nil {
				return err
			}
			d.fault("handed over", "to %s, in %s", n.ID, millis(time.Since(began)))
			if err := d.writesGoOn(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// A snapshot that takes a while on a slow link is cut off by kill -9, first of the node that gets it, then of the leader that sends it. In
// the end it arrives.
func TestKilledWhileASnapshotIsSent(t *testing.T) {
	c := newGrowing(t, 1, "--snapshot-entries", "50", "--snapshot-bytes", "64KiB", "--heartbeat", "100ms")
	ctx := bounded(t)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	kv := clientOf(t, c)
	value := make([]byte, 512<<10)
	for i := range 24 { // 12 MiB of state
		if _, err := kv.Put(ctx, fmt.Sprint("k", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.waitSnapshots(ctx); err != nil {
		t.Fatal(err)
	}
	n4 := c.Spares()[0]
	if err := n4.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		c.Link(n, n4).Delay(time.Millisecond) // for every 32 KiB
	}
	var adding sync.WaitGroup
	var added error
	adding.Go(func() { added = c.Enlist(ctx, n4) })
	defer adding.Wait()
	for _, victim := range []string{"receiver", "sender"} {
		leader, err := c.sendingTo(ctx, n4.ID)
		if err != nil {
			t.Fatalf("%s: %v%s", victim, err, c.lastWords())
		}
		if victim == "receiver" {
			leader = n4
		}
		if err := errors.Join(leader.Kill(), leader.Start(ctx)); err != nil {
			t.Fatal(err)
		}
		t.Logf("killed and restarted the %s, %s", victim, leader.ID)
	}
	adding.Wait()
	if added != nil {
		t.Fatalf("%v%s", added, c.lastWords())
	}
	c.Heal()
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	alone, err := client.New(client.Config{Endpoints: c.Endpoints()[3:], NoRetry: true})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	for i := range 24 {
		got, err := alone.Get(ctx, fmt.Sprint("k", i), client.Stale())
		if err != nil || len(got.Data) != len(value) {
			t.Errorf("n4 has %d bytes of k%d, %v", len(got.Data), i, err)
		}
	}
}

// sendingTo waits until a leader is in the middle of sending a snapshot to the member, and gives the leader.
func (c *Cluster) sendingTo(ctx context.Context, id string) (leader *Node, err error) {
	err = poll(ctx, "a snapshot to be sent to "+id, func() (bool, error) {
		for _, n := range c.Nodes() {
			status, err := c.Status(ctx, n)
			if err != nil || status.Role != "leader" {
				continue
			}
			for _, m := range status.Members {
				if m.ID == id && m.SnapshotSent != nil && *m.SnapshotSent > 0 {
					leader = n
					return true, nil
				}
			}
		}
		return false, c.Crashed()
	})
	return leader, err
}

// A node can join a cluster of whose founders none is left: it is told to know only them, and answers a leader that it never heard of.
func TestANodeJoinsAClusterWithoutItsFounders(t *testing.T) {
	path := raftnode(t)
	leavesNothing(t)
	c, err := NewCluster(Config{Binary: path, Nodes: 1, Spares: 2, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	n1, n2, n3 := c.everyone[0], c.everyone[1], c.everyone[2]
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	steps := []func() error{
		func() error { return c.Start(ctx) },
		func() error { return c.Add(ctx, n2) },
		func() error { return c.Remove(ctx, n1) },
		func() error { return c.Add(ctx, n3) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v%s", i, err, c.lastWords())
		}
	}
	kv := clientOf(t, c)
	if _, err := kv.Put(ctx, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	if text, err := n3.Printed(); err != nil || strings.Contains(text, "cannot reach") {
		t.Errorf("n3 goes on looking for founders that are no members: %s, %v", text, err)
	}
}

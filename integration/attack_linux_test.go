package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/client"
)

// patientNodes wait long enough for each other that an election tells of the attack and not of a machine whose cores are all taken.
var patientNodes = []string{"--election-timeout", "2s", "--heartbeat", "100ms", "--reserve", "1MiB"}

// moreMemory is what a node may need more at its peak under all attacks than before them: 768 callers and 4096 clients at 16 KiB each (a stack,
// and buffers to read and to write) are 76 MiB; the frames and bodies under way, and garbage before it is collected, are as much again.
const moreMemory = 192 << 20

// idleWanted is how many idle connections there are to be, if the machine allows it. In `make attack`, it is 10,000.
func idleWanted(t *testing.T) int {
	t.Helper()
	want := 2000
	if os.Getenv("ATTACK") != "" {
		want = 10_000
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if possible := int(min(limit.Cur, 1<<20)) - 1000; possible < want {
		t.Logf("%d idle connections and not %d: this process may have %d files open", possible, want, limit.Cur)
		return possible
	}
	return want
}

// fewFiles is how many files a node may have open in TestAttacks: more connections than that come, and it has to go on.
const fewFiles = 1024

// Whatever comes to the ports of a node: the cluster goes on, and what clients see is linearizable; no term grows; memory has a bound; nothing panics;
// there are files left to open, and the log opens segments; and when it is over, so are the connections.
func TestAttacks(t *testing.T) {
	c := newCluster(t, Config{Args: patientNodes})
	few := fmt.Sprintf("#!/bin/sh\nulimit -n %d && exec %s \"$@\"\n", fewFiles, c.cfg.Binary)
	path := filepath.Join(t.TempDir(), "raftnode")
	if err := os.WriteFile(path, []byte(few), 0o700); err != nil {
		t.Fatal(err)
	}
	c.Nodes()[0].Binary = path
	withstands(t, c)
}

// The same with TLS on all ports, inside of it, and bare: with certificates that let the attacker in, and others. Here a node may open more files, and
// so has as many connections as it ever has.
func TestAttacksOnTLS(t *testing.T) {
	withstands(t, newCluster(t, Config{Args: patientNodes, TLS: true}))
}

// attack is one way of attacking.
type attack struct {
	name  string
	least int64 // what makes it one
	run   func(context.Context)
	also  func(ctx context.Context) error // what the cluster has to be able to do meanwhile
}

func (a *assault) attacks(d *Drill) []attack {
	throw := func(things [][]byte) func(context.Context) {
		return func(ctx context.Context) { a.throw(ctx, things...) }
	}
	storm := attack{"a storm of connections", 5000, a.storm, func(ctx context.Context) error { return comesBack(ctx, d, d.Cluster.Nodes()[1]) }}
	attacks := []attack{
		{"idle connections", int64(a.idle), a.silence, nil},
		{"slow senders", 150, a.drip, nil}, // of 100 that never end a handshake, and 100 that never end a header
		{"garbage", 200, throw(garbage()), nil},
		{"lengths", 200, throw(a.lengths()), nil},
		{"bombs", 150, throw(a.bombs()), nil},
		{"cut and flipped", int64(4 * len(a.hello.bytes())), throw(a.stumps()), nil},
		{"flips in live links", 20, func(ctx context.Context) { a.flip(ctx, d) }, nil},
		{"replayed handshakes", 500, a.replay, nil},
	}
	if a.stolen != nil {
		attacks = append(attacks, attack{"masks", 200, a.masks, nil}, attack{"records", 200, a.records, nil})
	}
	return append(attacks, storm) // in it n2 begins anew, and what was overheard of it is worth nothing any more
}

// withstands attacks a cluster that does not run yet.
func withstands(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	underLoadWithin(ctx, t, c, func(ctx context.Context, d *Drill) error {
		a := &assault{hello: impostor(ctx, t, c), idle: idleWanted(t), stolen: steal(t, c)}
		target := c.Nodes()[0] // the leader, whom an attack hurts most
		if err := leads(ctx, d, target); err != nil {
			return err
		}
		a.peer, _ = target.PeerAddr()
		a.client, _ = target.ClientAddr()
		files, peak := filesOf(t, c), peaks(t, c)
		for _, attack := range a.attacks(d) {
			before := terms(ctx, t, c)
			if err := a.during(ctx, t, d, attack); err != nil {
				return fmt.Errorf("%s: %w", attack.name, err)
			}
			if after := terms(ctx, t, c); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("%s: terms were %v and are %v", attack.name, before, after)
			}
			now := peaks(t, c)
			d.say("withstood", "%s, %d times; memory at its peak %v MiB", attack.name, a.blows.Load(), inMiB(now))
			for i, n := range c.Nodes() {
				if peak[i] == 0 || now[i] > peak[i]+moreMemory {
					t.Errorf("%s: %s needed %d MiB, before the attacks %d", attack.name, n.ID, now[i]>>20, peak[i]>>20)
				}
			}
		}
		if a.stolen != nil && a.stolen.letIn.Load() > 0 {
			t.Errorf("%d were let in with certificates that are not good for that", a.stolen.letIn.Load())
		}
		noPanic(t, c)
		return filesReturn(ctx, t, c, files)
	})
}

// during lets an attack run until it has done enough, and meanwhile the log opened segments, writes went on and something more was possible.
func (a *assault) during(ctx context.Context, t *testing.T, d *Drill, attack attack) error {
	t.Helper()
	a.blows.Store(0)
	attacking, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		attack.run(attacking)
	}()
	defer func() { end(); <-ended }()
	err := d.must(ctx, func(ctx context.Context) error {
		return poll(ctx, fmt.Sprintf("%d blows", attack.least), func() (bool, error) { return a.blows.Load() >= attack.least, d.Cluster.Crashed() })
	})
	if err != nil {
		return fmt.Errorf("%w; there were %d", err, a.blows.Load())
	}
	filesLeft(t, d.Cluster)
	if err := d.must(ctx, func(ctx context.Context) error { return opensSegments(ctx, d) }); err != nil {
		return err
	}
	if attack.also != nil {
		if err := d.must(ctx, attack.also); err != nil {
			return err
		}
	}
	defer filesLeft(t, d.Cluster)
	return d.writesGoOn(ctx)
}

// flip changes one bit in one of a hundred chunks of all that the leader and a follower say to each other: each costs them the connection, and a message of
// a megabyte has to come through in between.
func (a *assault) flip(ctx context.Context, d *Drill) {
	leader, _, err := d.leader(ctx, 0)
	if err != nil {
		return // there are no blows, and that is told
	}
	follower := d.others(leader)[0]
	for _, link := range []*Link{d.Cluster.Link(leader, follower), d.Cluster.Link(follower, leader)} {
		link.Spoil(func(chunk []byte) {
			if rand.IntN(100) == 0 {
				chunk[rand.IntN(len(chunk))] ^= 1 << rand.IntN(8)
				a.blows.Add(1)
			}
		})
		defer link.Spoil(nil)
	}
	<-ctx.Done()
}

// newest gives the name of the last segment of a node's log.
func (n *Node) newest() (string, error) {
	names, err := filepath.Glob(filepath.Join(n.DataDir, "00*"))
	if err != nil || len(names) == 0 {
		return "", err
	}
	return slices.Max(names), nil
}

// opensSegments writes more than a segment holds, and waits until each node's log has begun a new one.
func opensSegments(ctx context.Context, d *Drill) error {
	before := map[*Node]string{}
	for _, n := range d.Cluster.Nodes() {
		name, err := n.newest()
		if err != nil {
			return err
		}
		before[n] = name
	}
	kv, err := d.Cluster.client(client.Config{Endpoints: d.Cluster.Endpoints()})
	if err != nil {
		return err
	}
	defer kv.Close()
	value := bytes.Repeat([]byte("x"), 1<<18)
	for written := 0; written < 5<<20; {
		if _, err := kv.Put(ctx, "bulk", value); err == nil {
			written += len(value)
		} else if ctx.Err() != nil {
			return fmt.Errorf("%d bytes were written: %w", written, err)
		}
	}
	for n, name := range before {
		if err := poll(ctx, n.ID+" to open a segment after "+filepath.Base(name), func() (bool, error) {
			newest, err := n.newest()
			return newest > name, errors.Join(err, d.Cluster.Crashed())
		}); err != nil {
			return err
		}
	}
	return nil
}

// leads makes a node the leader.
func leads(ctx context.Context, d *Drill, n *Node) error {
	kv, err := d.Cluster.client(client.Config{Endpoints: d.Cluster.Endpoints()})
	if err != nil {
		return err
	}
	defer kv.Close()
	return d.must(ctx, func(ctx context.Context) error {
		return poll(ctx, n.ID+" to lead", func() (bool, error) {
			status, err := d.Cluster.Status(ctx, n)
			if err != nil || status.Role == "leader" {
				return err == nil, err
			}
			_, _ = kv.TransferLeadership(ctx, n.ID) // who is far behind is not made leader: asked again
			return false, d.Cluster.Crashed()
		})
	})
}

// comesBack kills a node, and lets it come back.
func comesBack(ctx context.Context, d *Drill, n *Node) error {
	if err := n.Kill(); err != nil {
		return err
	}
	d.fault("killed", "%s", n.ID)
	return d.restart(ctx, n)
}

// peaks gives the most memory that each node ever had, in bytes.
func peaks(t *testing.T, c *Cluster) (bytes []int) {
	t.Helper()
	for _, n := range c.Nodes() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		kib := 0
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			t.Fatalf("%s: %v in %s", n.ID, err, text)
		}
		bytes = append(bytes, kib<<10)
	}
	return bytes
}

func inMiB(bytes []int) (mib []int) {
	for _, b := range bytes {
		mib = append(mib, b>>20)
	}
	return mib
}

// filesOf counts what each node has open.
func filesOf(t *testing.T, c *Cluster) (open []int) {
	t.Helper()
	for _, n := range c.Nodes() {
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.PID()))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, len(files))
	}
	return open
}

// filesLeft demands that each node can open some more files.
func filesLeft(t *testing.T, c *Cluster) {
	t.Helper()
	const room = 16 // for a segment, a snapshot, and what was accepted but not yet decided upon
	for i, open := range filesOf(t, c) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.Nodes()[i].PID()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "Max open files")
		limit := 0
		if _, err := fmt.Sscan(rest, &limit); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if open > limit-room {
			t.Errorf("%s has %d files open, and may have %d", c.Nodes()[i].ID, open, limit)
		}
	}
}

// filesReturn waits until each node has about as many files open as before: clients come and go.
func filesReturn(ctx context.Context, t *testing.T, c *Cluster, before []int) error {
	t.Helper()
	const clients = 32
	var now []int
	if err := poll(ctx, "the connections to end", func() (bool, error) {
		now = filesOf(t, c)
		for i := range now {
			if now[i] > before[i]+clients {
				return false, c.Crashed()
			}
		}
		return true, nil
	}); err != nil {
		return fmt.Errorf("%w: %v files are open, before the attacks %v", err, now, before)
	}
	return nil
}

func noPanic(t *testing.T, c *Cluster) {
	t.Helper()
	for _, path := range c.logs() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "panic") || strings.Contains(line, "goroutine ") {
				t.Errorf("%s: %s", filepath.Base(path), line)
			}
		}
		if len(text) > 1<<20 {
			t.Errorf("%s has %d KiB: whoever connects can fill the disk with words", filepath.Base(path), len(text)>>10)
		}
	}
}

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// newCramped makes a cluster of three real nodes, each of which keeps its data on a small disk of its own; nothing runs yet.
func newCramped(t *testing.T, args ...string) *Cluster {
	t.Helper()
	path := raftnode(t)
	leavesNothing(t)
	dir := t.TempDir()
	for i := range 3 {
		disk := filepath.Join(dir, fmt.Sprintf("n%d", i+1))
		if err := os.Mkdir(disk, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
			t.Skipf("no tmpfs may be mounted here, so no disk can be filled: root is needed: %v", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(disk, 0); err != nil {
				t.Error(err)
			}
		})
	}
	c, err := NewCluster(Config{Binary: path, Dir: dir, Args: args})
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

// fill leaves so many bytes of a node's disk.
func fill(t *testing.T, n *Node, leave int64) {
	t.Helper()
	var at syscall.Statfs_t
	if err := syscall.Statfs(n.DataDir, &at); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filler(n), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(make([]byte, max(0, int64(at.Bavail)*at.Bsize-leave)))
	if leave == 0 && errors.Is(err, syscall.ENOSPC) { // the node was faster, with the rest of it
		err = nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func filler(n *Node) string { return filepath.Join(n.DataDir, "filler") }

func free(t *testing.T, n *Node) {
	t.Helper()
	if err := os.Remove(filler(n)); err != nil {
		t.Fatal(err)
	}
}

// sees waits until the node's status is as it should be.
func sees(ctx context.Context, t *testing.T, c *Cluster, n *Node, what string, is func(api.Status) bool) {
	t.Helper()
	if err := poll(ctx, n.ID+" "+what, func() (bool, error) {
		status, err := c.Status(ctx, n)
		if err != nil {
			return false, c.Crashed()
		}
		return is(status), nil
	}); err != nil {
		t.Fatal(err)
	}
}

func isLow(s api.Status) bool    { return s.Disk.Low && s.Disk.ReserveBytes == 0 }
func hasSpace(s api.Status) bool { return !s.Disk.Low && s.Disk.ReserveBytes == 2<<20 }

// saysLow tells that a leader knows of these nodes, and of no others, that they are low.
func saysLow(nodes ...*Node) func(api.Status) bool {
	return func(s api.Status) bool {
		for _, m := range s.Members {
			if m.LowOnSpace != slices.ContainsFunc(nodes, func(n *Node) bool { return n.ID == m.ID }) {
				return false
			}
		}
		return s.Role == "leader"
	}
}

// refusesWrites checks that a write gets the error that says where to make room, through each node; and that reads go on, through each node.
func refusesWrites(ctx context.Context, t *testing.T, c *Cluster, low ...*Node) {
	t.Helper()
	for i, endpoint := range c.Endpoints() {
		one, err := client.New(client.Config{Endpoints: []string{endpoint}, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		_, err = one.Put(ctx, "refused", []byte("x"))
		if client.CodeOf(err) != api.CodeNoSpace || client.OutcomeOf(err) != api.Rejected {
			t.Errorf("through n%d a write gets %v", i+1, err)
			continue
		}
		for _, n := range low {
			if !strings.Contains(err.Error(), n.ID) || !strings.Contains(err.Error(), "Free space") {
				t.Errorf("%v should say where to make room", err)
			}
		}
		if got, err := one.Get(ctx, "before"); err != nil || string(got.Data) != "x" {
			t.Errorf("through n%d the key has %q, %v", i+1, got.Data, err)
		}
	}
}

// ready gives what /readyz?verbose says.
func ready(ctx context.Context, t *testing.T, c *Cluster, n *Node) string {
	t.Helper()
	resp, err := c.get(ctx, n, api.PathReady+"?verbose")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s is not ready: %s %s, %v", n.ID, resp.Status, text, err)
	}
	return string(text)
}

func other(c *Cluster, nodes ...*Node) *Node {
	i := slices.IndexFunc(c.Nodes(), func(n *Node) bool { return !slices.Contains(nodes, n) })
	return c.Nodes()[i]
}

// The disks of a cluster fill up, one after the other. The leader whose disk does hands over to one that has room, and writes go on. When no
// majority has room, writes are refused, with the places where to make some, and reads go on; also after a kill -9. When there is room, writes go on by themselves.
func TestDisksThatFillUp(t *testing.T) {
	c, ctx := newCramped(t, "--low-space", "4MiB", "--reserve", "2MiB"), bounded(t)
	start(ctx, t, c)
	put(ctx, t, c, "before", "x")
	first, before, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	sees(ctx, t, c, first, "to keep a reserve", hasSpace)

	fill(t, first, 1<<20)
	sees(ctx, t, c, first, "to notice", isLow)
	second, _, err := c.WaitLeader(ctx, before.Term)
	if err != nil || second == first {
		t.Fatalf("%s leads, %v, and its disk is nearly full", second.ID, err)
	}
	sees(ctx, t, c, first, "to shorten its log", func(s api.Status) bool { return s.SnapshotIndex > 0 })
	sees(ctx, t, c, second, "to know that "+first.ID+" has no room", saysLow(first))
	put(ctx, t, c, "with one full disk", "y")
	if text := ready(ctx, t, c, first); !strings.Contains(text, "low on disk space: takes no writes") {
		t.Errorf("%s says %q", first.ID, text)
	}
	if status, err := c.Status(ctx, first); err != nil || status.LastIndex >= mustStatus(ctx, t, c, second).LastIndex {
		t.Errorf("%s has entries up to %d, %v: it was to be spared", first.ID, status.LastIndex, err)
	}

	third := other(c, first, second)
	fill(t, second, 0)
	sees(ctx, t, c, second, "to notice", isLow)
	sees(ctx, t, c, third, "to lead, and to know who has no room", saysLow(first, second))
	refusesWrites(ctx, t, c, first, second)

	for _, n := range []*Node{first, second, third} { // while low, and with no room at all
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
		if n != third {
			sees(ctx, t, c, n, "to begin low", isLow)
		}
	}
	sees(ctx, t, c, third, "to lead again", saysLow(first, second))
	refusesWrites(ctx, t, c, first, second)

	free(t, second)
	put(ctx, t, c, "with room again", "z") // by itself, as soon as the node has noticed
	free(t, first)
	for _, n := range c.Nodes() {
		sees(ctx, t, c, n, "to have room", hasSpace)
	}
	for key, value := range map[string]string{"before": "x", "with one full disk": "y", "with room again": "z"} {
		mustHold(ctx, t, c, key, value)
	}
	if _, err := clientOf(t, c).Get(ctx, "refused"); client.CodeOf(err) != api.CodeNotFound {
		t.Errorf("what was refused is there: %v", err)
	}
}

func mustStatus(ctx context.Context, t *testing.T, c *Cluster, n *Node) api.Status {
	t.Helper()
	status, err := c.Status(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// Where nobody watches, the disk of the leader is full before it knows. It says what happened, in which file, and what to do, and ends; the others
// go on, and with room again it starts, and has what was acknowledged.
func TestDiskThatIsFull(t *testing.T) {
	c, ctx := newCramped(t, "--low-space", "0", "--reserve", "0"), bounded(t)
	start(ctx, t, c)
	put(ctx, t, c, "before", "x")
	leader, before, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, leader, 0)
	kv := clientOf(t, c)
	value := make([]byte, 2000)
	if err := poll(ctx, leader.ID+" to end", func() (bool, error) {
		if leader.Ended() != "" {
			return true, nil
		}
		_, err := kv.Put(ctx, "much", value)
		return false, err
	}); err != nil {
		t.Fatal(err)
	}
	if leader.Ended() != "exit status 1" {
		t.Errorf("it ended with %s", leader.Ended())
	}
	text, err := leader.Printed()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, want := range []string{
		"raftnode: must stop: ", leader.DataDir + "/0000", "no space left on device. Free space on the file system of " + leader.DataDir,
		"start the node again: nothing that was acknowledged is lost",
	} {
		if last := lines[len(lines)-1]; !strings.Contains(last, want) {
			t.Errorf("the last line is %q, want it to say %q", last, want)
		}
	}
	if err := leader.Kill(); err != nil { // it is gone, and may be started
		t.Fatal(err)
	}
	if _, _, err := c.WaitLeader(ctx, before.Term); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, "meanwhile", "y")
	free(t, leader)
	if err := c.Start(ctx, leader); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"before": "x", "meanwhile": "y", "much": string(value)} {
		mustHold(ctx, t, c, key, value)
	}
}

// A node that ended well while low is started on a disk with no room at all, not even for the file that says where it listens. It serves
// reads, says on stderr where, and writes the file when there is room.
func TestDiskThatIsFullAtTheStart(t *testing.T) {
	c, ctx := newCramped(t, "--low-space", "4MiB", "--reserve", "2MiB"), bounded(t)
	start(ctx, t, c)
	put(ctx, t, c, "before", "x")
	leader, _, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := other(c, leader)
	fill(t, n, 1<<20)
	sees(ctx, t, c, n, "to shorten its log", func(s api.Status) bool { return isLow(s) && s.SnapshotIndex > 0 }) // else it could make room later
	if err := n.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	fill(t, n, 0)

	published := make(chan error, 1)
	go func() { published <- n.Start(ctx) }() // until the file is there
	readsWithoutTheFile(ctx, t, n)
	select {
	case err := <-published:
		t.Fatalf("the file is there, on a full disk, or the node is gone: %v", err)
	default:
	}
	free(t, n)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	sees(ctx, t, c, n, "to have room", hasSpace)
	put(ctx, t, c, "after", "y")
}

// readsWithoutTheFile waits until a node says where it listens, tells the harness, and reads from it.
func readsWithoutTheFile(ctx context.Context, t *testing.T, n *Node) {
	t.Helper()
	said := regexp.MustCompile(`serving: clients=(\S+) peers=(\S+)`)
	if err := poll(ctx, n.ID+" to say where it listens", func() (bool, error) {
		text, _ := n.Printed() // an error: it is being started
		at := said.FindStringSubmatch(text)
		if at == nil {
			return false, n.crashed()
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.addrs = addresses{Client: at[1], Peer: at[2]}
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	at, _ := n.ClientAddr()
	kv, err := client.New(client.Config{Endpoints: []string{at}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	if got, err := kv.Get(ctx, "before"); err != nil || string(got.Data) != "x" {
		t.Errorf("on a full disk the key has %q, %v", got.Data, err)
	}
}

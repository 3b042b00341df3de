package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/client"
)

// settled waits until all of the cluster follow one leader in the same configuration, which is committed, and gives its index.
func settled(ctx context.Context, t *testing.T, c *Cluster) uint64 {
	t.Helper()
	var index uint64
	if err := poll(ctx, "all nodes to have the same configuration", func() (bool, error) {
		if _, err := c.WaitConverged(ctx); err != nil {
			return false, err
		}
		same := true
		for i, n := range c.Nodes() {
			status, err := c.Status(ctx, n)
			if err != nil {
				return false, err
			}
			if i == 0 {
				index = status.ConfigurationIndex
			}
			same = same && status.ConfigurationIndex == index && status.Commit >= index && !status.Joint
		}
		return same, nil
	}); err != nil {
		t.Fatal(err)
	}
	return index
}

// Who was removed is told so, whatever it claims short of a later configuration, and moves nothing. Who does claim one may be a leader that is not known yet:
// it comes in and unseats nobody, and goes when this node's configuration is as late.
func TestWhoIsNoMemberMovesNothing(t *testing.T) {
	c := newGrowing(t, 1, "--log-level", "debug")
	ctx := bounded(t)
	start(ctx, t, c)
	n1, n4 := c.Nodes()[0], c.Spares()[0]
	if err := c.Add(ctx, n4); err != nil {
		t.Fatal(err)
	}
	g := impostorOf(ctx, t, c, n4)
	was := settled(ctx, t, c)
	stranger := enter(t, n1, g, "n9", was+1)
	if err := c.Remove(ctx, n4); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stranger); err != nil {
		t.Errorf("the stranger's connection ended with %v", err)
	}
	now := settled(ctx, t, c)
	refused(ctx, t, n1, fmt.Sprintf(`): server "n9" is no member of the cluster: it is not in the configuration at index %d`, now))

	before := terms(ctx, t, c)
	unmoved := func(t *testing.T) {
		t.Helper()
		put(ctx, t, c, "behind", "what was sent") // so that it was looked at by then
		if _, err := c.WaitConverged(ctx); err != nil {
			t.Fatal(err)
		}
		for who, term := range terms(ctx, t, c) {
			if before[who] != term {
				t.Errorf("%s in term %d, before %v", who, term, before)
			}
		}
	}
	removed := fmt.Sprintf(`server "n4" was removed from the cluster: it is not in the configuration at index %d, which is committed (n1 n2 n3)`, now)
	if err := poll(ctx, "n4 to be no peer any more", func() (bool, error) { // it is for a moment, so that it hears of its removal
		return strings.Contains(sayTo(t, n1, "127.0.0.1", g.bytes()), removed), nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, membership := range map[string]string{
		"as of when it was a member": fmt.Sprint(was), "who knows that it was removed": fmt.Sprint(now), "a founder": "0", "who waits to be added": "waits", "who says nothing": "",
	} {
		for _, highest := range []byte{2, 3} {
			t.Run(fmt.Sprintf("%s, protocol %d", name, highest), func(t *testing.T) {
				g := g
				g.membership, g.highest = membership, highest
				if back := sayTo(t, n1, "127.0.0.1", append(g.bytes(), upheaval()...)); !strings.Contains(back, removed) {
					t.Errorf("it answers %q, want %q", back, removed)
				}
				unmoved(t)
			})
		}
	}
	for _, n := range c.Nodes() { // the leader and those who hear it
		for _, id := range []string{"n4", "n9"} {
			t.Run(fmt.Sprintf("%s comes to %s with a later configuration", id, n.ID), func(t *testing.T) {
				conn := enter(t, n, g, id, now+1)
				if _, err := conn.Write(upheaval()); err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, conn) // until it is closed for what is no message
				unmoved(t)
			})
		}
	}
}

// enter connects to a node as a server that is no member and claims to know a configuration, and is let in.
func enter(t *testing.T, n *Node, g greeting, id string, configuration uint64) net.Conn {
	t.Helper()
	g.sender, g.receiver, g.membership = id, n.ID, fmt.Sprint(configuration)
	address, _ := n.PeerAddr()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(g.bytes()); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, greetingHead)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	if head[8] != 1 {
		rest, _ := io.ReadAll(conn)
		t.Fatalf("%s does not let %s in: %q", n.ID, id, rest)
	}
	return conn
}

// A member that was cut off missed that two were added, all others it knew were removed, and one of them added again: it follows a leader that it does not know, and one
// that it knows as removed. It could not catch up without either.
func TestAMemberFollowsALeaderThatItDoesNotKnow(t *testing.T) {
	c := newGrowing(t, 2)
	ctx := bounded(t)
	start(ctx, t, c)
	n1, n2, n3 := c.everyone[0], c.everyone[1], c.everyone[2]
	n4, n5 := c.everyone[3], c.everyone[4]
	kv, err := client.New(client.Config{Endpoints: c.Endpoints()[1:], Timeout: patience}) // n1 will have no leader
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	write := func(key string) func() error {
		return func() error {
			_, err := kv.Put(ctx, key, []byte("x"))
			return err
		}
	}
	lead := func(n *Node) {
		t.Helper()
		if err := poll(ctx, n.ID+" to lead", func() (bool, error) {
			now, err := kv.TransferLeadership(ctx, n.ID)
			return err == nil && now.Leader == n.ID, c.Crashed()
		}); err != nil {
			t.Fatal(err)
		}
	}
	do := func(steps ...func() error) {
		t.Helper()
		for i, step := range steps {
			if err := step(); err != nil {
				t.Fatalf("step %d: %v%s", i, err, c.lastWords())
			}
		}
	}
	add := func(n *Node) func() error { return func() error { return c.Add(ctx, n) } }
	remove := func(n *Node) func() error { return func() error { return c.Remove(ctx, n) } }

	lead(n2)
	c.Isolate(n1)
	do(add(n4), add(n5), remove(n3), remove(n2), write("without n1")) // which knows n1, n2 and n3
	c.Heal()
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatalf("%v%s", err, c.lastWords())
	}

	lead(n5)
	do(remove(n4))
	settled(ctx, t, c) // n1 knows that n4 was removed
	do(add(n3))        // with its directory
	settled(ctx, t, c)
	c.Isolate(n1)
	do(add(n4))
	lead(n4)
	do(write("by n4"))
	before, err := c.Status(ctx, n4)
	if err != nil {
		t.Fatal(err)
	}
	c.Heal() // n4 alone can bring n1 the configuration with n4
	if _, err := c.WaitApplied(ctx, n1, before.LastIndex); err != nil {
		t.Fatalf("%v%s", err, c.lastWords())
	}
	if after, err := c.Status(ctx, n4); err != nil || after.Role != "leader" || after.Term != before.Term {
		t.Errorf("n4, leader of term %d, is %s of term %d, %v", before.Term, after.Role, after.Term, err)
	}
}

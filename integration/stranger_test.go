package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
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

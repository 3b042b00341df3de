package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wipe kills a node and takes its data directory away.
func wipe(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.DataDir); err != nil {
		t.Fatal(err)
	}
}

// refused waits until the node says that it is not let in, or lets another not in, because of this.
func refused(ctx context.Context, t *testing.T, n *Node, why string) {
	t.Helper()
	if err := poll(ctx, n.ID+" to be refused", func() (bool, error) {
		text, err := n.Printed()
		return strings.Contains(text, why), err
	}); err != nil {
		t.Fatal(err)
	}
}

// answers reads a key from whoever leads.
func answers(ctx context.Context, t *testing.T, c *Cluster, key, value string) {
	t.Helper()
	got, err := clientOf(t, c).Get(ctx, key)
	if err != nil || string(got.Data) != value {
		t.Fatalf("%q has %q, %v, want %q", key, got.Data, err, value)
	}
}

// A node that lost its data has forgotten its votes and what it acknowledged. With it, a node that was away could be
// elected, and what the two others had acknowledged would be gone. It is not let in; when the node returns that
// still knows, everything is there.
func TestNodeThatLostItsDataIsNotLetIn(t *testing.T) {
	c, ctx := startReal(t, 3)
	n1, n2, n3 := c.Nodes()[0], c.Nodes()[1], c.Nodes()[2]
	put(ctx, t, c, "before", "x") // all know each other by now
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n3.Kill(); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, "acknowledged", "by n1 and n2")
	if err := n1.Kill(); err != nil {
		t.Fatal(err)
	}
	wipe(t, n2)

	if err := c.Start(ctx, n3); err != nil {
		t.Fatal(err)
	}
	refuses(t, n2.Args(), 1, "its data directory was lost or exchanged")
	refused(ctx, t, n3, "its data directory was lost or exchanged")
	beginAnew(ctx, t, c, n2, n3) // as nobody should, and as a copy of another node's directory is
	if status, err := c.Status(ctx, n3); err != nil || status.Leader != "" {
		t.Fatalf("n3 has leader %q, %v: two nodes of which one knows nothing are no majority", status.Leader, err)
	}

	if err := c.Start(ctx, n1); err != nil {
		t.Fatal(err)
	}
	answers(ctx, t, c, "acknowledged", "by n1 and n2")
	if status, err := c.Status(ctx, n2); err != nil || status.LastIndex != 0 {
		t.Errorf("n2, which may not take part, has entries up to %d, %v", status.LastIndex, err)
	}
}

// beginAnew starts a node that was wiped with the cluster's id given, where nobody can tell it that it was known, and waits until it is not let in.
func beginAnew(ctx context.Context, t *testing.T, c *Cluster, wiped, other *Node) {
	t.Helper()
	status, err := c.Status(ctx, other)
	if err != nil {
		t.Fatal(err)
	}
	wiped.Configure("--cluster-id", status.Cluster)
	refuses(t, wiped.Args(), 1, "cannot start: "+other.ID+" (", "knows this node", "must not come back empty")
	c.Isolate(wiped)
	if err := c.Start(ctx, wiped); err != nil {
		t.Fatal(err)
	}
	c.Heal()
	refused(ctx, t, wiped, "its data directory was lost or exchanged")
	if status, err := c.Status(ctx, wiped); err != nil || status.Leader != "" {
		t.Fatalf("%s has leader %q, %v", wiped.ID, status.Leader, err)
	}
}

// Two of three lost their data. They could elect each other, and nobody would know any more what was acknowledged. The third knows them: neither starts.
func TestTwoNodesThatLostTheirDataDoNotBeginAnew(t *testing.T) {
	c, ctx := startReal(t, 3)
	n1, n2, n3 := c.Nodes()[0], c.Nodes()[1], c.Nodes()[2]
	put(ctx, t, c, "acknowledged", "by all")
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	knowStart(ctx, t, n3, `"n1"`)
	knowStart(ctx, t, n3, `"n2"`)
	wipe(t, n1)
	wipe(t, n2)
	status, err := c.Status(ctx, n3)
	if err != nil {
		t.Fatal(err)
	}
	given := []string{"--cluster-id", status.Cluster} // as it was founded, perhaps
	for _, n := range []*Node{n1, n2} {
		refuses(t, append(n.Args(), given...), 1, "cannot start: n3 (", "it must not come back empty")
		refuses(t, n.Args(), 1, "cannot start: n3 (", "it must not come back empty", "remove it from the cluster and add a node with a new id")
		if _, err := os.Stat(n.DataDir); !os.IsNotExist(err) {
			t.Errorf("%s made a data directory: %v", n.ID, err)
		}
	}
	if err := poll(ctx, "n3 to have no leader", func() (bool, error) {
		status, err := c.Status(ctx, n3)
		return status.Leader == "", err
	}); err != nil {
		t.Fatal(err)
	}
	kv := clientOf(t, c)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := kv.Put(short, "new", []byte("x")); err == nil {
		t.Error("a write was acknowledged by one of three")
	}
}

// The same with an older copy of its data that is put back: who knew the directory's later start does not let it in, however often
// it is started.
func TestNodeWhoseOldDataIsPutBackIsNotLetIn(t *testing.T) {
	c, ctx := startReal(t, 3)
	n1, n2, n3 := c.Nodes()[0], c.Nodes()[1], c.Nodes()[2]
	put(ctx, t, c, "before", "x")
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n2.Kill(); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "n2")
	if err := os.CopyFS(backup, os.DirFS(n2.DataDir)); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx, n2); err != nil {
		t.Fatal(err)
	}
	knowStart(ctx, t, n3, `"start": 2`)
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n3.Kill(); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, "acknowledged", "by n1 and n2")
	if err := n1.Kill(); err != nil {
		t.Fatal(err)
	}
	wipe(t, n2)
	if err := os.CopyFS(n2.DataDir, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}

	if err := c.Start(ctx, n3); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the copy's starts 2, which is another, to 4
		if err := c.Start(ctx, n2); err != nil {
			t.Fatal(err)
		}
		refused(ctx, t, n2, "this is an older copy that was put back")
		for _, n := range []*Node{n2, n3} {
			if status, err := c.Status(ctx, n); err != nil || status.Leader != "" {
				t.Fatalf("%s has leader %q, %v: two nodes of which one forgot are no majority", n.ID, status.Leader, err)
			}
		}
		if err := n2.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Start(ctx, n1); err != nil {
		t.Fatal(err)
	}
	answers(ctx, t, c, "acknowledged", "by n1 and n2")
}

// A node that could not start for a while, for whatever reason, and was started again and again meanwhile, is let in once it can.
func TestNodeThatWasStartedInVainIsLetIn(t *testing.T) {
	c, ctx := startReal(t, 3)
	n3 := c.Nodes()[2]
	put(ctx, t, c, "before", "x")
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	for _, other := range c.Nodes()[:2] {
		if err := poll(ctx, "n3 to remember that "+other.ID+" knows of its start", func() (bool, error) {
			text, err := os.ReadFile(filepath.Join(n3.DataDir, "incarnation"))
			return strings.Contains(string(text), `"`+other.ID+`"`), err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n3.Kill(); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, "without n3", "y")
	file := filepath.Join(n3.DataDir, "stores.json")
	good, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, good[1:], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 110 { // more than a start can show of those before
		if err := n3.Start(ctx); err == nil || !strings.Contains(err.Error(), "stores.json is damaged") {
			t.Fatalf("it must not start: %v", err)
		}
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx, n3); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
}

// knowStart waits until a node remembers such a start of another.
func knowStart(ctx context.Context, t *testing.T, n *Node, start string) {
	t.Helper()
	if err := poll(ctx, n.ID+" to remember "+start, func() (bool, error) {
		text, err := os.ReadFile(filepath.Join(n.DataDir, "stores.json"))
		return strings.Contains(string(text), start), err
	}); err != nil {
		t.Fatal(err)
	}
}

// Asked to stop, a leader hands over: the others have a leader in a term later by one, without an election timeout.
func TestLeaderThatIsAskedToStopHandsOver(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "v")
	leader, before, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	next, after, err := c.WaitLeader(ctx, before.Term)
	if err != nil || next == leader || after.Term != before.Term+1 {
		t.Fatalf("%s of term %d was followed by %s of term %d, %v", leader.ID, before.Term, next.ID, after.Term, err)
	}
	text, err := next.Printed()
	if err != nil || strings.Contains(text, "asks whether it would win term 3") {
		t.Errorf("%s waited for a timeout, %v:\n%s", next.ID, err, text)
	}
	answers(ctx, t, c, "k", "v")
}

// A node that was cut off comes back and disturbs nobody: the leader and its term stay.
func TestNodeThatReturnsUnseatsNobody(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "v")
	leader, before, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	var away *Node
	for _, n := range c.Nodes() {
		if n != leader {
			away = n
		}
	}
	c.Isolate(away)
	if err := poll(ctx, away.ID+" to miss its leader", func() (bool, error) {
		status, err := c.Status(ctx, away)
		return err == nil && status.Role == "pre-candidate", nil
	}); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, "k", "w")
	c.Heal()
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	if status, err := c.Status(ctx, leader); err != nil || status.Role != "leader" || status.Term != before.Term {
		t.Errorf("the leader of term %d is now %s of term %d, %v", before.Term, status.Role, status.Term, err)
	}
}

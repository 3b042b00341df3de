package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/rpc/certs"
)

// startTLS starts three nodes with TLS on all ports.
func startTLS(t *testing.T) (*Cluster, context.Context) {
	t.Helper()
	c := newCluster(t, Config{TLS: true})
	ctx := bounded(t)
	start(ctx, t, c)
	return c, ctx
}

// A leader is killed, with TLS everywhere, and what clients saw is judged.
func TestLeaderIsKilledWithTLS(t *testing.T) {
	path := raftnode(t)
	leavesNothing(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	report, err := Run(ctx, Options{Binary: path, Scenario: "kill-leader", Seed: seed(t), TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict.Result != Passed {
		t.Fatalf("seed %d: %v\n%s\nkept in %s", report.Seed, report.Verdict, report.Detail, report.Dir)
	}
}

// printed waits until every node has printed what the expression finds, so often.
func printed(ctx context.Context, t *testing.T, c *Cluster, expression string, times int) {
	t.Helper()
	found := regexp.MustCompile(expression)
	for _, n := range c.Nodes() {
		if err := poll(ctx, fmt.Sprintf("%s to say %q %d times", n.ID, expression, times), func() (bool, error) {
			text, err := n.Printed()
			return len(found.FindAllString(text, -1)) >= times, err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// exchange makes a new certificate for each node, and puts it in the place of the old one.
func exchange(t *testing.T, c *Cluster) {
	t.Helper()
	dir := c.secrets.dir
	for _, n := range c.Nodes() {
		f := certs.CertFiles(dir, n.ID)
		for _, name := range []string{f.Cert, f.Key} {
			if err := os.Rename(name, name+".old"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.secrets.authority.Node(n.ID, []string{"127.0.0.1"}, secretFor/2); err != nil {
			t.Fatal(err)
		}
	}
}

// Certificates are exchanged under load, and no link ends; broken ones change nothing; then a node that comes back must be let in with the new ones.
func TestCertificatesAreExchangedUnderLoad(t *testing.T) {
	c, ctx := startTLS(t)
	put(ctx, t, c, "before", "x")
	printed(ctx, t, c, `link up: n`, 2)
	h := NewHistory()
	load, err := StartWorkload(c, h, Load{}, seed(t))
	if err != nil {
		t.Fatal(err)
	}
	defer load.Stop()
	goOn := func() {
		t.Helper()
		from := h.Now()
		if err := poll(ctx, "writes to go on", func() (bool, error) { return h.Acknowledged(from) >= 100, c.Crashed() }); err != nil {
			t.Fatal(err)
		}
	}
	reload := func(said string, times int) {
		t.Helper()
		for _, n := range c.Nodes() {
			if err := n.Reload(); err != nil {
				t.Fatal(err)
			}
		}
		printed(ctx, t, c, said, times)
	}
	goOn()
	exchange(t, c)
	reload(`read again, for new connections`, 2) // of both ports
	for _, n := range c.Nodes() {
		if status, err := c.Status(ctx, n); err != nil || len(status.Certificates) != 2 || time.Until(status.Certificates[0].NotAfter) > secretFor/2 || status.Certificates[1].DaysLeft != 0 {
			t.Errorf("the status of %s tells of the certificates %+v, %v", n.ID, status.Certificates, err)
		}
	}
	goOn()
	for _, n := range c.Nodes() {
		if err := os.WriteFile(certs.CertFiles(c.secrets.dir, n.ID).Cert, []byte("broken\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reload(`cannot be taken: what was there before stays in use`, 2)
	goOn()
	for _, n := range c.Nodes() {
		if text, err := n.Printed(); err != nil || strings.Contains(text, "link down") || strings.Contains(text, "peer disconnected") {
			t.Errorf("%s: %v, a link ended:\n%s", n.ID, err, text)
		}
	}
	load.Stop()

	exchange(t, c)
	leader, _, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := leader.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitReady(ctx, leader); err != nil {
		t.Fatal(err)
	}
	answers(ctx, t, c, "before", "x")
}

// A node with the certificate of another authority comes to nothing, and disturbs nobody: terms stay.
func TestNodeOfAnotherAuthorityIsRefused(t *testing.T) {
	c, ctx := startTLS(t)
	put(ctx, t, c, "k", "v")
	leader, before, err := c.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n *Node
	for _, other := range c.Nodes() {
		if other != leader {
			n = other
		}
	}
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	foreign, err := newSecrets(filepath.Join(t.TempDir(), "foreign"), 3)
	if err != nil {
		t.Fatal(err)
	}
	ours := c.secrets
	c.secrets = foreign
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	c.secrets = ours
	refused(ctx, t, n, "was not signed by an authority that is trusted here")
	put(ctx, t, c, "k", "w")
	if status, err := c.Status(ctx, leader); err != nil || status.Role != "leader" || status.Term != before.Term {
		t.Errorf("the leader of term %d is now %s of term %d, %v", before.Term, status.Role, status.Term, err)
	}
}

// Clients without TLS, or without a certificate, are told so, and nothing is done.
func TestClientsThatAreNotKnownAreRefused(t *testing.T) {
	c, ctx := startTLS(t)
	addr, _ := c.Nodes()[0].ClientAddr()
	bare, err := certs.ClientConfig(certs.Files{CA: filepath.Join(c.secrets.dir, "ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]client.Config{
		"the server speaks TLS: use https:// there":     {},
		"the server wants a certificate of this client": {TLS: bare},
		"authority that is trusted here":                {Endpoints: []string{"https://" + addr}},
	} {
		if cfg.Endpoints == nil {
			cfg.Endpoints = []string{addr}
		}
		kv, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = kv.Put(ctx, "k", []byte("v"))
		kv.Close()
		if client.CodeOf(err) != api.CodeTLS || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

package integration

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/client"
)

// The tests that use this build raftnode, once, and run it. With INTEGRATION_RACE=1 in the environment, it is built with the
// race detector; with INTEGRATION_SEED, the faults are those of that seed.
func raftnode(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes")
	}
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildDir string // of raftnode, if a test has asked for it; TestMain removes it

var built = sync.OnceValues(func() (string, error) {
	var err error
	if buildDir, err = os.MkdirTemp("", "integration-"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return Build(ctx, buildDir, os.Getenv("INTEGRATION_RACE") != "")
})

func seed(t *testing.T) uint64 {
	t.Helper()
	if text := os.Getenv("INTEGRATION_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("INTEGRATION_SEED: %v", err)
		}
		return n
	}
	return 1 + rand.Uint64N(1_000_000)
}

// newReal makes a cluster of real nodes; nothing runs yet.
func newReal(t *testing.T, nodes int) *Cluster {
	t.Helper()
	path := raftnode(t)
	leavesNothing(t)
	c, err := NewCluster(Config{Binary: path, Nodes: nodes, Dir: t.TempDir()})
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

// startReal starts a cluster of real nodes and waits until all of them serve.
func startReal(t *testing.T, nodes int) (*Cluster, context.Context) {
	t.Helper()
	c, ctx := newReal(t, nodes), bounded(t)
	start(ctx, t, c)
	return c, ctx
}

func start(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		if err := c.WaitReady(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
}

// clientOf speaks to the whole cluster.
func clientOf(t *testing.T, c *Cluster) *client.Client {
	t.Helper()
	kv, err := c.client(client.Config{Endpoints: c.Endpoints(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kv.Close)
	return kv
}

func TestScenarios(t *testing.T) {
	for _, s := range Scenarios() {
		if s.Name == "demo" {
			continue // kill-leader with more words; `make demo` plays it
		}
		t.Run(s.Name, func(t *testing.T) {
			path := raftnode(t)
			leavesNothing(t)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			report, err := Run(ctx, Options{
				Binary: path, Scenario: s.Name, Seed: seed(t),
				Narrate: func(s Step) { t.Logf("%8.3f s  %s %s", s.At.Seconds(), s.What, s.Detail) },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("seed %d: %+v, %d operations on %d keys judged in %v", report.Seed, report.Tally, report.Ops, report.Keys, report.Checked)
			if report.Verdict.Result != Passed {
				t.Fatalf("verdict: %v\n%s\nkept in %s", report.Verdict, report.Detail, report.Dir)
			}
			if report.Dir != "" {
				t.Errorf("a run that passed left %s", report.Dir)
			}
		})
	}
}

func TestInterruptedRunIsUndecidedAndLeavesNothing(t *testing.T) {
	path := raftnode(t)
	leavesNothing(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	report, err := Run(ctx, Options{Binary: path, Scenario: "crashes", Seed: 1, Narrate: func(s Step) {
		if s.What == "killed" {
			cancel()
		}
	}})
	if err != nil || report.Verdict.String() != "UNKNOWN interrupted" {
		t.Fatalf("got %v, %v, want UNKNOWN interrupted", report.Verdict, err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

// A node that ends by itself has broken its promise, and what one needs to find out why is kept.
func TestNodeThatEndsByItselfFailsTheRun(t *testing.T) {
	leavesNothing(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(bounded(t), Options{
		Binary: self, Scenario: "kill-all", Seed: 1, Out: t.TempDir(), Load: Load{Limit: 200 * time.Millisecond},
	})
	if err != nil || report.Verdict.Result != Broken || !strings.Contains(report.Verdict.Reason, "exited: exit status 3: a write was too much for me") ||
		!strings.Contains(report.Detail, "the end of") || len(report.Files) != 4 {
		t.Fatalf("got %+v, %v", report, err)
	}
	for _, path := range report.Files {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("named and not there: %v", err)
		}
	}
}

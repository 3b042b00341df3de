package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
)

// clusterID is that of all clusters here: their directories are made by hand.
const clusterID = "scale"

// patience is how long a cluster may need until it serves.
const patience = 2 * time.Minute

// keepLog are the flags without which a long log would not stay one.
var keepLog = []string{"--snapshot-entries", "0", "--snapshot-bytes", "0"}

func nodeID(i int) string { return fmt.Sprintf("n%d", i+1) }

// cluster makes one of raftnode, of which nothing runs yet.
func (b *bench) cluster(ctx context.Context, nodes int, flags ...string) (*cluster.Cluster, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.work, "cluster-")
	if err != nil {
		return nil, err
	}
	return cluster.New(nodes, filepath.Join(b.work, "raftnode"), dir, func(c *cluster.Cluster, i int, dir string) []string {
		var members []string
		for j, addr := range c.Raft {
			members = append(members, nodeID(j)+"="+addr)
		}
		return append([]string{
			"serve", "--id", nodeID(i), "--data-dir", dir, "--cluster-id", clusterID, "--cluster", strings.Join(members, ","),
			"--listen-client", c.Client[i], "--log-level", "warn",
		}, flags...)
	})
}

// begin starts some of the nodes, and waits until one of them leads.
func begin(ctx context.Context, c *cluster.Cluster, nodes ...int) (leader int, err error) {
	for _, i := range nodes {
		if err := c.Run(i); err != nil {
			return 0, err
		}
	}
	return leads(ctx, c)
}

// leads waits until a node leads, and says which.
func leads(ctx context.Context, c *cluster.Cluster) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.Await(ctx, "a leader", func(ctx context.Context, i int) bool {
		status, err := statusOf(ctx, c.Client[i])
		return err == nil && status.Role == "leader"
	})
}

func statusOf(ctx context.Context, endpoint string) (api.Status, error) {
	cl, err := client.New(client.Config{Endpoints: []string{endpoint}, Timeout: time.Second})
	if err != nil {
		return api.Status{}, err
	}
	defer cl.Close()
	return cl.Status(ctx, endpoint)
}

// served gives how long after began each of the nodes first answered a linearizable read.
func served(ctx context.Context, c *cluster.Cluster, began time.Time, nodes ...int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type answer struct {
		after time.Duration
		err   error
	}
	answers := make(chan answer)
	for _, i := range nodes {
		go func() {
			err := answersReads(ctx, c.Client[i])
			answers <- answer{time.Since(began), err}
		}()
	}
	var after []time.Duration
	var errs error
	for range nodes {
		a := <-answers
		after, errs = append(after, a.after), errors.Join(errs, a.err)
	}
	return after, errors.Join(errs, c.Gone())
}

// answersReads asks one node until it answers. It is asked without a pause worth the name: what is measured is the node.
func answersReads(ctx context.Context, endpoint string) error {
	cl, err := client.New(client.Config{Endpoints: []string{endpoint}, Timeout: patience / 2, NoRetry: true})
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		_, err := cl.Get(ctx, key(0))
		if err == nil || client.CodeOf(err) == api.CodeNotFound {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer reads: %w", endpoint, err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// target puts the load on one node.
func target(endpoint string) (load.Target, func(), error) {
	cl, err := client.New(client.Config{Endpoints: []string{endpoint}})
	if err != nil {
		return nil, nil, err
	}
	return load.Store(cl), cl.Close, nil
}

// prefix begins all keys, of those that were prepared, too.
const prefix = "s/"

// key is the i-th, as package load names it.
func key(i int) string { return fmt.Sprintf("%s%0*d", prefix, load.KeyBytes-len(prefix), i) }

// config is the load that most studies have.
func (b *bench) config(keys, valueBytes int, reads float64) load.Config {
	return load.Config{
		InFlight: inFlight, Keys: keys, Prefix: prefix, ValueBytes: valueBytes, Reads: reads, Outcome: load.StoreOutcome,
		WarmUp: min(b.window/2, time.Second), Duration: b.window,
	}
}

// measure puts the leader under load, and gives what that costs.
func (b *bench) measure(ctx context.Context, c *cluster.Cluster, leader int, cfg load.Config) (map[string]float64, error) {
	to, hangUp, err := target(c.Client[leader])
	if err != nil {
		return nil, err
	}
	defer hangUp()
	return b.sample(ctx, c, leader, to, cfg)
}

// errEnough ends a load early: what was measured until then counts.
var errEnough = errors.New("enough")

func (b *bench) sample(ctx context.Context, c *cluster.Cluster, leader int, to load.Target, cfg load.Config) (map[string]float64, error) {
	before := term(ctx, c)
	sample, err := ground.Sample(ctx, c, leader, to, cfg, false)
	if err != nil {
		return nil, err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errEnough) {
		return nil, fmt.Errorf("the time is up: %w", cause)
	}
	b.others += sample.Cost.Others
	b.loaded += sample.Result.Took
	values := valuesOf(sample)
	if n := term(context.WithoutCancel(ctx), c) - before; n > 0 {
		values[elected.Title] = float64(n)
	}
	return values, nil
}

// term is the highest that a node is in: each election makes it grow.
func term(ctx context.Context, c *cluster.Cluster) (highest int64) {
	for _, endpoint := range c.Client {
		if status, err := statusOf(ctx, endpoint); err == nil {
			highest = max(highest, int64(status.Term))
		}
	}
	return highest
}

// valuesOf puts a sample into the columns of ofLoad.
func valuesOf(s report.Sample) map[string]float64 {
	values := map[string]float64{
		perSecond.Title: s.Result.PerSecond(), median.Title: milliseconds(s.Result.All.P50), p99.Title: milliseconds(s.Result.All.P99),
		longest.Title: milliseconds(s.Result.All.Max), resident.Title: mebibytes(s.Cost.LeaderRSS),
	}
	if s.Result.Done > 0 {
		values[cpu.Title] = s.Cost.CPU.Seconds() / float64(s.Result.Done) * 100_000
	}
	if n := s.Result.Failed(); n > 0 {
		values[failed.Title] = float64(n)
	}
	return values
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// row adds a row to the study, and says so.
func row(found *report.Study, r report.Row) {
	found.Rows = append(found.Rows, r)
	fmt.Fprintf(os.Stderr, "  %-14s %-10s", r.Series, r.Label)
	for _, c := range found.Columns {
		if v, ok := r.Values[c.Title]; ok {
			fmt.Fprintf(os.Stderr, "  %s %.4g", c.Title, v)
		}
	}
	fmt.Fprintln(os.Stderr, " ", r.Note)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
)

var snapshotTook = report.Column{Title: "snapshot", Unit: "s", Plot: true}

const (
	longSnapshot  = time.Minute
	keyValueBytes = 32
	// keyBytes is about what a key takes of a node's memory while it starts: the snapshot is in memory, the store, and garbage.
	keyBytes = 450
)

func growKeys(b *bench, ctx context.Context, found *report.Study) (errs error) {
	for _, n := range b.keys {
		if note := lacksMemory(int64(n) * keyBytes * 3); note != "" {
			row(found, report.Row{Series: "writes", At: float64(n), Label: count(n), Note: note})
			continue
		}
		if err := b.withKeys(ctx, n, found); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s keys: %w", count(n), err))
		}
	}
	return errs
}

func (b *bench) withKeys(ctx context.Context, n int, found *report.Study) (err error) {
	c, err := b.cluster(ctx, 3)
	if err != nil {
		return err
	}
	defer stop(c, &err)
	if err := prepareKeys(ctx, c, n, keyValueBytes); err != nil {
		return err
	}
	began := time.Now()
	leader, err := begin(ctx, c, 0, 1, 2)
	if err != nil {
		return err
	}
	after, err := served(ctx, c, began, leader)
	if err != nil {
		return err
	}
	add := func(series string, values map[string]float64) {
		row(found, report.Row{Series: series, At: float64(n), Label: count(n), Values: values})
	}
	for _, kind := range []struct {
		series string
		reads  float64
	}{{"writes", 0}, {"reads", 1}} {
		values, err := b.measure(ctx, c, leader, b.config(n, keyValueBytes, kind.reads))
		if err != nil {
			return err
		}
		if kind.reads == 0 {
			values[started.Title] = after[0].Seconds()
		}
		add(kind.series, values)
	}
	values, err := b.besideSnapshot(ctx, c, leader, n)
	if err != nil {
		return err
	}
	add("writes, snapshot", values)
	return nil
}

// prepareKeys gives three nodes a snapshot with so many keys, and nothing behind it.
func prepareKeys(ctx context.Context, c *cluster.Cluster, n, valueBytes int) error {
	h := newHistory(n, valueBytes)
	p := place{snapshot: consensus.Index(n), last: consensus.Index(n)}
	var err error
	if p.state, err = h.state(p.snapshot); err != nil {
		return err
	}
	return h.prepare(ctx, c, all(p, 3)...)
}

// besideSnapshot writes while the leader takes a snapshot, and for as long as a window at least.
func (b *bench) besideSnapshot(ctx context.Context, c *cluster.Cluster, leader, keys int) (map[string]float64, error) {
	cl, err := client.New(client.Config{Endpoints: []string{c.Client[leader]}, Timeout: longSnapshot})
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	to, hangUp, err := target(c.Client[leader])
	if err != nil {
		return nil, err
	}
	defer hangUp()
	loading, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	var took time.Duration
	done := make(chan error, 1)
	snapshot := func() {
		window := time.After(b.window)
		began := time.Now()
		_, err := cl.Snapshot(ctx, c.Client[leader])
		took = time.Since(began)
		<-window
		enough(errEnough)
		done <- err
	}
	cfg := b.config(keys, keyValueBytes, 0)
	cfg.WarmUp, cfg.Duration = 0, longSnapshot
	values, err := b.sample(loading, c, leader, ground.AtFirst(to, func() { go snapshot() }), cfg)
	if err != nil {
		return nil, err
	}
	if err := <-done; err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	values[snapshotTook.Title] = took.Seconds()
	return values, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

var (
	caughtUp   = report.Column{Title: "caught up after", Unit: "s"}
	caughtRate = report.Column{Title: "entries caught up", Unit: "1/s"}
)

const (
	hasEntries   = 10      // of the follower that is behind
	catchUpKeys  = 100_000 // of the snapshot
	longCatchUp  = time.Minute
	lookInterval = 5 * time.Millisecond
)

func catchUp(b *bench, ctx context.Context, found *report.Study) (errs error) {
	n := consensus.Index(b.behind)
	for _, way := range []struct {
		name  string
		flags []string
		front place
	}{
		{"by log", keepLog, place{last: n}},
		{"by snapshot", nil, place{snapshot: n, last: n}},
	} {
		if note := lacksMemory(int64(n) * entryBytes * 3); note != "" {
			row(found, report.Row{Series: way.name, At: float64(n), Label: count(int(n)), Note: note})
			continue
		}
		if err := b.catchUpBy(ctx, way.name, way.front, way.flags, found); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s: %w", way.name, err))
		}
	}
	return errs
}

func (b *bench) catchUpBy(ctx context.Context, name string, front place, flags []string, found *report.Study) (err error) {
	h := newHistory(catchUpKeys, logValueBytes)
	c, err := b.cluster(ctx, 3, flags...)
	if err != nil {
		return err
	}
	defer stop(c, &err)
	if front.snapshot > 0 {
		if front.state, err = h.state(front.snapshot); err != nil {
			return err
		}
	}
	if err := h.prepare(ctx, c, front, front, place{last: hasEntries}); err != nil {
		return err
	}
	leader, err := begin(ctx, c, 0, 1)
	if err != nil {
		return err
	}
	if _, err := served(ctx, c, time.Now(), leader); err != nil {
		return err
	}
	phase := func(what string, values map[string]float64) {
		row(found, report.Row{Series: name + ", " + what, At: float64(front.last), Label: count(int(front.last)), Values: values})
	}
	cfg := b.config(h.keys, logValueBytes, 0)
	values, err := b.measure(ctx, c, leader, cfg)
	if err != nil {
		return err
	}
	phase("before", values)
	if values, err = b.during(ctx, c, leader, h); err != nil {
		return err
	}
	phase("during", values)
	if values, err = b.measure(ctx, c, leader, cfg); err != nil {
		return err
	}
	phase("after", values)
	return nil
}

// during starts the third node under load, and ends the load when that node has caught up.
func (b *bench) during(ctx context.Context, c *cluster.Cluster, leader int, h history) (map[string]float64, error) {
	front, err := statusOf(ctx, c.Client[leader])
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.Run(2); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longCatchUp)
	defer cancel()
	loading, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	done := make(chan error, 1)
	var took time.Duration // once done has something
	go func() {
		err := applies(ctx, c.Client[2], front.Commit)
		took = time.Since(began)
		enough(errEnough)
		done <- err
	}()
	cfg := b.config(h.keys, logValueBytes, 0)
	cfg.WarmUp, cfg.Duration = 0, longCatchUp
	values, err := b.measure(loading, c, leader, cfg)
	if caught := <-done; caught != nil {
		return nil, caught
	}
	if err != nil {
		return nil, err
	}
	values[caughtUp.Title], values[caughtRate.Title] = took.Seconds(), float64(front.Commit-hasEntries)/took.Seconds()
	return values, nil
}

// applies waits until a node has applied an index.
func applies(ctx context.Context, endpoint string, index uint64) error {
	for {
		status, err := statusOf(ctx, endpoint)
		if err == nil && status.Applied >= index {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the follower did not catch up to %d: it is at %d: %w", index, status.Applied, ctx.Err())
		case <-time.After(lookInterval):
		}
	}
}

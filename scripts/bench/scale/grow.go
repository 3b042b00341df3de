package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

var megabytes = report.Column{Title: "volume", Unit: "MiB/s", Plot: true}

const (
	someKeys     = 10_000
	someBytes    = 128
	fillTries    = 3        // a write that is in doubt ends it
	valuesVolume = 64 << 20 // of all values together
)

// stop ends the cluster, and adds what went wrong to the error.
func stop(c *cluster.Cluster, err *error) { *err = errors.Join(*err, c.Stop()) }

// fresh starts a cluster and writes all keys.
func (b *bench) fresh(ctx context.Context, nodes int, cfg load.Config, flags ...string) (c *cluster.Cluster, leader int, err error) {
	if c, err = b.cluster(ctx, nodes, flags...); err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			stop(c, &err)
		}
	}()
	var numbers []int
	for i := range nodes {
		numbers = append(numbers, i)
	}
	if leader, err = begin(ctx, c, numbers...); err != nil {
		return nil, 0, err
	}
	to, hangUp, err := target(c.Client[leader])
	if err != nil {
		return nil, 0, err
	}
	defer hangUp()
	for range fillTries {
		if err = load.Fill(ctx, to, cfg); err == nil {
			break
		}
	}
	return c, leader, err
}

func growNodes(b *bench, ctx context.Context, found *report.Study) (errs error) {
	for _, n := range b.nodes {
		if err := b.withNodes(ctx, n, found); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%d nodes: %w", n, err))
		}
	}
	return errs
}

func (b *bench) withNodes(ctx context.Context, n int, found *report.Study) (err error) {
	cfg := b.config(someKeys, someBytes, 0)
	c, leader, err := b.fresh(ctx, n, cfg)
	if err != nil {
		return err
	}
	defer stop(c, &err)
	for _, series := range []string{"writes", "reads"} {
		values, err := b.measure(ctx, c, leader, cfg)
		if err != nil {
			return err
		}
		row(found, report.Row{Series: series, At: float64(n), Label: fmt.Sprint(n), Values: values})
		cfg.Reads = 1
	}
	return nil
}

func growValues(b *bench, ctx context.Context, found *report.Study) (errs error) {
	for _, size := range b.values {
		if err := b.withValues(ctx, size, found); err != nil {
			errs = errors.Join(errs, fmt.Errorf("values of %s: %w", byteCount(size), err))
		}
	}
	return errs
}

func (b *bench) withValues(ctx context.Context, size int, found *report.Study) (err error) {
	cfg := b.config(min(someKeys, valuesVolume/size), size, 0)
	c, leader, err := b.fresh(ctx, 3, cfg)
	if err != nil {
		return err
	}
	defer stop(c, &err)
	for _, series := range []string{"writes", "reads"} {
		values, err := b.measure(ctx, c, leader, cfg)
		if err != nil {
			return err
		}
		values[megabytes.Title] = values[perSecond.Title] * float64(size) / (1 << 20)
		row(found, report.Row{Series: series, At: float64(size), Label: byteCount(size), Values: values})
		cfg.Reads = 1
	}
	return nil
}

// byteCount names a size.
func byteCount(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

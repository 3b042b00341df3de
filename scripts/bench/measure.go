package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
)

// nodes is how many processes each cluster has.
const nodes = 3

// patience is how long a cluster may need to elect a leader.
const patience = 30 * time.Second

// maxRepeats bounds how often a sample is taken again because others used the machine.
const maxRepeats = 2

// all lets the peers take turns, in the opposite order in every other round.
func (b *bench) all(ctx context.Context) error {
	for round := range b.settings.rounds {
		order := slices.Clone(b.peers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, w := range b.report.Workloads {
			for _, p := range order {
				if err := b.block(ctx, w, p, round); err != nil {
					return err
				}
			}
		}
	}
	b.report.Took = time.Since(b.report.Began)
	b.report.Machine.LoadAfter = ground.LoadAverage()
	return nil
}

// block measures one peer under one workload, with a cluster of its own. What a peer cannot do is part of the report; the error is that of somebody who
// wants to stop.
func (b *bench) block(ctx context.Context, w report.Workload, p peer, round int) error {
	samples, err := b.levels(ctx, w, p, round)
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing was written")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: round %d, %s, %s failed: %v\n", round+1, w.Name, p.name, err)
		for _, level := range w.Levels[len(samples):] {
			samples = append(samples, report.Sample{Workload: w.Name, Peer: p.name, Level: level, Round: round, Failure: err.Error()})
		}
	}
	b.report.Samples = append(b.report.Samples, samples...)
	return nil
}

func (b *bench) levels(ctx context.Context, w report.Workload, p peer, round int) (samples []report.Sample, err error) {
	dir, err := os.MkdirTemp(b.work, p.name+"-")
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(nodes, filepath.Join(b.work, p.program), dir, p.command)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	for i, level := range w.Levels {
		cfg := load.Config{
			InFlight: level.InFlight, Rate: level.Rate, Reads: w.Reads, ValueBytes: w.ValueBytes, Keys: keys, Prefix: "bench/",
			WarmUp: b.settings.warmUp, Duration: b.settings.window, Outcome: error.Error,
		}
		sample, err := b.level(ctx, c, p, cfg, i == 0)
		if err != nil {
			return samples, err
		}
		sample.Workload, sample.Peer, sample.Level, sample.Round = w.Name, p.name, level, round
		samples = append(samples, sample)
		fmt.Fprintf(os.Stderr, "round %d  %-11s  %-14s  %7s: %8.0f/s  p50 %-9s p99 %-9s others %.2f\n", round+1, w.Name, p.name, level,
			sample.Result.PerSecond(), sample.Result.All.P50.Round(time.Microsecond), sample.Result.All.P99.Round(time.Microsecond), others(sample))
	}
	return samples, nil
}

func others(s report.Sample) float64 { return s.Cost.Others.Seconds() / s.Result.Took.Seconds() }

// level takes one sample. When others use the machine it takes another.
func (b *bench) level(ctx context.Context, c *cluster.Cluster, p peer, cfg load.Config, fill bool) (sample report.Sample, err error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leader, err := c.Await(waiting, "a leader", func(ctx context.Context, i int) bool { return p.leads(ctx, c, i) })
	if err != nil {
		return sample, err
	}
	target, hangUp, err := p.dial(ctx, c, leader)
	if err != nil {
		return sample, err
	}
	defer hangUp()
	if fill {
		if err := load.Fill(waiting, target, cfg); err != nil {
			return sample, err
		}
	}
	for repeats := 0; ; repeats++ {
		sample, err = ground.Sample(ctx, c, leader, target, cfg, b.report.Machine.NoSyncs == "")
		sample.Repeats = repeats
		if err != nil || repeats == maxRepeats || others(sample) <= b.settings.quiet {
			return sample, err
		}
	}
}

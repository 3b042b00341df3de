package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

// The columns of starts.
var (
	started     = report.Column{Title: "start", Unit: "s", Plot: true}
	startedAll  = report.Column{Title: "all start", Unit: "s"}
	back        = report.Column{Title: "one back", Unit: "s", Plot: true}
	startCPU    = report.Column{Title: "CPU to start", Unit: "s"}
	startMemory = report.Column{Title: "memory at start", Unit: "MiB", Plot: true}
)

const (
	logKeys       = 10_000
	logValueBytes = 128

	// entryBytes is about what an entry of the history takes of a node's memory while all garbage is still there: more than it needs, so that no machine swaps.
	entryBytes = 600
	// untilSnapshot is about how many such entries the 64 MiB hold that make a snapshot due: half of them lie behind the last one in the mean.
	untilSnapshot = 280_000
)

// The bar, and for how many entries it is.
const (
	barEntries = 1_000_000
	barStart   = 1.5 // seconds
)

func growLog(b *bench, ctx context.Context, found *report.Study) error {
	h := newHistory(logKeys, logValueBytes)
	var errs error
	for _, series := range []string{"snapshots", "log kept"} {
		for _, n := range b.entries {
			p, flags, need := place{last: consensus.Index(n)}, keepLog, int64(n)*entryBytes*3
			if series == "snapshots" {
				flags, need = nil, int64(min(n, untilSnapshot))*entryBytes*3
				p.snapshot = p.last - consensus.Index(min(n, untilSnapshot)/2)
			}
			r := report.Row{Series: series, At: float64(n), Label: count(n)}
			if r.Note = lacksMemory(need); r.Note == "" {
				var err error
				if r.Values, err = b.atLength(ctx, h, p, flags); err != nil {
					errs = errors.Join(errs, fmt.Errorf("%s, %s entries: %w", series, r.Label, err))
					r.Note = "failed"
				}
			}
			row(found, r)
		}
	}
	addStartBar(found)
	return errs
}

func addStartBar(found *report.Study) {
	for _, r := range found.Rows {
		if v, ok := r.Values[started.Title]; ok && r.Series == "log kept" && r.At == barEntries {
			found.Bars = append(found.Bars,
				report.AtMost("all three restart with 1 M entries: serving in under 1.5 s", v, barStart, "s"),
				report.AtMost("one restarts with 1 M entries: serving in under 1.5 s", r.Values[back.Title], barStart, "s"))
		}
	}
}

// lacksMemory says why something that needs so much memory is left out; "" if it fits.
func lacksMemory(need int64) string {
	free, err := cluster.FreeMemory()
	if err != nil || free >= need {
		return ""
	}
	return fmt.Sprintf("left out: it may need %.1f GiB, and %.1f GiB are free", float64(need)/(1<<30), float64(free)/(1<<30))
}

// atLength starts a cluster that has a log of that length, and measures it.
func (b *bench) atLength(ctx context.Context, h history, p place, flags []string) (values map[string]float64, err error) {
	c, err := b.cluster(ctx, 3, flags...)
	if err != nil {
		return nil, err
	}
	defer stop(c, &err)
	if p.snapshot > 0 {
		if p.state, err = h.state(p.snapshot); err != nil {
			return nil, err
		}
	}
	if err := h.prepare(ctx, c, all(p, 3)...); err != nil {
		return nil, err
	}
	starts, err := b.start(ctx, c)
	if err != nil {
		return nil, err
	}
	leader, err := leads(ctx, c)
	if err != nil {
		return nil, err
	}
	values, err = b.measure(ctx, c, leader, b.config(h.keys, logValueBytes, 0))
	if err != nil {
		return nil, err
	}
	for title, v := range starts {
		values[title] = v
	}
	return values, nil
}

// start starts all three, and then one of them again.
func (b *bench) start(ctx context.Context, c *cluster.Cluster) (map[string]float64, error) {
	began := time.Now()
	for i := range c.Raft {
		if err := c.Run(i); err != nil {
			return nil, err
		}
	}
	after, err := served(ctx, c, began, 0, 1, 2)
	if err != nil {
		return nil, err
	}
	usage, err := c.Usage(0, nil)
	if err != nil {
		return nil, err
	}
	leader, err := leads(ctx, c)
	if err != nil {
		return nil, err
	}
	follower := (leader + 1) % len(c.Raft)
	c.Kill(follower)
	began = time.Now()
	if err := c.Run(follower); err != nil {
		return nil, err
	}
	alone, err := served(ctx, c, began, follower)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		started.Title: slices.Min(after).Seconds(), startedAll.Title: slices.Max(after).Seconds(), back.Title: alone[0].Seconds(),
		startMemory.Title: mebibytes(usage.Resident) / float64(len(c.Raft)), startCPU.Title: usage.CPU.Seconds() / float64(len(c.Raft)),
	}, nil
}

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/raft/sim"
)

// shrinker looks for a smaller plan whose run breaks the same promise. Most of what a seed draws has nothing to do with
// what it finds.
type shrinker struct {
	best  *sim.Plan
	fails func(*sim.Plan) bool
	over  func() bool // there is no time left
	runs  int
}

// shrink gives the smallest plan that it finds in time, and says what it did.
func (o *simOptions) shrink(cmd *cobra.Command, t trial) (*sim.Plan, string) {
	ctx, cancel := context.WithTimeout(cmd.Context(), shrinkTime)
	defer cancel()
	began := time.Now()
	s := &shrinker{
		best: t.plan,
		fails: func(p *sim.Plan) bool {
			r := sim.Run(p, sim.RunOptions{System: o.system})
			return r.Failure != nil && r.Failure.Invariant == t.result.Failure.Invariant
		},
		over: func() bool { return ctx.Err() != nil },
	}
	s.run()
	if s.best == t.plan {
		return s.best, fmt.Sprintf("no smaller plan fails like that (%s in %v)", count(s.runs, "run"), ms(time.Since(began)))
	}
	return s.best, fmt.Sprintf("%s, once %s (%s in %v)", size(s.best), size(t.plan), count(s.runs, "run"), ms(time.Since(began)))
}

// run goes through all that can be left out until nothing more can.
func (s *shrinker) run() {
	for better := true; better && !s.over(); {
		better = s.actions()
		for _, smaller := range simpler {
			better = s.try(smaller) || better
		}
		better = s.numbers() || better
	}
}

// try runs the best plan with one change, and keeps it if it still fails. A change that changes nothing says false.
func (s *shrinker) try(change func(p *sim.Plan) bool) bool {
	p := *s.best
	p.Actions, p.Clocks = slices.Clone(p.Actions), slices.Clone(p.Clocks)
	if s.over() || !change(&p) {
		return false
	}
	s.runs++
	if !s.fails(&p) {
		return false
	}
	s.best = &p
	return true
}

// actions leaves out actions: half of them at a time, then a quarter, down to one by one.
func (s *shrinker) actions() (better bool) {
	for part := len(s.best.Actions); part > 0; part /= 2 {
		for at := 0; at < len(s.best.Actions); {
			without := func(p *sim.Plan) bool {
				p.Actions = slices.Delete(p.Actions, at, min(at+part, len(p.Actions)))
				return true
			}
			if s.try(without) {
				better = true
				continue
			}
			at += part
		}
	}
	return better
}

// numbers makes what there is many of fewer.
func (s *shrinker) numbers() (better bool) {
	for _, n := range []func(p *sim.Plan) *int{
		func(p *sim.Plan) *int { return &p.Servers },
		func(p *sim.Plan) *int { return &p.Clients.Number },
		func(p *sim.Plan) *int { return &p.Clients.Keys },
		func(p *sim.Plan) *int { return &p.Clients.ValueBytes },
	} {
		for s.try(func(p *sim.Plan) bool { return lower(n(p), 1+(*n(p)-1)/2) }) || s.try(func(p *sim.Plan) bool { return lower(n(p), max(1, *n(p)-1)) }) {
			better = true
		}
	}
	half := func(p *sim.Plan) bool {
		p.Duration /= 2
		return p.Duration > p.Raft.ElectionTimeout
	}
	for s.try(half) {
		better = true
	}
	return better
}

func lower[N int | time.Duration](n *N, to N) bool {
	if *n == to {
		return false
	}
	*n = to
	return true
}

// simpler are the changes that make a plan simpler to think about.
var simpler = []func(p *sim.Plan) bool{
	func(p *sim.Plan) bool { return lower(&p.Network.Duplicate, 0) },
	func(p *sim.Plan) bool { return lower(&p.Network.Spike, 0) },
	func(p *sim.Plan) bool { return lower(&p.Network.Loss, 0) },
	func(p *sim.Plan) bool { return lower(&p.Clients.Loss, 0) },
	func(p *sim.Plan) bool { return lower(&p.Clients.Reads, 0) },
	func(p *sim.Plan) bool { return lower(&p.Disk.Spike, 0) },
	func(p *sim.Plan) bool { return lower(&p.Disk.Delay, 0) },
	func(p *sim.Plan) bool { return lower(&p.Host.Batch, 0) },
	func(p *sim.Plan) bool { return lower(&p.Host.Apply, 0) },
	func(p *sim.Plan) bool { return lower(&p.Host.SnapshotDelay, 0) },
	func(p *sim.Plan) bool {
		// A log of bounded size that is never compacted fills up, and then there is another failure.
		return p.Raft.MaxLogBytes == 0 && lower(&p.Host.CompactEvery, 0)
	},
	func(p *sim.Plan) bool { return lower(&p.Raft.MaxBatchBytes, 0) },
	func(p *sim.Plan) bool { return lower(&p.Raft.MaxInflightMessages, 0) },
	func(p *sim.Plan) bool { return lower(&p.Raft.MaxInflightBytes, 0) },
	func(p *sim.Plan) bool { return lower(&p.Raft.MaxUncommittedBytes, 0) },
	func(p *sim.Plan) bool { return lower(&p.Raft.MaxChunkBytes, 0) },
	func(p *sim.Plan) bool {
		some := len(p.Clocks) > 0
		p.Clocks = nil
		return some
	},
}

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/raft/sim"
)

// tally is what many runs came to.
type tally struct {
	seeds, first uint64 // that were asked for
	workers      int
	done         int
	took         time.Duration
	virtual      time.Duration
	events       uint64
	completed    int
	unknown      int
	reached      sim.Coverage // seeds that saw each state
	times        sim.Coverage // and how often all of them did
	undecided    []uint64
	failed       *trial // the first
	interrupted  bool
}

func (t *tally) add(r trial) {
	t.done++
	t.virtual += r.result.Virtual
	t.events += r.result.Events
	t.completed += r.result.Completed
	t.unknown += r.result.Unknown
	t.times.Add(r.result.Coverage)
	for s, n := range r.result.Coverage {
		if n > 0 {
			t.reached[s]++
		}
	}
	switch {
	case r.result.Failure != nil:
		if t.failed == nil || r.plan.Seed < t.failed.plan.Seed {
			t.failed = &r
		}
	case r.result.Undecided:
		t.undecided = append(t.undecided, r.plan.Seed)
	}
}

// search runs many seeds until one fails, and says what came of it.
func (o *simOptions) search(cmd *cobra.Command) error {
	t := &tally{seeds: uint64(o.seeds), first: o.from, workers: min(o.workers, o.seeds)}
	began := time.Now()
	show := newProgress(cmd.ErrOrStderr())
	o.runAll(cmd.Context(), t, func() {
		t.took = time.Since(began)
		show.update(t)
	})
	t.took = time.Since(began)
	show.end()
	var found *finding
	if t.failed != nil {
		found = o.examine(cmd, *t.failed)
	}
	return o.report(cmd.OutOrStdout(), t, found)
}

// runAll gives the seeds to the workers. This goroutine alone has the tally; tick is called now and then.
func (o *simOptions) runAll(ctx context.Context, t *tally, tick func()) {
	results := make(chan trial)
	var next atomic.Uint64
	var stop atomic.Bool
	var workers sync.WaitGroup
	for range t.workers {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < t.seeds && !stop.Load(); i = next.Add(1) - 1 {
				results <- o.try(sim.Draw(t.first+i), nil)
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	interrupted := ctx.Done()
	for {
		select {
		case r, more := <-results:
			if !more {
				t.interrupted = ctx.Err() != nil && uint64(t.done) < t.seeds
				return
			}
			t.add(r)
			if r.result.Failure != nil {
				stop.Store(true)
			}
		case <-ticker.C:
			tick()
		case <-interrupted:
			stop.Store(true)
			interrupted = nil // those under way end by themselves
		}
	}
}

// verdict is the last line, and its exit code.
func (t *tally) verdict() (text string, code int) {
	switch {
	case t.failed != nil:
		f := t.failed.result.Failure
		return fmt.Sprintf("FAIL seed %d: %s is violated", f.Seed, f.Invariant), exitBroken
	case t.interrupted:
		return fmt.Sprintf("UNKNOWN interrupted after %d of %d seeds, none of which failed", t.done, t.seeds), exitUndecided
	case len(t.undecided) > 0:
		return fmt.Sprintf("UNKNOWN the histories of %d seeds could not be judged in time, such as seed %d", len(t.undecided), t.undecided[0]), exitUndecided
	}
	return "PASS", exitPass
}

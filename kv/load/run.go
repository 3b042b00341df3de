package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Run puts the target under load. When ctx ends it stops, and gives what was measured until then. Its error is a mistake in the
// configuration; what failed at the target is counted.
func Run(ctx context.Context, target Target, cfg Config) (Result, error) {
	if err := cfg.complete(); err != nil {
		return Result{}, err
	}
	r := newRun(ctx, target, cfg, newMix(cfg))
	defer r.cancel()
	began := time.Now()
	r.record.open(began.Add(cfg.WarmUp), began.Add(cfg.WarmUp+cfg.Duration))
	if cfg.Rate > 0 {
		if cfg.sleep == nil {
			sleep, err := newSleeper()
			if err != nil {
				return Result{}, fmt.Errorf("load: a timer for the rate: %w", err)
			}
			defer sleep.close()
			r.cfg.sleep = sleep
		}
		r.paced.Go(func() { r.pace(began) })
	} else {
		r.fill(cfg.InFlight)
	}
	r.wait(ctx, began)
	r.record.shut(time.Now())
	r.over.Store(true)
	r.paced.Wait()
	r.drain()
	return r.record.result(cfg), nil
}

// Fill writes every key once, so that reads find something. It stops at the first error.
func Fill(ctx context.Context, target Target, cfg Config) error {
	return everyKey(ctx, target, cfg, Put, "fill")
}

// Clear deletes every key. It stops at the first error.
func Clear(ctx context.Context, target Target, cfg Config) error {
	return everyKey(ctx, target, cfg, Delete, "clear")
}

// everyKey holds 256 operations in flight: enough for what is batched anywhere.
func everyKey(ctx context.Context, target Target, cfg Config, kind Kind, what string) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	r := newRun(ctx, target, cfg, &each{cfg: cfg, kind: kind, values: newValues(cfg.ValueBytes)})
	defer r.cancel()
	r.stopAtError = true
	r.fill(min(256, cfg.Keys))
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	r.inFlight.Wait()
	if err := r.firstError(); err != nil {
		return fmt.Errorf("load: %s the keys: %w", what, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("load: %s the keys: %w", what, err)
	}
	return nil
}

// run is one run.
type run struct {
	cfg    Config
	target Target
	source source
	record record

	ctx    context.Context // of the operations; it outlives the window, so that what was begun can end
	cancel context.CancelFunc
	over   atomic.Bool // nothing is begun any more

	inFlight sync.WaitGroup // slots with an operation
	paced    sync.WaitGroup // the goroutine of the rate

	stopAtError bool
	failure     atomic.Pointer[error]
}

func newRun(ctx context.Context, target Target, cfg Config, source source) *run {
	r := &run{cfg: cfg, target: target, source: source}
	r.record.outcome = cfg.Outcome
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return r
}

// wait lets the window pass.
func (r *run) wait(ctx context.Context, began time.Time) {
	end := time.NewTimer(r.cfg.WarmUp + r.cfg.Duration)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-end.C:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			if r.cfg.Progress != nil {
				r.cfg.Progress(r.record.progress(time.Since(began)))
			}
		}
	}
}

// drain waits for the answers to what was begun.
func (r *run) drain() {
	late := time.AfterFunc(drainTime, r.cancel)
	defer late.Stop()
	r.inFlight.Wait()
}

// fill begins n operations, each of which begins the next when it is answered.
func (r *run) fill(n int) {
	for range n {
		s := &slot{run: r}
		s.answered = s.done
		r.inFlight.Add(1)
		s.next()
	}
}

// slot is one place for an operation in flight.
type slot struct {
	run      *run
	op       Op
	due      time.Time
	answered func(error) // done, made once
}

func (s *slot) next() {
	op, ok := s.run.source.next()
	if !ok || s.run.over.Load() {
		s.run.inFlight.Done()
		return
	}
	s.op, s.due = op, time.Now()
	s.run.target.Start(s.run.ctx, op, s.answered)
}

// done counts the answer. An error that comes at once would make the loop a race of errors, hence the pause.
func (s *slot) done(err error) {
	s.run.record.add(s.op.Kind, s.due, time.Now(), err)
	switch {
	case err == nil || s.run.over.Load() && !s.run.stopAtError:
		s.next()
	case s.run.stopAtError:
		s.run.failure.CompareAndSwap(nil, &err)
		s.run.over.Store(true)
		s.run.inFlight.Done()
	default:
		time.AfterFunc(errorPause, s.next)
	}
}

func (r *run) firstError() error {
	if err := r.failure.Load(); err != nil {
		return *err
	}
	return nil
}

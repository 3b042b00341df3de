package load

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// after answers each operation after as long as latency says.
func after(latency func(Op) time.Duration) Target {
	return Blocking(func(_ context.Context, op Op) error {
		time.Sleep(latency(op))
		return nil
	})
}

func mustRun(t *testing.T, target Target, cfg Config) Result {
	t.Helper()
	cfg.sleep = goSleeper{} // the clock of the bubble
	result, err := Run(t.Context(), target, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// about tells whether a duration is what it should be, to the three digits of the histogram.
func about(got, want time.Duration) bool {
	return math.Abs(float64(got-want)) <= float64(want)/900
}

func TestClosedLoopOfKnownLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := mustRun(t, after(func(Op) time.Duration { return 4 * time.Millisecond }),
			Config{InFlight: 8, WarmUp: time.Second, Duration: 2 * time.Second})
		if result.Took != 2*time.Second || result.Done != 8*500 || result.PerSecond() != 2000 {
			t.Errorf("in %v %d were done, %v a second; want 4000 in 2 s", result.Took, result.Done, result.PerSecond())
		}
		all := result.All
		if !about(all.P50, 4*time.Millisecond) || !about(all.P999, 4*time.Millisecond) || !about(all.Max, 4*time.Millisecond) || all != result.Puts {
			t.Errorf("latency %+v, want 4 ms everywhere", all)
		}
	})
}

func TestPercentiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var n int
		// One at a time: of 1000 in turn, operation i takes i microseconds.
		result := mustRun(t, after(func(Op) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			n = n%1000 + 1
			return time.Duration(n) * time.Microsecond
		}), Config{InFlight: 1, Duration: 20 * 500500 * time.Microsecond})
		want := Latency{
			Count: 20_000, Mean: 500500 * time.Nanosecond, P50: 500 * time.Microsecond, P90: 900 * time.Microsecond,
			P99: 990 * time.Microsecond, P999: 999 * time.Microsecond, Max: time.Millisecond,
		}
		got := result.All
		for _, pair := range [][2]time.Duration{{got.Mean, want.Mean}, {got.P50, want.P50}, {got.P90, want.P90}, {got.P99, want.P99}, {got.P999, want.P999}, {got.Max, want.Max}} {
			if !about(pair[0], pair[1]) {
				t.Errorf("latency %+v, want %+v", got, want)
				break
			}
		}
		if got.Count != want.Count {
			t.Errorf("%d were counted, want %d", got.Count, want.Count)
		}
	})
}

// stalls answers in a millisecond, but stands still from one moment to another.
func stalls(from, until time.Duration) Target {
	began := time.Now()
	return after(func(Op) time.Duration {
		if at := time.Since(began); at >= from && at < until {
			return until - at + time.Millisecond
		}
		return time.Millisecond
	})
}

// A store stands still for one second of ten. Of the operations that are due, one in ten waits, half a second in the mean: an open
// loop must say so. A closed one sees 4 that waited, of 36,000.
func TestAStallShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := mustRun(t, stalls(5*time.Second, 6*time.Second), Config{Rate: 1000, Duration: 10 * time.Second})
		if result.Done != 9999 || result.All.Count != 10_000 { // the last one is answered behind the window
			t.Errorf("%d done, %d measured; want 9999 and 10000", result.Done, result.All.Count)
		}
		if !about(result.All.P50, time.Millisecond) || !about(result.All.P90, time.Millisecond) ||
			!about(result.All.P99, 901*time.Millisecond) || !about(result.All.Max, 1001*time.Millisecond) {
			t.Errorf("open loop: %+v", result.All)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		result := mustRun(t, stalls(5*time.Second, 6*time.Second), Config{InFlight: 4, Duration: 10 * time.Second})
		if !about(result.All.P999, time.Millisecond) || !about(result.All.Max, 1001*time.Millisecond) {
			t.Errorf("closed loop: %+v", result.All)
		}
	})
}

// With no room for more in flight operations are begun late, but their time runs from when they were due.
func TestAStallShowsThoughOperationsAreBegunLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := mustRun(t, stalls(5*time.Second, 6*time.Second), Config{Rate: 1000, InFlight: 10, Duration: 10 * time.Second})
		if result.All.Count != 10_000 || result.NeverBegun != 0 || result.All.P99 < 800*time.Millisecond {
			t.Errorf("%d never begun, %+v", result.NeverBegun, result.All)
		}
	})
}

// And if it lasts to the end, those that were never begun count as well.
func TestAStallWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := mustRun(t, stalls(5*time.Second, 15*time.Second), Config{Rate: 1000, InFlight: 10, Duration: 10 * time.Second})
		if result.All.Count != 10_000 || result.NeverBegun != 4990 || !about(result.All.P90, 4*time.Second) {
			t.Errorf("%d never begun, %+v; want 4990, and half of all waiting", result.NeverBegun, result.All)
		}
		if result.Done != 5000 {
			t.Errorf("%d done, want those of the first half", result.Done)
		}
	})
}

func TestAnInterruptedRunGivesWhatWasMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		var ticks int
		result, err := Run(ctx, after(func(Op) time.Duration { return 10 * time.Millisecond }),
			Config{InFlight: 1, WarmUp: time.Second, Duration: time.Hour, Progress: func(p Progress) {
				if ticks++; p.Elapsed != time.Duration(ticks)*time.Second || p.Done < int64(ticks)*100-1 {
					t.Errorf("progress %d is %+v", ticks, p)
				}
			}})
		if err != nil || result.Took != 2500*time.Millisecond || result.Done < 249 || result.Done > 251 || ticks != 3 {
			t.Errorf("%v, in %v %d done, %d ticks; want about 250 in 2.5 s, and 3", err, result.Took, result.Done, ticks)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		result, err := Run(ctx, after(func(Op) time.Duration { return time.Millisecond }), Config{WarmUp: 2 * time.Second, Duration: time.Hour})
		if err != nil || result.Took != 0 || result.PerSecond() != 0 || result.All.Count != 0 {
			t.Errorf("interrupted in the warm-up: %v, %+v", err, result)
		}
	})
}

// What does not answer at all is given up in the end: every operation is answered before Run returns.
func TestATargetThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := Blocking(func(ctx context.Context, _ Op) error {
			<-ctx.Done()
			return ctx.Err()
		})
		began := time.Now()
		result := mustRun(t, silent, Config{InFlight: 3, Duration: time.Second, Outcome: func(error) string { return "unknown" }})
		if time.Since(began) != time.Second+drainTime || result.Done != 0 || !maps.Equal(result.Errors, map[string]int64{"unknown": 3}) || result.Failed() != 3 {
			t.Errorf("after %v: %+v", time.Since(began), result)
		}
	})
}

func TestErrorsAreCountedByOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := Blocking(func(_ context.Context, op Op) error {
			if op.Kind == Get {
				return errors.New("no")
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		result := mustRun(t, target, Config{InFlight: 1, Reads: 0.5, Duration: 10 * time.Second, Outcome: error.Error})
		puts, fails := result.Done, result.Errors["no"]
		// Half and half, 1 ms the one, and a pause of 10 ms behind the other.
		if puts < 800 || puts > 1020 || fails < 800 || fails > 1020 || result.Gets.Count != 0 || result.Puts.Count < puts {
			t.Errorf("%d puts, %d failed: %+v", puts, fails, result)
		}
	})
}

func TestKeysAndValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[Kind]map[string]int{Put: {}, Get: {}, Delete: {}}
		target := Blocking(func(_ context.Context, op Op) error {
			mu.Lock()
			seen[op.Kind][op.Key]++
			mu.Unlock()
			if len(op.Key) != KeyBytes || !strings.HasPrefix(op.Key, "p/") || op.Kind == Put && len(op.Value) != 128 {
				t.Errorf("%+v", op)
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		cfg := Config{Prefix: "p/", Keys: 1000, ValueBytes: 128, Reads: 0.25, InFlight: 10, Duration: 10 * time.Second}
		if err := Fill(t.Context(), target, cfg); err != nil {
			t.Fatal(err)
		}
		if len(seen[Put]) != 1000 || seen[Put]["p/00000000000007"] != 1 || len(seen[Get]) != 0 {
			t.Errorf("filled %d keys", len(seen[Put]))
		}
		result := mustRun(t, target, cfg)
		share := float64(result.Gets.Count) / float64(result.All.Count)
		if share < 0.24 || share > 0.26 || result.Gets.Count+result.Puts.Count != result.All.Count || len(seen[Get]) != 1000 {
			t.Errorf("%.3f of %d are reads, of %d keys", share, result.All.Count, len(seen[Get]))
		}
		if err := Clear(t.Context(), target, cfg); err != nil || len(seen[Delete]) != 1000 {
			t.Errorf("%v, cleared %d keys", err, len(seen[Delete]))
		}
	})
}

func TestFillStopsAtTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Keys: 1000, Duration: 1}
		no := errors.New("no room")
		err := Fill(t.Context(), Blocking(func(context.Context, Op) error { return no }), cfg)
		if !errors.Is(err, no) || !strings.Contains(err.Error(), "load: fill the keys: ") {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = Fill(ctx, Blocking(func(ctx context.Context, _ Op) error { <-ctx.Done(); return ctx.Err() }), cfg)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestMistakesInTheConfiguration(t *testing.T) {
	for says, cfg := range map[string]Config{
		"duration 0s is not above 0":        {},
		"share of reads 1.5 is not from 0":  {Reads: 1.5, Duration: 1},
		"share of reads NaN is not from 0":  {Reads: math.NaN(), Duration: 1},
		"rate -1 is not from 0":             {Rate: -1, Duration: 1},
		"values of -1 bytes are not from 0": {ValueBytes: -1, Duration: 1},
		"values of 1048577 bytes":           {ValueBytes: MaxValueBytes + 1, Duration: 1},
		"70000 operations in flight":        {InFlight: 70000, Duration: 1},
		"-1 keys are not from 1":            {Keys: -1, Duration: 1},
		"warm-up -1s is below 0":            {WarmUp: -time.Second, Duration: 1},
		"a key has 16 bytes, and 10000 key": {Prefix: "a long prefix", Duration: 1},
	} {
		_, err := Run(t.Context(), nil, cfg)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", cfg, err, says)
		}
		if Fill(t.Context(), nil, cfg) == nil {
			t.Errorf("%+v: Fill takes it", cfg)
		}
	}
}

// The timer that real runs have: it is never early by more than the clock's resolution, and a target that answers at once is not given the
// millisecond that timers of the runtime may be late.
func TestTheRealTimer(t *testing.T) {
	result, err := Run(t.Context(), Blocking(func(context.Context, Op) error { return nil }), Config{Rate: 200, Duration: 250 * time.Millisecond})
	if err != nil || result.All.Count != 50 || result.NeverBegun != 0 {
		t.Errorf("%v, %+v", err, result)
	}
}

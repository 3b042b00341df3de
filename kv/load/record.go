package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is the distribution of how long operations took.
type Latency struct {
	Count int64         `json:"count"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Result is what was measured.
type Result struct {
	Config Config        `json:"config"`
	Took   time.Duration `json:"took_ns"` // the window: Config.Duration, or less if the run was interrupted
	// Done counts the operations that were answered without an error within the window.
	Done int64 `json:"done"`
	// Puts and Gets are of the operations that were due in the window and were answered without an error; All is of these
	// and of those that were never begun.
	All  Latency `json:"all"`
	Puts Latency `json:"puts"`
	Gets Latency `json:"gets"`
	// Errors counts operations due in the window that failed, by outcome.
	Errors map[string]int64 `json:"errors,omitempty"`
	// NeverBegun counts operations of an open loop that were due in the window, and for which there was no room.
	NeverBegun int64 `json:"never_begun,omitempty"`
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.Done) / r.Took.Seconds()
}

// Failed is how many operations failed.
func (r Result) Failed() (n int64) {
	for _, count := range r.Errors {
		n += count
	}
	return n
}

const longestLatency = 10 * time.Minute

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(longestLatency), 3)
}

// record counts. Its mutex is a leaf.
type record struct {
	outcome func(error) string

	mu          sync.Mutex
	from, until time.Time // the window; both zero: nothing is counted
	puts, gets  *hdrhistogram.Histogram
	done        int64
	errors      map[string]int64
	never       *hdrhistogram.Histogram // those that were due and not begun

	everDone, everFailed int64 // the warm-up with it
}

func (r *record) open(from, until time.Time) {
	r.from, r.until = from, until
	r.puts, r.gets, r.never, r.errors = newHistogram(), newHistogram(), newHistogram(), map[string]int64{}
}

// shut ends the window, if it has not ended yet.
func (r *record) shut(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.until) {
		r.until = now
	}
}

func (r *record) within(t time.Time) bool { return !t.Before(r.from) && t.Before(r.until) }

func (r *record) add(kind Kind, due, now time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.everFailed++
		if r.within(due) {
			r.errors[r.outcome(err)]++
		}
		return
	}
	r.everDone++
	if r.within(now) {
		r.done++
	}
	if !r.within(due) {
		return
	}
	if kind == Get {
		keep(r.gets, now.Sub(due))
	} else {
		keep(r.puts, now.Sub(due))
	}
}

func keep(h *hdrhistogram.Histogram, latency time.Duration) {
	_ = h.RecordValue(int64(min(latency, longestLatency))) // it fits
}

// missed counts the operations that were due from first on until the window was shut, and were not begun.
func (r *record) missed(first time.Time, interval time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for due := first; due.Before(r.until); due = due.Add(max(interval, 1)) {
		if r.within(due) {
			keep(r.never, r.until.Sub(due))
		}
	}
}

func (r *record) progress(elapsed time.Duration) Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Progress{Elapsed: elapsed, Done: r.everDone, Failed: r.everFailed}
}

func (r *record) result(cfg Config) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := Result{
		Config: cfg, Took: max(r.until.Sub(r.from), 0), Done: r.done, Errors: r.errors, NeverBegun: r.never.TotalCount(),
		Puts: distribution(r.puts), Gets: distribution(r.gets),
	}
	r.puts.Merge(r.gets) // nothing is dropped: they have one shape
	r.puts.Merge(r.never)
	result.All = distribution(r.puts)
	return result
}

func distribution(h *hdrhistogram.Histogram) Latency {
	at := func(percentile float64) time.Duration { return time.Duration(h.ValueAtPercentile(percentile)) }
	return Latency{
		Count: h.TotalCount(), Mean: time.Duration(h.Mean()), Max: time.Duration(h.Max()),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
	}
}

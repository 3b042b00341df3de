package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
)

// Report is all of a benchmark: what the JSON file holds.
type Report struct {
	Command   string        `json:"command"`
	Began     time.Time     `json:"began"`
	Took      time.Duration `json:"took_ns"`
	Rounds    int           `json:"rounds"`
	WarmUp    time.Duration `json:"warm_up_ns"`
	Window    time.Duration `json:"window_ns"`
	Quiet     float64       `json:"quiet"` // cores that others may take before a sample is measured again
	Machine   Machine       `json:"machine"`
	Peers     []Peer        `json:"peers"` // the first is ours
	Workloads []Workload    `json:"workloads"`
	Samples   []Sample      `json:"samples"`
}

// Machine is where it ran.
type Machine struct {
	CPU        string            `json:"cpu"`
	Cores      int               `json:"cores"`
	Memory     int64             `json:"memory_bytes"`
	Kernel     string            `json:"kernel"`
	Go         string            `json:"go"`
	Disk       cluster.DiskFacts `json:"disk"`
	LoadBefore string            `json:"load_before"` // averages of 1, 5 and 15 minutes
	LoadAfter  string            `json:"load_after"`
	NoSyncs    string            `json:"no_syncs,omitempty"` // why syncs are not counted
}

// Peer is one of those that are compared.
type Peer struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Ours     bool   `json:"ours,omitempty"` // the others are compared with it
	Version  string `json:"version"`
	Settings string `json:"settings"`
}

// Workload is what is asked of each.
type Workload struct {
	Name       string  `json:"name"`
	Title      string  `json:"title"`
	Reads      float64 `json:"reads"`
	ValueBytes int     `json:"value_bytes"`
	Levels     []Level `json:"levels"`
}

// Open tells whether the workload comes at a rate.
func (w Workload) Open() bool { return w.Levels[0].Rate > 0 }

// Level is how much is asked: so many in flight, or at that rate.
type Level struct {
	InFlight int     `json:"in_flight,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
}

// String names the level.
func (l Level) String() string {
	if l.Rate > 0 {
		return thousands(l.Rate) + "/s"
	}
	return fmt.Sprint(l.InFlight)
}

// X is the level on the axis.
func (l Level) X() float64 { return cmp.Or(l.Rate, float64(l.InFlight)) }

// Sample is one measurement.
type Sample struct {
	Workload string      `json:"workload"`
	Peer     string      `json:"peer"`
	Level    Level       `json:"level"`
	Round    int         `json:"round"`
	Repeats  int         `json:"repeats,omitempty"` // how often it was thrown away before, because others used the machine
	Result   load.Result `json:"result"`
	Cost     Cost        `json:"cost"`
	Failure  string      `json:"failure,omitempty"` // there is no result
}

// Cost is what the peer's processes took in the window.
type Cost struct {
	CPU        time.Duration `json:"cpu_ns"`
	LeaderCPU  time.Duration `json:"leader_cpu_ns"`
	Generator  time.Duration `json:"generator_cpu_ns"`
	Others     time.Duration `json:"others_cpu_ns"` // what the rest of the machine did
	DiskBytes  int64         `json:"disk_bytes"`
	WriteCalls int64         `json:"write_calls"`
	Syncs      int64         `json:"syncs"`
	Resident   int64         `json:"resident_bytes"` // at the end
	LeaderRSS  int64         `json:"leader_resident_bytes"`
}

// Cell is what the rounds of one level made.
type Cell struct {
	Rounds     int
	PerSecond  Spread
	P50        Spread // all in milliseconds
	P99        Spread
	P999       Spread
	CPU        Spread // seconds per 100,000 operations, of all three processes
	Generator  Spread // likewise, of the generator and the peer's client in it
	DiskBytes  Spread // per operation, of all three
	Syncs      Spread // likewise
	Resident   Spread // MiB, of all three
	Failed     int64
	NeverBegun int64
	Others     float64 // cores that others used, in the worst round
	Failure    string
}

// Spread is a median, and what lies around it.
type Spread struct{ Median, Min, Max float64 }

// Half is half the distance between the extremes, as a share of the median.
func (s Spread) Half() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.Max - s.Min) / 2 / s.Median
}

func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// Cell puts the rounds together.
func (r *Report) Cell(workload, peer string, level Level) Cell {
	var c Cell
	collected := map[*Spread][]float64{}
	put := func(to *Spread, value float64) { collected[to] = append(collected[to], value) }
	for _, s := range r.Samples {
		if s.Workload != workload || s.Peer != peer || s.Level != level {
			continue
		}
		if s.Failure != "" {
			c.Failure = s.Failure
			continue
		}
		c.Rounds++
		c.Failed += s.Result.Failed()
		c.NeverBegun += s.Result.NeverBegun
		c.Others = max(c.Others, s.Cost.Others.Seconds()/s.Result.Took.Seconds())
		put(&c.PerSecond, s.Result.PerSecond())
		put(&c.P50, milliseconds(s.Result.All.P50))
		put(&c.P99, milliseconds(s.Result.All.P99))
		put(&c.P999, milliseconds(s.Result.All.P999))
		put(&c.Resident, float64(s.Cost.Resident)/(1<<20))
		if done := float64(s.Result.Done); done > 0 {
			put(&c.CPU, s.Cost.CPU.Seconds()/done*100_000)
			put(&c.Generator, s.Cost.Generator.Seconds()/done*100_000)
			put(&c.DiskBytes, float64(s.Cost.DiskBytes)/done)
			put(&c.Syncs, float64(s.Cost.Syncs)/done)
		}
	}
	for to, values := range collected {
		*to = spread(values)
	}
	return c
}

// Ratio compares a peer with one of ours, round by round: our throughput over the peer's or, of an open loop, the peer's p99 over ours. Above 1
// ours is better.
func (r *Report) Ratio(workload string, level Level, ours, peer string) Spread {
	var ratios []float64
	for _, s := range r.Samples {
		if s.Workload != workload || s.Level != level || s.Peer != peer {
			continue
		}
		our, ok := r.sample(workload, level, ours, s.Round)
		if !ok {
			continue
		}
		a, b := our.Result.PerSecond(), s.Result.PerSecond()
		if level.Rate > 0 {
			a, b = float64(s.Result.All.P99), float64(our.Result.All.P99)
		}
		if a > 0 && b > 0 {
			ratios = append(ratios, a/b)
		}
	}
	return spread(ratios)
}

func (r *Report) sample(workload string, level Level, peer string, round int) (Sample, bool) {
	for _, s := range r.Samples {
		if s.Workload == workload && s.Level == level && s.Peer == peer && s.Round == round {
			return s, s.Failure == ""
		}
	}
	return Sample{}, false
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftnode/raft/scripts/bench/report"
)

// keys is how many there are. All exist before the load begins.
const keys = 5000

func inFlight(levels ...int) (all []report.Level) {
	for _, n := range levels {
		all = append(all, report.Level{InFlight: n})
	}
	return all
}

func rates(levels ...float64) (all []report.Level) {
	for _, rate := range levels {
		all = append(all, report.Level{Rate: rate})
	}
	return all
}

func allWorkloads() []report.Workload {
	levels := inFlight(1, 16, 64, 256, 1024)
	return []report.Workload{
		{Name: "writes-128", Title: "Writes of 128 bytes", ValueBytes: 128, Levels: slices.Clone(levels)},
		{Name: "writes-4096", Title: "Writes of 4 KiB", ValueBytes: 4096, Levels: slices.Clone(levels)},
		{Name: "reads-128", Title: "Linearizable reads of 128 bytes", Reads: 1, ValueBytes: 128, Levels: slices.Clone(levels)},
		{Name: "mix-128", Title: "Half writes, half linearizable reads, of 128 bytes", Reads: 0.5, ValueBytes: 128, Levels: slices.Clone(levels)},
		{Name: "reads-4096", Title: "Linearizable reads of 4 KiB", Reads: 1, ValueBytes: 4096, Levels: inFlight(1, 64, 1024)},
		{Name: "mix-4096", Title: "Half writes, half linearizable reads, of 4 KiB", Reads: 0.5, ValueBytes: 4096, Levels: inFlight(1, 64, 1024)},
		{Name: "rate-128", Title: "Writes of 128 bytes at a fixed rate", ValueBytes: 128, Levels: rates(500, 1000, 2000)},
	}
}

func workloadName(w report.Workload) string { return w.Name }

func workloadNames() (names []string) {
	for _, w := range allWorkloads() {
		names = append(names, w.Name)
	}
	return names
}

// chooseWorkloads takes some of them, with other levels if some are given.
func chooseWorkloads(list, levels string) ([]report.Workload, error) {
	chosen, err := chooseFrom("workload", list, allWorkloads(), workloadName)
	if err != nil || levels == "" {
		return chosen, err
	}
	var others []int
	for field := range strings.SplitSeq(levels, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-in-flight %s: %q is not a number above 0", levels, field)
		}
		others = append(others, n)
	}
	for i, w := range chosen {
		if !w.Open() {
			chosen[i].Levels = inFlight(others...)
		}
	}
	return chosen, nil
}

// clusters is how many are started.
func (b *bench) clusters() int { return b.settings.rounds * len(b.report.Workloads) * len(b.peers) }

// estimate is how long it takes if nothing is measured twice.
func (b *bench) estimate() time.Duration {
	const each = 3500 * time.Millisecond // to start a cluster, elect, write all keys and stop
	levels := 0
	for _, w := range b.report.Workloads {
		levels += len(w.Levels)
	}
	samples := time.Duration(b.settings.rounds * len(b.peers) * levels)
	return time.Duration(b.clusters())*each + samples*(b.settings.warmUp+b.settings.window)
}

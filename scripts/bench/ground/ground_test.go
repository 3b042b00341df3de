package ground

import (
	"context"
	"testing"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

func TestCommand(t *testing.T) {
	if got := Command("bench-x", nil); got != "make bench-x" {
		t.Error(got)
	}
	if got := Command("bench-x", []string{"-a", "1", "-b", "so; so"}); got != `make bench-x BENCHFLAGS='-a 1 -b "so; so"'` {
		t.Error(got)
	}
}

func TestCost(t *testing.T) {
	before := snapshot{usage: cluster.Usage{CPU: 1, LeaderCPU: 1, DiskBytes: 10, WriteCalls: 1, Syncs: 2, Machine: 100}, generator: 5}
	after := snapshot{usage: cluster.Usage{CPU: 11, LeaderCPU: 4, DiskBytes: 30, WriteCalls: 5, Syncs: 9, Machine: 130, Resident: 7, LeaderRSS: 3}, generator: 9}
	want := report.Cost{CPU: 10, LeaderCPU: 3, Generator: 4, Others: 16, DiskBytes: 20, WriteCalls: 4, Syncs: 7, Resident: 7, LeaderRSS: 3}
	if got := cost(before, after); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What happens at the first operation happens once, before it.
func TestAtFirst(t *testing.T) {
	firsts, ops := 0, 0
	target := AtFirst(starter(func() {
		if ops++; firsts != 1 {
			t.Errorf("operation %d began after %d calls", ops, firsts)
		}
	}), func() { firsts++ })
	for range 3 {
		target.Start(t.Context(), load.Op{}, nil)
	}
	if ops != 3 {
		t.Error(ops)
	}
}

type starter func()

func (s starter) Start(context.Context, load.Op, func(error)) { s() }

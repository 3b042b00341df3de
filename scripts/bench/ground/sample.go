package ground

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

// snapshot is what was spent up to a moment.
type snapshot struct {
	usage     cluster.Usage
	generator time.Duration
	err       error
}

// Sample runs the load, and looks at the processes at both ends of the window, which ends early with ctx. Leader is the number of the process whose share is told apart.
func Sample(ctx context.Context, c *cluster.Cluster, leader int, target load.Target, cfg load.Config, countSyncs bool) (report.Sample, error) {
	var syncs *cluster.SyncCounter
	if countSyncs {
		var err error
		if syncs, err = c.CountSyncs(); err != nil {
			return report.Sample{}, err
		}
		defer func() { _ = syncs.Close() }()
	}
	began := make(chan struct{})
	look := func(at time.Duration) <-chan snapshot {
		seen := make(chan snapshot, 1)
		go func() {
			select {
			case <-began:
			case <-ctx.Done(): // so does the load
			}
			select {
			case <-time.After(at):
			case <-ctx.Done():
			}
			usage, err := c.Usage(leader, syncs)
			seen <- snapshot{usage, ownCPU(), err}
		}()
		return seen
	}
	target = AtFirst(target, func() { close(began) })
	from, until := look(cfg.WarmUp), look(cfg.WarmUp+cfg.Duration)
	result, err := load.Run(ctx, target, cfg)
	if err != nil {
		return report.Sample{}, err
	}
	before, after := <-from, <-until
	if err := errors.Join(before.err, after.err, c.Gone()); err != nil {
		return report.Sample{}, err
	}
	return report.Sample{Result: result, Cost: cost(before, after)}, nil
}

// AtFirst calls f once, when the first operation begins: a load of many keys takes a while to be made.
func AtFirst(target load.Target, f func()) load.Target { return &atFirst{Target: target, f: f} }

type atFirst struct {
	load.Target
	once sync.Once
	f    func()
}

// Start begins the operation.
func (a *atFirst) Start(ctx context.Context, op load.Op, done func(error)) {
	a.once.Do(a.f)
	a.Target.Start(ctx, op, done)
}

func cost(before, after snapshot) report.Cost {
	a, b := before.usage, after.usage
	cost := report.Cost{
		CPU: b.CPU - a.CPU, LeaderCPU: b.LeaderCPU - a.LeaderCPU, Generator: after.generator - before.generator,
		DiskBytes: b.DiskBytes - a.DiskBytes, WriteCalls: b.WriteCalls - a.WriteCalls, Syncs: b.Syncs - a.Syncs,
		Resident: b.Resident, LeaderRSS: b.LeaderRSS,
	}
	cost.Others = max(0, b.Machine-a.Machine-cost.CPU-cost.Generator)
	return cost
}

// ownCPU is what this process, the generator, has spent.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

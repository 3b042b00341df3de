package sim

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Search runs the plans of so many seeds, from first on, several at a time, each on a goroutine of its own. It calls done for each
// as it ends, one at a time but in no certain order, until done says false.
func Search(first uint64, seeds int, options RunOptions, done func(plan *Plan, r Result) bool) {
	var next atomic.Uint64
	var mutex sync.Mutex
	var stop bool
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), seeds) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < uint64(seeds); i = next.Add(1) - 1 {
				plan := Draw(first + i)
				if options.Adjust != nil {
					options.Adjust(plan)
				}
				r := Run(plan, options)
				mutex.Lock()
				stop = stop || !done(plan, r)
				over := stop
				mutex.Unlock()
				if over {
					return
				}
			}
		})
	}
	workers.Wait()
}

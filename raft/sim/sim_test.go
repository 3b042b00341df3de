package sim

import (
	"flag"
	"testing"
)

var (
	seeds   = flag.Int("seeds", 1200, "how many seeds TestSeeds tries")
	from    = flag.Uint64("from", 1, "the first of them")
	oneSeed = flag.Uint64("seed", 0, "run only this seed, and tell all of it")
	hunt    = flag.Int("hunt", 2000, "how many seeds TestHunt tries until it finds something")
)

func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		plan := Draw(*oneSeed)
		r := Run(plan, RunOptions{Trace: func(n Note) { t.Logf("%v n%d %s", n.At, n.Server+1, n.Text) }})
		t.Logf("%+v", r)
		return
	}
	var cover Coverage
	Search(*from, *seeds, RunOptions{}, func(plan *Plan, r Result) bool {
		cover.Add(r.Coverage)
		if r.Failure != nil {
			t.Errorf("%v", r.Failure)
		}
		if r.Undecided {
			t.Errorf("seed %d undecided", plan.Seed)
		}
		return true
	})
	for i, n := range cover {
		t.Logf("%s: %d", State(i), n)
	}
}

// TestHunt stops at the first thing that it finds. It is what mutants of the algorithm are hunted with.
func TestHunt(t *testing.T) {
	tried := 0
	Search(*from, *hunt, RunOptions{}, func(_ *Plan, r Result) bool {
		tried++
		if r.Failure != nil {
			t.Errorf("found with %d seeds: %v", tried, r.Failure)
		}
		return r.Failure == nil
	})
}

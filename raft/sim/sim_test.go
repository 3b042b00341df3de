package sim

import (
	"flag"
	"testing"
)

var (
	seeds   = flag.Int("seeds", 200, "how many seeds TestSeeds tries")
	from    = flag.Uint64("from", 1, "the first of them")
	oneSeed = flag.Uint64("seed", 0, "run only this seed, and tell all of it")
)

func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		plan := Draw(*oneSeed)
		r := Run(plan, RunOptions{Trace: func(n Note) { t.Logf("%v n%d %s", n.At, n.Server+1, n.Text) }})
		t.Logf("%+v", r)
		return
	}
	var cover Coverage
	for seed := *from; seed < *from+uint64(*seeds); seed++ {
		r := Run(Draw(seed), RunOptions{})
		cover.Add(r.Coverage)
		if r.Failure != nil {
			t.Errorf("%v", r.Failure)
		}
		if r.Undecided {
			t.Logf("seed %d undecided", seed)
		}
	}
	for i, n := range cover {
		t.Logf("%s: %d", State(i), n)
	}
}

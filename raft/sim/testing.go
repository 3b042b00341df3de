package sim

import (
	"fmt"
	"io"
)

// TB is what Test needs of a testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// Options of Test. The zero value runs some seeds with the key/value store.
type Options struct {
	Seeds  int           // how many; default 100
	First  uint64        // the first of them; default 1
	System System        // what is tested; default: the key/value store
	Adjust func(p *Plan) // changes each plan after it was drawn; nil: none does
	Trace  io.Writer     // with one seed: where its timeline goes; nil: nowhere
	Shrink int           // of the first failure: how many runs may go into making its plan smaller; default 300, -1: none
}

// Test runs seeds and reports what it finds with t.Errorf: the seed, the invariant, the facts that contradict each other, a smaller
// plan, and how to see it again.
func Test(t TB, o Options) {
	t.Helper()
	if o.Seeds == 0 {
		o.Seeds = 100
	}
	if o.First == 0 {
		o.First = 1
	}
	if o.Shrink == 0 {
		o.Shrink = 300
	}
	options := RunOptions{System: o.System, Adjust: o.Adjust}
	lines := &Timeline{}
	if o.Trace != nil && o.Seeds == 1 {
		options.Trace = lines.Note
		defer func() {
			if err := lines.Draw(o.Trace); err != nil {
				t.Errorf("the timeline is not complete: %v", err)
			}
		}()
	}
	failures := 0
	Search(o.First, o.Seeds, options, func(plan *Plan, r Result) bool {
		t.Helper()
		if r.Undecided {
			t.Errorf("seed %d: whether its history is linearizable could not be decided in time; give it fewer clients or more keys", plan.Seed)
		}
		if r.Failure == nil {
			return true
		}
		failures++
		t.Errorf("%v\nto see it: sim.Test(t, sim.Options{First: %d, Seeds: 1, Trace: os.Stdout, ...})", r.Failure, plan.Seed)
		if o.Shrink > 0 {
			t.Logf("%s", describeShrunk(Shrink(plan, options, o.Shrink)))
			o.Shrink = -1
		}
		return failures < 5
	})
}

func describeShrunk(plan *Plan, r Result) string {
	return fmt.Sprintf("a smaller plan for testdata, which fails like this: %v\n%s", r.Failure, plan.Encode())
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/raft/sim"
)

// shrinkTime is about how long a smaller plan is looked for. Runs get shorter as plans do.
const shrinkTime = 20 * time.Second

// finding is a promise that was found broken, and what to do about it.
type finding struct {
	Seed      uint64 `json:"seed"`
	Invariant string `json:"invariant"`
	Fact      string `json:"fact"`
	But       string `json:"but"`
	At        string `json:"at"`
	Event     uint64 `json:"event"`
	Replay    string `json:"replay"`
	Shrunk    string `json:"shrunk,omitempty"`
	File      string `json:"plan_file,omitempty"`
	Again     string `json:"replay_plan,omitempty"`
	Keep      string `json:"keep,omitempty"`
}

// newFinding says what the run itself says.
func (o *simOptions) newFinding(t trial) *finding {
	f := t.result.Failure
	return &finding{
		Seed: f.Seed, Invariant: f.Invariant, Fact: f.Fact, But: f.Versus, At: f.At.String(), Event: f.Event,
		Replay: fmt.Sprintf("raftdrill sim%s --seed %d --trace", o.flags(f.Invariant), f.Seed),
	}
}

// flags are those that a replay needs, too.
func (o *simOptions) flags(invariant string) string {
	text := ""
	if o.kv {
		text += " --kv"
	}
	if invariant == determinism {
		text += " --twice"
	}
	return text
}

// examine looks for a smaller plan that fails in the same way, and saves what it has.
func (o *simOptions) examine(cmd *cobra.Command, t trial) *finding {
	found := o.newFinding(t)
	plan := t.plan
	if !o.noShrink && found.Invariant != determinism {
		fmt.Fprintf(cmd.ErrOrStderr(), "seed %d fails; looking for a smaller plan that fails in the same way, for about %v at most\n", found.Seed, shrinkTime)
		plan, found.Shrunk = o.shrink(t)
	}
	path := filepath.Join(o.out, fmt.Sprintf("seed-%d.json", found.Seed))
	err := os.MkdirAll(o.out, 0o750)
	if err == nil {
		err = os.WriteFile(path, plan.Encode(), 0o600)
	}
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "raftdrill: the plan was not saved: %v\n", err)
		return found
	}
	where, test := "raft/sim", "./raft/sim"
	if o.kv {
		where, test = "kv/kvsim", "./kv/kvsim"
	}
	found.File = path
	found.Again = fmt.Sprintf("raftdrill sim%s --plan %s --trace", o.flags(found.Invariant), path)
	found.Keep = fmt.Sprintf("mv %s %s/testdata/plans/   # and `go test %s` replays it for ever", path, where, test)
	return found
}

// shrink says what became of the plan.
func (o *simOptions) shrink(t trial) (plan *sim.Plan, said string) {
	began := time.Now()
	runs := min(max(int(shrinkTime/max(t.took, time.Millisecond)), 20), 300)
	plan, _ = sim.Shrink(t.plan, sim.RunOptions{System: o.system}, runs)
	took := ms(time.Since(began))
	if bytes.Equal(plan.Encode(), t.plan.Encode()) {
		return plan, fmt.Sprintf("no smaller plan that fails like that was found in %v", took)
	}
	return plan, fmt.Sprintf("%s; it was %s (%v)", size(plan), size(t.plan), took)
}

func (f *finding) print(out io.Writer, style style) {
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "  %-10s %s\n", name, text)
		}
	}
	fmt.Fprintf(out, "%s\n", style.red(fmt.Sprintf("seed %d breaks a promise: %s", f.Seed, f.Invariant)))
	row("fact", f.Fact)
	row("but", f.But)
	row("when", fmt.Sprintf("after %s of simulated time, at event %d", f.At, f.Event))
	row("again", f.Replay)
	row("smaller", f.Shrunk)
	row("plan", f.File)
	row("again", f.Again)
	row("keep it", f.Keep)
}

// size says how much there is in a plan.
func size(p *sim.Plan) string {
	return list(count(len(p.Actions), "action"), count(p.Servers, "server"), count(p.Clients.Number, "client"), ms(p.Duration).String())
}

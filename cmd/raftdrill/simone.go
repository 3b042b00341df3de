package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/integration"
	"github.com/raftnode/raft/raft/sim"
)

// runOne runs one plan and tells all of it.
func (o *simOptions) runOne(cmd *cobra.Command) error {
	plan := sim.Draw(o.seed)
	if o.plan != "" {
		var err error
		if plan, err = load(o.plan); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	style := styleFor(out)
	lines := &sim.Timeline{Width: o.width, Color: bool(style), Messages: o.messages}
	var trace func(sim.Note)
	if o.trace {
		trace = lines.Note
	}
	ran := o.try(plan, trace)
	t := &tally{seeds: 1, first: plan.Seed, workers: 1, took: ran.took}
	t.add(ran)
	var found *finding
	switch {
	case ran.result.Failure == nil:
	case o.plan == "":
		found = o.examine(cmd, ran)
	default:
		found = o.newFinding(ran)
		found.Replay = fmt.Sprintf("raftdrill sim%s --plan %s --trace", o.flags(found.Invariant), o.plan)
	}
	verdict, code := t.verdict()
	if o.format == "json" {
		result := searchJSON(t, found, verdict)
		result.Hash = fmt.Sprintf("%016x", ran.result.Hash)
		return printJSON(out, result, code)
	}
	fmt.Fprintf(out, "%s\n\n", style.bold(fmt.Sprintf("seed %d", plan.Seed)))
	if !o.trace {
		printPlan(out, style, plan)
	} else if err := lines.Draw(out); err != nil {
		return runError{err}
	}
	o.printResult(out, &ran)
	if found != nil {
		fmt.Fprintln(out)
		found.print(out, style)
	}
	return printVerdict(out, style, verdict, code)
}

// printResult says what became of one run.
func (o *simOptions) printResult(out io.Writer, t *trial) {
	r := &t.result
	fmt.Fprintf(out, "\nsimulated   %v in %v: %s events\n", r.Virtual.Round(time.Millisecond), ms(t.took), integration.Thousands(int(r.Events)))
	fmt.Fprintf(out, "operations  %s with an answer, %s of unknown outcome\n", integration.Thousands(r.Completed), integration.Thousands(r.Unknown))
	fmt.Fprintf(out, "committed   up to index %s\n", integration.Thousands(int(r.Committed)))
	for s, n := range r.Coverage {
		if n > 0 {
			fmt.Fprintf(out, "reached     %s, %s\n", sim.State(s), count(int(n), "time"))
		}
	}
	if o.twice && (r.Failure == nil || r.Failure.Invariant != determinism) {
		fmt.Fprintln(out, "twice       run twice, hashes equal")
	}
	if o.hash {
		fmt.Fprintf(out, "hash        %016x\n", r.Hash)
	}
}

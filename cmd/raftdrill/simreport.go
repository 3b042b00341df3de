package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/raftnode/raft/integration"
	"github.com/raftnode/raft/raft/sim"
)

// report says what a search came to; the last line is the verdict.
func (o *simOptions) report(out io.Writer, t *tally, found *finding) error {
	verdict, code := t.verdict()
	if o.format == "json" {
		return printJSON(out, searchJSON(t, found, verdict), code)
	}
	style := styleFor(out)
	again := ""
	if o.twice {
		again = ", each twice"
	}
	fmt.Fprintf(out, "seeds       %s: %d to %d%s; %.1f/s, %d at a time, in %v\n", integration.Thousands(t.done),
		t.first, t.first+t.seeds-1, again, perSecond(float64(t.done), t.took), t.workers, t.took.Round(100*time.Millisecond))
	fmt.Fprintf(out, "simulated   %v, %s times as fast as real time\n", t.virtual.Round(time.Second), integration.Thousands(int(perSecond(t.virtual.Seconds(), t.took))))
	fmt.Fprintf(out, "events      %s, %s/s\n", integration.Thousands(int(t.events)), integration.Thousands(int(perSecond(float64(t.events), t.took))))
	fmt.Fprintf(out, "operations  %s with an answer, %s of unknown outcome\n\n", integration.Thousands(t.completed), integration.Thousands(t.unknown))
	printCoverage(out, style, t)
	if found != nil {
		fmt.Fprintln(out)
		found.print(out, style)
	}
	return printVerdict(out, style, verdict, code)
}

// printCoverage tells which rare states the seeds reached: what no seed reaches, no seed tests.
func printCoverage(out io.Writer, style style, t *tally) {
	fmt.Fprintf(out, "%s %12s %8s\n", style.bold(fmt.Sprintf("%-28s", "rare state")), "seeds", "of all")
	for s, n := range t.reached {
		line := fmt.Sprintf("%-28s %12s %6.1f %%", sim.State(s), integration.Thousands(int(n)), 100*float64(n)/float64(max(t.done, 1)))
		if n == 0 {
			line = style.yellow(fmt.Sprintf("%-28s %12s   not reached", sim.State(s), "-"))
		}
		fmt.Fprintln(out, line)
	}
}

func printVerdict(out io.Writer, style style, text string, code int) error {
	text = "verdict: " + text
	if code == exitPass {
		fmt.Fprintf(out, "\n%s\n", style.green(text))
		return nil
	}
	fmt.Fprintf(out, "\n%s\n", style.red(text))
	return &verdictError{code}
}

func printJSON(out io.Writer, value any, code int) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return runError{err}
	}
	if code != exitPass {
		return &verdictError{code}
	}
	return nil
}

type stateJSON struct {
	Seeds uint64 `json:"seeds"` // that reached it
	Times uint64 `json:"times"` // over all seeds
}

type resultJSON struct {
	Verdict          string               `json:"verdict"`
	From             uint64               `json:"from"`
	Seeds            uint64               `json:"seeds"`
	Done             int                  `json:"done"`
	Seconds          float64              `json:"seconds"`
	SimulatedSeconds float64              `json:"simulated_seconds"`
	TimesRealTime    float64              `json:"times_real_time"`
	Events           uint64               `json:"events"`
	EventsPerSecond  float64              `json:"events_per_second"`
	Completed        int                  `json:"operations_completed"`
	Unknown          int                  `json:"operations_unknown"`
	Undecided        []uint64             `json:"undecided_seeds,omitempty"`
	Coverage         map[string]stateJSON `json:"coverage"`
	Hash             string               `json:"hash,omitempty"`
	Failure          *finding             `json:"failure,omitempty"`
}

func searchJSON(t *tally, found *finding, verdict string) resultJSON {
	coverage := make(map[string]stateJSON, len(t.reached))
	for s := range t.reached {
		coverage[sim.State(s).String()] = stateJSON{t.reached[s], t.times[s]}
	}
	return resultJSON{
		Verdict: verdict, From: t.first, Seeds: t.seeds, Done: t.done, Seconds: t.took.Seconds(),
		SimulatedSeconds: t.virtual.Seconds(), TimesRealTime: perSecond(t.virtual.Seconds(), t.took),
		Events: t.events, EventsPerSecond: perSecond(float64(t.events), t.took),
		Completed: t.completed, Unknown: t.unknown, Undecided: t.undecided, Coverage: coverage, Failure: found,
	}
}

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/kvsim"
	"github.com/raftnode/raft/raft/sim"
)

// simOptions are the flags of sim.
type simOptions struct {
	seeds, workers  int
	from, seed      uint64
	kv              bool
	plan            string
	trace, messages bool
	hash, twice     bool
	noShrink        bool
	out, format     string
	width           int
	system          sim.System
}

const simLong = `Run whole clusters in one process, in virtual time: the algorithm as it is, over a network, disks and clocks that are played, with
faults that a number, the seed, decides. One seed is one cluster, its clients and its troubles. The same seed is the same run,
bit for bit. While it runs, all that Raft promises is checked; at the end, that the cluster comes back to life, and that what clients saw
is linearizable.

The last line is the verdict. Exit: 0 pass; 1 a promise was broken; 2 undecided or interrupted; 64 usage.`

// newSim makes the command. System gives what is tried, with and without --kv.
func newSim(system func(kv bool) sim.System) *cobra.Command {
	o := &simOptions{}
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate many clusters and their faults, each decided by a seed, and check every promise",
		Long:  simLong,
		Example: `  raftdrill sim --seeds 2000                       # any 2000 clusters
  raftdrill sim --seeds 2000 --kv                  # the same with the key/value store of raftnode
  raftdrill sim --seed 7                           # one of them, in words
  raftdrill sim --seed 7 --trace | less            # and drawn, a column per server
  raftdrill sim --seeds 1000 --twice               # is each run the same when it is run again?
  raftdrill sim --plan runs/seed-7.json --trace    # what a failing run left`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd.Flags().Changed); err != nil {
				return err
			}
			o.system = system(o.kv)
			if o.width == 0 {
				o.width = widthOf(cmd.OutOrStdout())
			}
			if o.one(cmd.Flags().Changed) {
				return o.runOne(cmd)
			}
			return o.search(cmd)
		},
	}
	o.addFlags(cmd)
	return cmd
}

// onlyFlags refuses what is no flag. A number is most likely a seed.
func onlyFlags(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := strconv.ParseUint(args[0], 10, 64); err == nil {
		return fmt.Errorf("%s is no flag: to run that seed, give --seed %s", args[0], args[0])
	}
	return fmt.Errorf("%q is no flag, and sim takes nothing else", args[0])
}

func (o *simOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.seeds, "seeds", 500, "how many seeds to run")
	flags.Uint64Var(&o.from, "from", 1, "the first of them")
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "how many to run at a time (default: as many as there are processors)")
	flags.BoolVar(&o.kv, "kv", false, "simulate the key/value store and the session table of raftnode (default: a smaller store of the simulator)")
	flags.Uint64Var(&o.seed, "seed", 0, "run only this one, and say what it is like")
	flags.StringVar(&o.plan, "plan", "", "run the plan in this file, which an earlier run saved")
	flags.BoolVar(&o.trace, "trace", false, "draw a timeline, with --seed or --plan")
	flags.BoolVar(&o.messages, "messages", false, "and in it every message")
	flags.IntVar(&o.width, "width", 0, "of the timeline, in characters (default: the terminal's, else 120)")
	flags.BoolVar(&o.hash, "hash", false, "print the hash of all that happened, with --seed or --plan")
	flags.BoolVar(&o.twice, "twice", false, "run everything twice: the hashes must be equal")
	flags.BoolVar(&o.noShrink, "no-shrink", false, "save a plan that failed as it is, instead of looking for a smaller one")
	flags.StringVar(&o.out, "out", "runs", "the directory for plans that failed")
	flags.StringVarP(&o.format, "output", "o", "table", "table or json")
	flags.Lookup("workers").DefValue = "0" // cobra would print this machine's
}

// one tells whether a single run is asked for.
func (o *simOptions) one(given func(string) bool) bool { return given("seed") || given("plan") }

// check finds the mistakes in the flags.
func (o *simOptions) check(given func(string) bool) error {
	many := ""
	for _, name := range []string{"seeds", "from", "workers"} {
		if given(name) {
			many = name
		}
	}
	switch {
	case given("seed") && given("plan"):
		return fmt.Errorf("--seed and --plan exclude each other: a plan has its seed in it")
	case o.one(given) && many != "":
		return fmt.Errorf("--%s is for many seeds, and --seed and --plan are for one run: choose", many)
	case !o.one(given) && (o.trace || o.messages || o.hash):
		return fmt.Errorf("--trace, --messages and --hash tell of one run: say which with --seed or --plan")
	case o.messages && !o.trace:
		return fmt.Errorf("--messages adds to --trace: give both")
	case o.seeds < 1:
		return fmt.Errorf("--seeds %d: give 1 or more", o.seeds)
	case o.workers < 1 || o.workers > 1024:
		return fmt.Errorf("--workers %d: give 1 to 1024", o.workers)
	case o.from+uint64(o.seeds) < o.from:
		return fmt.Errorf("--from %d: with so many seeds the numbers run out", o.from)
	case given("width") && (o.width < 60 || o.width > 1000):
		return fmt.Errorf("--width %d: give 60 to 1000", o.width)
	case o.format != "table" && o.format != "json":
		return fmt.Errorf("-o %s: give table or json", o.format)
	case o.format == "json" && (o.trace || o.messages):
		return fmt.Errorf("-o json has no timeline: leave --trace out")
	}
	return nil
}

// systems are what there is to try.
func systems(kv bool) sim.System {
	if kv {
		return kvsim.System()
	}
	return sim.System{}
}

// load reads a saved plan.
func load(path string) (*sim.Plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--plan: %w", err)
	}
	plan, err := sim.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("--plan %s: %w", path, err)
	}
	return plan, nil
}

// trial is what came out of one plan.
type trial struct {
	plan   *sim.Plan
	result sim.Result
	took   time.Duration
}

// try runs a plan, twice if that is asked for: then a difference is a failure of its own.
func (o *simOptions) try(plan *sim.Plan, trace func(sim.Note)) trial {
	began := time.Now()
	r := sim.Run(plan, sim.RunOptions{System: o.system, Trace: trace})
	took := time.Since(began)
	if o.twice && r.Failure == nil {
		if again := sim.Run(plan, sim.RunOptions{System: o.system}); again.Hash != r.Hash {
			r.Failure = &sim.Failure{
				Seed: plan.Seed, Invariant: determinism, At: r.Virtual, Event: r.Events,
				Fact:   fmt.Sprintf("the first run had %d events, with hash %016x", r.Events, r.Hash),
				Versus: fmt.Sprintf("the second had %d, with hash %016x", again.Events, again.Hash),
			}
		}
	}
	return trial{plan: plan, result: r, took: took}
}

const determinism = "Determinism"

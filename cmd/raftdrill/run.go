package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/integration"
)

func newList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the scenarios",
		Example: "  raftdrill list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range integration.Scenarios() {
				fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
			}
			return table.Flush()
		},
	}
}

func newRun() *cobra.Command {
	var opts integration.Options
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Play a scenario against a new cluster and judge it",
		Long: `Play a scenario against a new cluster of real processes and judge what clients saw.
The last line is the verdict. Exit: 0 pass; 1 a promise was broken; 2 undecided; 64 usage.`,
		Example: `  raftdrill run demo
  raftdrill run crashes --rounds 100 --seed 7 --out runs`,
		Args: scenarioArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Scenario = args[0]
			if err := checkRun(opts, cmd.Flags().Changed("rounds")); err != nil {
				return err
			}
			return run(cmd, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Binary, "raftnode", "", "the raftnode to run (default: the one beside raftdrill, else the one in PATH)")
	flags.Uint64Var(&opts.Seed, "seed", 0, "decides which faults come and what clients ask (default: a new one, which is printed)")
	flags.IntVar(&opts.Nodes, "nodes", 0, "how many nodes, 3 to 9 (default: as the scenario has it)")
	flags.IntVar(&opts.Rounds, "rounds", 0, "how many rounds (default: as the scenario has it)")
	flags.DurationVar(&opts.Duration, "duration", 0, "play rounds until this is over, such as 10m, in place of --rounds")
	flags.StringVar(&opts.Out, "out", "", "keep history, data and logs in a new directory below this one (default: only if it did not pass)")
	return cmd
}

func scenarioArg(_ *cobra.Command, args []string) error {
	var names []string
	for _, s := range integration.Scenarios() {
		names = append(names, s.Name)
	}
	switch {
	case len(args) != 1:
		return fmt.Errorf("say which scenario, one of: %s", strings.Join(names, ", "))
	case !slices.Contains(names, args[0]):
		return fmt.Errorf("there is no scenario %q; there are: %s", args[0], strings.Join(names, ", "))
	}
	return nil
}

// checkRun finds the mistakes. hasRounds: --rounds was given, which 0 alone does not show.
func checkRun(opts integration.Options, hasRounds bool) error {
	takesRounds := func(s integration.Scenario) bool { return s.Name == opts.Scenario && s.Rounds > 0 }
	switch {
	case (hasRounds || opts.Duration > 0) && !slices.ContainsFunc(integration.Scenarios(), takesRounds):
		return fmt.Errorf("%s is played once: it takes neither --rounds nor --duration", opts.Scenario)
	case opts.Nodes != 0 && (opts.Nodes < 3 || opts.Nodes > 9):
		return fmt.Errorf("--nodes %d: a cluster that loses one and goes on has 3 to 9", opts.Nodes)
	case hasRounds && opts.Rounds < 1:
		return fmt.Errorf("--rounds %d: give 1 or more", opts.Rounds)
	case opts.Duration < 0:
		return fmt.Errorf("--duration %v: give a positive one, such as 10m", opts.Duration)
	case hasRounds && opts.Duration > 0:
		return fmt.Errorf("--rounds and --duration exclude each other: choose one")
	}
	return nil
}

func run(cmd *cobra.Command, opts integration.Options) error {
	out := cmd.OutOrStdout()
	style := styleFor(out)
	if opts.Seed == 0 {
		opts.Seed = 1 + rand.Uint64N(1_000_000)
	}
	var report integration.Report
	var err error
	if opts.Binary, err = integration.Find(opts.Binary); err == nil {
		fmt.Fprintf(out, "%s %s\n\n", style.bold("raftdrill "+opts.Scenario), style.dim(fmt.Sprintf("seed %d", opts.Seed)))
		opts.Narrate = func(s integration.Step) { fmt.Fprintln(out, stepLine(style, s)) }
		report, err = integration.Run(cmd.Context(), opts)
	}
	if err != nil {
		report.Detail = err.Error()
		report.Verdict = integration.Verdict{Result: integration.Undecided, Reason: "the run could not be made"}
	}
	printReport(out, style, report)
	return exitOf(report.Verdict)
}

func exitOf(v integration.Verdict) error {
	switch v.Result {
	case integration.Passed:
		return nil
	case integration.Broken:
		return &verdictError{exitBroken}
	}
	return &verdictError{exitUndecided}
}

func stepLine(style style, s integration.Step) string {
	at := style.dim(fmt.Sprintf("%7.2f s", s.At.Seconds()))
	return strings.TrimRight(fmt.Sprintf("%s  %-16s %s", at, s.What, style.dim(s.Detail)), " ")
}

// printReport says what was checked, where the files are, and last the verdict.
func printReport(out io.Writer, style style, r integration.Report) {
	if r.Ops > 0 {
		fmt.Fprintln(out)
		for _, line := range findings(r) {
			fmt.Fprintf(out, "           %-38s %s\n", line[0], style.bold(line[1]))
		}
	}
	for _, problem := range append(append([]string{}, r.Lost...), r.Back...) {
		fmt.Fprintf(out, "           %s\n", style.red(problem))
	}
	if r.Detail != "" {
		fmt.Fprintf(out, "\n%s\n", r.Detail)
	}
	if r.Dir != "" {
		fmt.Fprintf(out, "\nkept in %s\n", r.Dir)
		for _, path := range r.Files {
			fmt.Fprintf(out, "  %s\n", path)
		}
		fmt.Fprintf(out, "again: raftdrill run %s --seed %d\n", r.Scenario, r.Seed)
	}
	verdict := "verdict: " + r.Verdict.String()
	switch r.Verdict.Result {
	case integration.Passed:
		verdict = style.green(verdict)
	default:
		verdict = style.red(verdict)
	}
	fmt.Fprintf(out, "\n%s\n", verdict)
}

func findings(r integration.Report) [][2]string {
	holds := func(problems int) string {
		if problems == 0 {
			return "yes"
		}
		return fmt.Sprintf("NO: %d problems", problems)
	}
	linearizable := holds(len(r.Illegal) + len(r.Back))
	if len(r.Late) > 0 {
		linearizable = fmt.Sprintf("not decided for %d of %d keys", len(r.Late), r.Keys)
	}
	return [][2]string{
		{"acknowledged writes", integration.Thousands(r.Tally.Acknowledged)},
		{"writes of unknown outcome", integration.Thousands(r.Tally.Unknown)},
		{"every acknowledged one on every node", holds(len(r.Lost))},
		{"linearizable", fmt.Sprintf("%s (%s operations on %d keys, checked in %d ms)",
			linearizable, integration.Thousands(r.Ops), r.Keys, r.Checked.Milliseconds())},
	}
}

// style colours text for a terminal, and leaves it alone for anything else.
type style bool

func styleFor(out io.Writer) style {
	return style(isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (s style) bold(text string) string  { return s.code("1", text) }
func (s style) dim(text string) string   { return s.code("2", text) }
func (s style) red(text string) string   { return s.code("31", text) }
func (s style) green(text string) string { return s.code("32", text) }

func (s style) yellow(text string) string { return s.code("33", text) }

func (s style) code(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

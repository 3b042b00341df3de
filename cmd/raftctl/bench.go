package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/kv/load"
)

// clearTime is what deleting the keys may take, also after an interruption.
const clearTime = 30 * time.Second

func newBenchCommand(g *globals) *cobra.Command {
	var cfg load.Config
	var keep bool
	var protocol string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Put the cluster under load, and tell its throughput and latency",
		Long: "bench puts the cluster under load, and tells its throughput and latency: as many operations in flight as --in-flight says or, with --rate,\n" +
			"as many a second, each of which then counts from the moment at which it was due. It works on keys of its own, which no other\n" +
			"run has, and deletes them in the end. Ctrl-C ends it with what was measured until then.",
		Example: "  raftctl bench\n  raftctl bench --in-flight 256 --value-bytes 4096 --duration 30s\n  raftctl bench --reads 0.5 --rate 2000",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.IntVar(&cfg.InFlight, "in-flight", 0, fmt.Sprintf("operations in flight, with --rate at most (default %d, with --rate %d)", load.DefaultInFlight, load.DefaultBacklog))
	flags.Float64Var(&cfg.Rate, "rate", 0, "operations a second, whatever becomes of them (default: the next begins when one is answered)")
	flags.Float64Var(&cfg.Reads, "reads", 0, "share of linearizable reads, from 0 to 1; the others are writes")
	flags.IntVar(&cfg.ValueBytes, "value-bytes", 128, "size of the values")
	flags.IntVar(&cfg.Keys, "keys", load.DefaultKeys, "how many keys there are")
	flags.DurationVar(&cfg.Duration, "duration", 10*time.Second, "how long is measured")
	flags.DurationVar(&cfg.WarmUp, "warm-up", time.Second, "load before that, which is not counted")
	flags.StringVar(&protocol, "protocol", string(client.Stream), "stream: the native protocol, all operations on one connection; http: one on each")
	_ = cmd.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{string(client.Stream), string(client.HTTP)}, cobra.ShellCompDirectiveNoFileComp))
	flags.BoolVar(&keep, "keep", false, "leave the keys there in the end (default: delete them)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg.Prefix = "bench/" + strings.ToLower(rand.Text()[:4])
		cfg.Outcome = load.StoreOutcome
		switch { // to package load 0 is the default, and here it would be told as 0
		case cfg.Keys == 0:
			return usage(cmd, "0 keys are not from 1 to %d", load.MaxKeys)
		case cfg.InFlight == 0 && flags.Changed("in-flight"):
			return usage(cmd, "0 operations in flight are not from 1 to %d", load.MaxInFlight)
		}
		if err := cfg.Check(); err != nil {
			return usage(cmd, "%s", strings.TrimPrefix(err.Error(), "load: "))
		}
		if protocol != string(client.Stream) && protocol != string(client.HTTP) {
			return usage(cmd, "--protocol %s is neither %s nor %s", protocol, client.Stream, client.HTTP)
		}
		g.protocol = client.Protocol(protocol)
		return g.bench(cmd, cfg, keep)
	}
	return cmd
}

func (g *globals) bench(cmd *cobra.Command, cfg load.Config, keep bool) error {
	talk := cmd.ErrOrStderr()
	cl, err := g.toLeader(cmd)
	if err != nil {
		return err
	}
	defer cl.Close()
	if isTerminal(talk) {
		cfg.Progress = showProgress(talk)
	}
	fmt.Fprintf(talk, "raftctl: writing %d keys that begin with %s at %s, then the load\n", cfg.Keys, cfg.Prefix, cl.Endpoints()[0])
	store := &written{Target: load.Store(cl)}
	if !keep {
		defer func() {
			if store.any.Load() {
				clearKeys(cmd, cl, cfg)
			}
		}()
	}
	if err := load.Fill(cmd.Context(), store, cfg); err != nil {
		return g.explain(cmd, cl, aWrite, err)
	}
	result, err := load.Run(cmd.Context(), store, cfg)
	if err != nil {
		return err
	}
	return g.printResult(cmd, result)
}

// written is a Target that remembers whether any write was done, or may have been: without one there are no keys to delete.
type written struct {
	load.Target
	any atomic.Bool
}

func (w *written) Start(ctx context.Context, op load.Op, done func(error)) {
	w.Target.Start(ctx, op, func(err error) {
		if op.Kind == load.Put && (err == nil || client.OutcomeOf(err) != api.Rejected) {
			w.any.Store(true)
		}
		done(err)
	})
}

// toLeader makes a client that asks the leader first, if an endpoint knows to be it: the way over another node is not what is to be measured.
func (g *globals) toLeader(cmd *cobra.Command) (*client.Client, error) {
	cl, err := g.connect(cmd)
	if err != nil {
		return nil, err
	}
	all := lookAround(cmd.Context(), cl)
	at := slices.IndexFunc(all, func(a asked) bool { return a.Status != nil && a.Status.ID == a.Status.Leader })
	if at <= 0 {
		return cl, nil
	}
	cl.Close()
	g.endpoints = slices.Insert(slices.Delete(slices.Clone(g.endpoints), at, at+1), 0, g.endpoints[at])
	return g.connect(cmd)
}

func showProgress(talk io.Writer) func(load.Progress) {
	var before load.Progress
	return func(now load.Progress) {
		rate := float64(now.Done-before.Done) / (now.Elapsed - before.Elapsed).Seconds()
		fmt.Fprintf(talk, "raftctl: %3.0f s: %.0f operations a second, %d failed\n", now.Elapsed.Seconds(), rate, now.Failed)
		before = now
	}
}

// clearKeys also works when the run was interrupted.
func clearKeys(cmd *cobra.Command, cl *client.Client, cfg load.Config) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), clearTime)
	defer cancel()
	if err := load.Clear(ctx, load.Store(cl), cfg); err != nil {
		var failed *client.Error
		if errors.As(err, &failed) {
			err = errors.New(failed.Detail)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "raftctl: keys that begin with %s may be left: %v\n", cfg.Prefix, err)
	}
}

// benched is what bench -o json prints.
type benched struct {
	PerSecond float64 `json:"per_second"`
	load.Result
}

func (g *globals) printResult(cmd *cobra.Command, result load.Result) error {
	if result.Done == 0 && result.Failed() > 0 {
		return errors.New("bench: nothing was done: " + listErrors(result.Errors))
	}
	if g.json() {
		return printJSON(cmd, benched{result.PerSecond(), result})
	}
	if cmd.Context().Err() != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "raftctl: interrupted after %s of what is measured\n", result.Took.Round(time.Millisecond))
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%.0f operations a second for %s, %s\n", result.PerSecond(), result.Took.Round(time.Millisecond), describeLoad(result.Config))
	table := newTable(out, "", "OPS", "MEAN", "P50", "P90", "P99", "P99.9", "MAX")
	for _, row := range []struct {
		name    string
		latency load.Latency
	}{{"all", result.All}, {"put", result.Puts}, {"get", result.Gets}} {
		if l := row.latency; l.Count > 0 {
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", row.name, l.Count, digits(l.Mean), digits(l.P50), digits(l.P90), digits(l.P99), digits(l.P999), digits(l.Max))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if result.NeverBegun > 0 {
		fmt.Fprintf(out, "%d operations were due and never begun, because %d were unanswered: they count with the time that they had waited\n", result.NeverBegun, result.Config.InFlight)
	}
	fmt.Fprintln(out, "errors: "+listErrors(result.Errors))
	return nil
}

func describeLoad(cfg load.Config) string {
	what := fmt.Sprintf("%d in flight", cfg.InFlight)
	if cfg.Rate > 0 {
		what = fmt.Sprintf("%g a second due", cfg.Rate)
	}
	return fmt.Sprintf("%s, values of %d bytes, %g%% reads", what, cfg.ValueBytes, cfg.Reads*100)
}

func listErrors(errs map[string]int64) string {
	if len(errs) == 0 {
		return "none"
	}
	var list []string
	for _, outcome := range slices.Sorted(maps.Keys(errs)) {
		list = append(list, fmt.Sprintf("%d %s", errs[outcome], outcome))
	}
	return strings.Join(list, ", ")
}

// digits rounds to three of them.
func digits(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
)

// settings are the flags.
type settings struct {
	out, dir         string
	rounds           int
	warmUp, window   time.Duration
	quiet            float64
	peers, workloads string
	levels           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.out, "out", "docs/bench", "where the results go; a path inside the repository unless it is absolute")
	flags.StringVar(&s.dir, "dir", "bin/bench", "where the clusters keep their files, on a disk; likewise")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each level of each workload is measured of each peer")
	flags.DurationVar(&s.warmUp, "warmup", 500*time.Millisecond, "load before what is measured")
	flags.DurationVar(&s.window, "window", 2*time.Second, "how long is measured, at each level")
	flags.Float64Var(&s.quiet, "quiet", 0.25, "a sample during which other programs took more than so many cores is taken again, twice at most")
	flags.StringVar(&s.peers, "peers", "", "some of "+strings.Join(names(allPeers()), ",")+" (default: all); raftnode is always in")
	flags.StringVar(&s.workloads, "workloads", "", "some of "+strings.Join(workloadNames(), ",")+" (default: all)")
	flags.StringVar(&s.levels, "in-flight", "", "operations in flight, like 1,64: instead of each workload's own levels, but for those at a rate")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "Measures raftnode beside its peers. With the defaults it takes about half an hour, and longer where others use the machine; a look: -rounds 1 -window 1s.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 || s.rounds < 1 || s.window <= 0 || s.warmUp < 0 {
		return s, fmt.Errorf("wrong command line: rounds and window are above 0, warmup is not below, and there are no arguments; see -help")
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	b := &bench{settings: s}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	b.report.Command = ground.Command("bench-peers", args)
	fmt.Fprintf(os.Stderr, "bench: %d clusters, about %s\n", b.clusters(), b.estimate().Round(time.Minute/2))
	if err := b.all(ctx); err != nil {
		return err
	}
	return b.write()
}

// bench is one run.
type bench struct {
	settings settings
	root     string // of the repository
	work     string // where clusters and programs are
	peers    []peer
	report   report.Report
}

// prepare builds the programs, and looks at the machine.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.root, err = ground.Root(ctx); err != nil {
		return err
	}
	if b.peers, err = choosePeers(b.settings.peers); err != nil {
		return err
	}
	if b.report.Workloads, err = chooseWorkloads(b.settings.workloads, b.settings.levels); err != nil {
		return err
	}
	dir := ground.Inside(b.root, b.settings.dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp(dir, "run-"); err != nil {
		return err
	}
	if err := build(ctx, b.root, b.work); err != nil {
		return err
	}
	r := &b.report
	r.Began, r.Rounds, r.WarmUp, r.Window, r.Quiet = time.Now(), b.settings.rounds, b.settings.warmUp, b.settings.window, b.settings.quiet
	for _, p := range b.peers {
		version, err := p.version(ctx, b.root, b.work)
		if err != nil {
			return err
		}
		r.Peers = append(r.Peers, report.Peer{Name: p.name, Title: p.title, Ours: p.ours, Version: version, Settings: p.settings})
	}
	r.Machine, err = ground.Machine(ctx, b.work)
	return err
}

// build puts all programs into a directory.
func build(ctx context.Context, root, into string) error {
	return errors.Join(ground.Build(ctx, root, into, "./cmd/raftnode"), ground.Build(ctx, filepath.Join(root, "scripts", "bench"), into, "./peers/..."))
}

// write puts the results where they belong.
func (b *bench) write() error {
	out := ground.Inside(b.root, b.settings.out)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := b.report.Write(out); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "bench: see", filepath.Join(out, "peers.md"), "and", filepath.Join(out, "peers.html"))
	return nil
}

func chooseFrom[T any](what, list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var chosen []T
	wanted := strings.Split(list, ",")
	for _, one := range all {
		if slices.Contains(wanted, name(one)) {
			chosen = append(chosen, one)
			wanted = slices.DeleteFunc(wanted, func(w string) bool { return w == name(one) })
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("there is no %s %s", what, strings.Join(wanted, ", "))
	}
	return chosen, nil
}

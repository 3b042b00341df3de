package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	exitSurvivor = 1
	exitUsage    = 64
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("run", "", "only mutants whose name or file matches this regular `expression`")
	list := flags.Bool("list", false, "say which mutants there are, and run none")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	mutants, root, err := choose(ctx, *pattern)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q is not a flag: use -run to choose mutants", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return exitUsage
	}
	if *list {
		for _, m := range mutants {
			fmt.Fprintf(stdout, "%-42s %s: %s  ->  %s\n", m.Name, m.File, m.From, m.To)
		}
		return 0
	}
	missed, err := judgeAll(ctx, root, mutants, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return exitSurvivor
	}
	fmt.Fprintf(stdout, "%d mutants, %d not caught\n", len(mutants), missed)
	if missed > 0 {
		return exitSurvivor
	}
	return 0
}

// choose finds the module and those of its mutants that match.
func choose(ctx context.Context, pattern string) ([]mutant, string, error) {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return nil, "", err
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, "", fmt.Errorf("go list -m: %w: run this inside the repository", err)
	}
	root := strings.TrimSpace(string(out))
	all, err := find(os.DirFS(root))
	if err != nil {
		return nil, "", err
	}
	var chosen []mutant
	for _, m := range all {
		if wanted.MatchString(m.Name) || wanted.MatchString(m.File) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, "", fmt.Errorf("none of %d mutants matches %q", len(all), pattern)
	}
	return chosen, root, nil
}

// judgeAll prints a line for each mutant as it is judged, and counts those that were not caught.
func judgeAll(ctx context.Context, root string, mutants []mutant, stdout io.Writer) (missed int, err error) {
	scratch, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	r := &runner{root: root, scratch: scratch, sound: map[string]bool{}}
	var seeds []int
	for _, m := range mutants {
		start := time.Now()
		v, err := r.judge(ctx, m)
		if err != nil {
			return missed, err
		}
		word := "caught"
		if !v.caught {
			word = "MISSED"
			missed++
		}
		if v.seeds > 0 {
			seeds = append(seeds, v.seeds)
		}
		fmt.Fprintf(stdout, "%s  %-42s %-32s %5.1f s  by %s\n", word, m.Name, m.File, time.Since(start).Seconds(), v.by)
	}
	if len(seeds) > 0 {
		slices.Sort(seeds)
		fmt.Fprintf(stdout, "%d were hunted with seeds and caught: median %d seeds, at most %d\n", len(seeds), seeds[len(seeds)/2], seeds[len(seeds)-1])
	}
	return missed, nil
}

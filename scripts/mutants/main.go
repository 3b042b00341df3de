package main

import (
	"bufio"
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
	results := flags.String("results", "", "write the verdicts into this `file` too, and go on where it ends: what it says was caught is not judged again")
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
	t, err := judgeInto(ctx, *results, root, mutants, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return exitSurvivor
	}
	fmt.Fprintf(stdout, "%d mutants, %d not caught", len(mutants), t.missed)
	if t.hung > 0 {
		fmt.Fprintf(stdout, ", %d caught by a hang only: let a test say what is wrong there", t.hung)
	}
	fmt.Fprintln(stdout)
	if t.missed > 0 {
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

// judgeInto judges those mutants of which the file of results, if there is one, does not say that they were caught, and adds what it learns to that file.
func judgeInto(ctx context.Context, results, root string, mutants []mutant, stdout io.Writer) (tally, error) {
	if results == "" {
		return judgeAll(ctx, root, mutants, stdout)
	}
	f, err := os.OpenFile(results, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return tally{}, err
	}
	defer f.Close()
	caught := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 1 {
			caught[words[1]] = words[0] == verdict{caught: true}.word()
		}
	}
	if err := lines.Err(); err != nil {
		return tally{}, err
	}
	left := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return caught[m.Name] })
	fmt.Fprintf(stdout, "%d of %d mutants are still to be judged\n", len(left), len(mutants))
	return judgeAll(ctx, root, left, io.MultiWriter(stdout, f))
}

// tally counts what is not as it should be.
type tally struct{ missed, hung int }

// judgeAll prints a line for each mutant as it is judged.
func judgeAll(ctx context.Context, root string, mutants []mutant, stdout io.Writer) (t tally, err error) {
	scratch, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(scratch)
	r := newRunner(root, scratch)
	var seeds []int
	for _, m := range mutants {
		start := time.Now()
		v, err := r.judge(ctx, m)
		if err != nil {
			return t, err
		}
		switch {
		case !v.caught:
			t.missed++
		case v.hung:
			t.hung++
		}
		if v.seeds > 0 {
			seeds = append(seeds, v.seeds)
		}
		fmt.Fprintf(stdout, "%-6s  %-42s %-32s %5.1f s  by %s\n", v.word(), m.Name, m.File, time.Since(start).Seconds(), v.by)
	}
	if len(seeds) > 0 {
		slices.Sort(seeds)
		fmt.Fprintf(stdout, "%d were hunted with seeds and caught: median %d seeds, at most %d\n", len(seeds), seeds[len(seeds)/2], seeds[len(seeds)-1])
	}
	return t, nil
}

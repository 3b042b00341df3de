package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench-scale:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	settings
	root, work string
	report     report.Scale

	// Of the study that is under way: what others used of the machine, and in how long.
	others, loaded time.Duration
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	b := &bench{settings: s}
	if err := b.prepare(ctx, args); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	for _, study := range b.chosen {
		if err := b.study(ctx, study); err != nil {
			return err
		}
	}
	r := &b.report
	r.Took, r.Machine.LoadAfter = time.Since(r.Began), ground.LoadAverage()
	out := ground.Inside(b.root, b.out)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := r.Write(out); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench-scale: took %s; see scale.md and scale.html in %s\n", r.Took.Round(time.Second), out)
	return nil
}

// prepare builds the program, and looks at the machine.
func (b *bench) prepare(ctx context.Context, args []string) (err error) {
	if b.root, err = ground.Root(ctx); err != nil {
		return err
	}
	dir := ground.Inside(b.root, b.dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp(dir, "scale-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(b.work)
		}
	}()
	if err := ground.Build(ctx, b.root, b.work, "./cmd/raftnode"); err != nil {
		return err
	}
	b.report = report.Scale{
		Title: "raftnode, as things grow", Command: ground.Command("bench-scale", args), Version: ground.Commit(ctx, b.root), Note: b.note, Began: time.Now(),
	}
	b.report.Machine, err = ground.Machine(ctx, b.work)
	return err
}

// study runs one. What fails is part of the report; the error is that of somebody who wants to stop.
func (b *bench) study(ctx context.Context, s study) error {
	began := time.Now()
	b.others, b.loaded = 0, 0
	found := report.Study{Name: s.name, Title: s.title, Axis: s.axis, How: s.how, Columns: s.columns}
	fmt.Fprintf(os.Stderr, "%s:\n", s.name)
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	err := s.run(b, limited, &found)
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing was written")
	}
	if err != nil {
		found.Failure = err.Error()
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, err)
	}
	if found.Took = time.Since(began); b.loaded > 0 {
		found.Others = b.others.Seconds() / b.loaded.Seconds()
	}
	for _, bar := range found.Bars {
		fmt.Fprintln(os.Stderr, "bar:", bar)
	}
	b.report.Studies = append(b.report.Studies, found)
	return nil
}

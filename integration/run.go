package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options say what to run.
type Options struct {
	Binary   string // the raftnode
	Scenario string
	Seed     uint64        // decides which faults come, and what clients ask
	Nodes    int           // 0: what the scenario says
	Rounds   int           // 0: what the scenario says
	Duration time.Duration // 0: as many rounds; else rounds until this is over
	Load     Load
	TLS      bool // for nodes and clients
	// Out is where to put histories, data and logs. "": a temporary directory, which is removed after a run that passed.
	Out     string
	Narrate func(Step) // called as things happen; may be nil
}

// Step is one thing that happened.
type Step struct {
	At     time.Duration // since the run began
	What   string
	Detail string
}

// Report is what came of a run.
type Report struct {
	Judgement
	Scenario string
	Seed     uint64
	Took     time.Duration
	Detail   string   // why the run ended early, in as many lines as it takes; "" if it did not
	Dir      string   // where the files are; "" if nothing was kept
	Files    []string // those to look at first
}

// Run plays a scenario against a new cluster and judges what clients saw. The error is for a run that could not
// be made; then nothing is known about raftnode.
func Run(ctx context.Context, opts Options) (report Report, err error) {
	scenario, err := opts.resolve()
	if err != nil {
		return Report{}, err
	}
	report = Report{Scenario: opts.Scenario, Seed: opts.Seed}
	dir, err := workDir(opts.Out, scenario.Name)
	if err != nil {
		return report, err
	}
	report.Dir = dir
	cluster, err := NewCluster(Config{Binary: opts.Binary, Nodes: opts.Nodes, Spares: scenario.Spares, Args: scenario.Args, Dir: dir, TLS: opts.TLS})
	if err != nil {
		return report, err
	}
	d := &Drill{Cluster: cluster, History: NewHistory(), opts: opts, rng: rand.New(rand.NewPCG(opts.Seed, 0))}
	finals, err := d.run(ctx, scenario)
	err = errors.Join(err, cluster.Close())
	if err == nil {
		report.Judgement = Judge(d.History, finals, Judging{Nodes: idsOf(cluster.Nodes()), Writes: enough, Reads: someReads})
	} else {
		report.endedBy(err, ctx.Err() != nil)
		report.Tally = d.History.Tally()
	}
	report.Took = time.Duration(d.History.Now())
	if opts.Out == "" && (report.Verdict.Result == Passed || ctx.Err() != nil) {
		report.Dir = ""
		return report, os.RemoveAll(dir)
	}
	return report, report.keep(d, finals)
}

// endedBy makes a verdict of what ended a run early. If it was the cluster's fault, a promise was broken; what else it
// may be, such as an interruption, proves nothing.
func (r *Report) endedBy(err error, interrupted bool) {
	r.Detail = err.Error()
	reason, _, _ := strings.Cut(r.Detail, "\n")
	switch {
	case interrupted:
		r.Verdict = Verdict{Undecided, "interrupted"}
	case errors.Is(err, errTooSlow), errors.Is(err, errExited):
		r.Verdict = Verdict{Broken, reason}
	default:
		r.Verdict = Verdict{Undecided, reason}
	}
}

// enough acknowledged writes show that the clients were at work: no scenario goes on without.
const enough = 2 * someWrites

// someReads, answered while clients were at work, show that somebody looked: two of five things that they ask for are reads.
const someReads = someWrites

func (o *Options) resolve() (Scenario, error) {
	if o.Narrate == nil {
		o.Narrate = func(Step) {}
	}
	for _, s := range Scenarios() {
		if s.Name != o.Scenario {
			continue
		}
		if o.Nodes == 0 {
			o.Nodes = s.Nodes
		}
		if o.Nodes < 3 || o.Nodes > 9 {
			return s, fmt.Errorf("integration: %d nodes: a cluster that loses one and goes on has 3 to 9", o.Nodes)
		}
		if o.Nodes+s.Spares > 9 {
			return s, fmt.Errorf("integration: %d nodes and the %d that %s adds: 9 are possible", o.Nodes, s.Spares, s.Name)
		}
		if o.Rounds == 0 {
			o.Rounds = s.Rounds
		}
		if s.Spares > 0 && (o.Rounds > s.Spares || o.Duration > 0) {
			return s, fmt.Errorf("integration: %s has up to %d rounds, one for each node that it adds, and no duration", s.Name, s.Spares)
		}
		return s, nil
	}
	return Scenario{}, fmt.Errorf("integration: there is no scenario %q", o.Scenario)
}

// workDir makes the directory of a run. What an earlier run left in out stays: each has a directory of its own.
func workDir(out, name string) (string, error) {
	if out != "" {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return "", fmt.Errorf("integration: %w", err)
		}
	}
	dir, err := os.MkdirTemp(out, "raftdrill-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("integration: %w", err)
	}
	return dir, nil
}

// run starts the cluster and the clients, plays the scenario, and reads what every node has in the end.
func (d *Drill) run(ctx context.Context, scenario Scenario) (Finals, error) {
	if err := d.start(ctx); err != nil {
		return nil, fmt.Errorf("integration: the nodes do not even start: %v", err) //nolint:errorlint // no promise was broken yet
	}
	for _, n := range d.Cluster.Nodes() {
		d.say("started", "%s, pid %d", n.ID, n.PID())
	}
	listening := time.Now()
	leader, status, err := d.leader(ctx, 0)
	if err != nil {
		return nil, err
	}
	d.say("leader elected", "%s, term %d, in %s", leader.ID, status.Term, millis(time.Since(listening)))
	d.load, err = StartWorkload(d.Cluster, d.History, d.opts.Load, d.opts.Seed)
	if err != nil {
		return nil, err
	}
	defer d.load.Stop()
	load := d.load.load
	d.say("writing", "%d clients, on keys that they share", load.Direct+load.Sessions)
	if err := d.writesGoOn(ctx); err != nil {
		return nil, err
	}
	if err := scenario.play(ctx, d); err != nil {
		return nil, err
	}
	finals, err := d.finish(ctx)
	if err != nil {
		return nil, err
	}
	d.say("faults over", "every key read on every node; now checking")
	return finals, nil
}

// keep writes what one needs to look into a run.
func (r *Report) keep(d *Drill, finals Finals) error {
	path := filepath.Join(r.Dir, "history.jsonl")
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("integration: keep the history: %w", err)
	}
	if err := errors.Join(d.History.WriteJSON(f, finals), f.Close()); err != nil {
		return err
	}
	drawn, err := r.Draw(r.Dir, d.History.Events())
	r.Files = append(append([]string{path}, drawn...), d.Cluster.logs()...)
	return err
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

// undecidedError says that a comparison could not be made: neither "they agree" nor "they differ".
type undecidedError struct{ err error }

func (e *undecidedError) Error() string { return e.err.Error() }
func (e *undecidedError) Unwrap() error { return e.err }

// logDiff is what a comparison of two logs came to, in JSON too.
type logDiff struct {
	A         diffSide `json:"a"`
	B         diffSide `json:"b"`
	From      uint64   `json:"from,omitempty"` // both have the entries from here
	To        uint64   `json:"to,omitempty"`   // to here
	Snapshots string   `json:"snapshots"`
	Agree     bool     `json:"agree"`
	At        uint64   `json:"at,omitempty"` // the first index at which they differ
	Violation string   `json:"violation,omitempty"`
	Meaning   string   `json:"meaning,omitempty"`
}

// diffSide is one of the two logs, and what it has where they differ.
type diffSide struct {
	Dir       string `json:"dir"`
	Node      string `json:"node"`
	First     uint64 `json:"firstIndex"`
	Last      uint64 `json:"lastIndex"`
	Commit    uint64 `json:"commitAtLeast"`
	What      string `json:"what,omitempty"`
	Committed bool   `json:"committed,omitempty"`
}

func newLogDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff DIR-A DIR-B",
		Short: "Compare the logs of two nodes; exit 1 if they differ",
		Long: "Compare the logs in two data directories, entry by entry, as far as both have them, and the snapshots if they are at the same\n" +
			"place. Logs may differ where not both are known to be committed: the leader puts that right. It says so, or\n" +
			"which promise of Raft is broken.\n\n" +
			"Exit 0: they agree as far as both go. Exit 1: they differ. Exit 2: a log is damaged or cannot be read, so that is not known.",
		Example: "  raftctl log diff data/n1 data/n2",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var logs [2]*logSums
			for i, dir := range args {
				if err := checkDataDir(cmd, "a directory", dir); err != nil {
					return err
				}
				var err error
				if logs[i], err = readSums(dir); err != nil {
					return err
				}
			}
			a, b := logs[0], logs[1]
			if a.found.Cluster != b.found.Cluster {
				return usage(cmd, "%s is of cluster %q and %s of cluster %q: their logs have nothing in common", a.dir, a.found.Cluster, b.dir, b.found.Cluster)
			}
			return reportDiff(cmd, a, b)
		},
	}
}

func reportDiff(cmd *cobra.Command, a, b *logSums) error {
	d, err := compareLogs(a, b)
	if err != nil {
		return &undecidedError{err}
	}
	print := d.print
	if logAsJSON(cmd) {
		print = func(out io.Writer) error { return printLogJSON(out, d) }
	}
	if err := print(cmd.OutOrStdout()); err != nil || d.Agree {
		return err
	}
	if d.At == 0 {
		return errors.New("log diff: the snapshots differ")
	}
	return fmt.Errorf("log diff: they differ at index %d", d.At)
}

func compareLogs(a, b *logSums) (*logDiff, error) {
	d := &logDiff{A: sideOf(a), B: sideOf(b)}
	if from, to := max(a.begin(), b.begin()), min(a.last(), b.last()); from <= to {
		d.From, d.To = uint64(from), uint64(to)
	}
	var err error
	if d.Snapshots, err = d.compareSnapshots(a, b); err != nil {
		return nil, err
	}
	at, differ := firstDifference(a, b)
	d.Agree = !differ && d.Violation == ""
	if !differ {
		return d, nil
	}
	d.At = uint64(at)
	for side, l := range map[*diffSide]*logSums{&d.A: a, &d.B: b} {
		side.Committed = l.found.Commit >= at
		if side.What, err = whatIsAt(l, at); err != nil {
			return nil, err
		}
	}
	d.judge(a, b, at)
	return d, nil
}

func sideOf(l *logSums) diffSide {
	return diffSide{
		Dir: l.dir, Node: string(l.found.Node), First: uint64(l.begin()), Last: uint64(l.last()), Commit: uint64(l.found.Commit),
	}
}

// firstDifference is the first index of which both know enough to see that they differ.
func firstDifference(a, b *logSums) (consensus.Index, bool) {
	differ := func(i consensus.Index) bool {
		x, inA := a.at(i)
		y, inB := b.at(i)
		if inA && inB {
			return x != y
		}
		s, knownA := a.term(i)
		t, knownB := b.term(i)
		return knownA && knownB && s != t
	}
	// Where one has no entry any more, its base and its snapshot still tell their terms.
	points := []consensus.Index{a.found.Base.Index, b.found.Base.Index, a.found.Snapshot.Index, b.found.Snapshot.Index}
	slices.Sort(points)
	for _, i := range points {
		if i < max(a.begin(), b.begin()) && differ(i) {
			return i, true
		}
	}
	for i := max(a.begin(), b.begin()); i <= min(a.last(), b.last()); i++ {
		if differ(i) {
			return i, true
		}
	}
	return 0, false
}

// whatIsAt says in words what a log has at an index.
func whatIsAt(l *logSums, i consensus.Index) (string, error) {
	if _, ok := l.at(i); !ok {
		term, _ := l.term(i)
		return fmt.Sprintf("term %d, in its snapshot", term), nil
	}
	e, err := l.entry(i)
	if err != nil {
		return "", fmt.Errorf("the log in %s changed meanwhile, try again: %w", l.dir, err)
	}
	if e == nil || sumOf(e) != l.sums[i-l.first] {
		return "", fmt.Errorf("the log in %s changed meanwhile: try again", l.dir)
	}
	return fmt.Sprintf("term %d, %s, %s", e.Term, kindName(e.Kind), entryInWords(*e)), nil
}

// judge says whether logs that differ at an index are allowed to.
func (d *logDiff) judge(a, b *logSums, at consensus.Index) {
	s, _ := a.term(at)
	t, _ := b.term(at)
	switch j, again := agreeAgain(a, b, at); {
	case d.A.Committed && d.B.Committed:
		d.Violation = fmt.Sprintf("both have recorded that index %d is committed: State Machine Safety is broken (Figure 3 of the Raft paper)", at)
	case s == t:
		d.Violation = fmt.Sprintf("two entries at index %d of term %d: the Log Matching Property is broken (Figure 3 of the Raft paper)", at, t)
	case again:
		d.Violation = fmt.Sprintf("both have an entry of the same term at index %d, behind the difference: the Log Matching Property is broken (Figure 3 of the Raft paper)", j)
	case d.A.Committed:
		d.Meaning = normalBeside(d.A.Node, d.B.Node)
	case d.B.Committed:
		d.Meaning = normalBeside(d.B.Node, d.A.Node)
	default:
		d.Meaning = "normal: neither is known to be committed. The leader has one of them, or none, and puts the other right"
	}
}

func normalBeside(committed, other string) string {
	return fmt.Sprintf("normal: only %q has recorded that it is committed. The other one is what a leader left that lost its office; the next "+
		"one puts %q right", committed, other)
}

// agreeAgain finds an index behind a difference where the terms are the same. §5.3: then all before it must be the same.
func agreeAgain(a, b *logSums, at consensus.Index) (consensus.Index, bool) {
	for i := at + 1; i <= min(a.last(), b.last()); i++ {
		s, knownA := a.term(i)
		t, knownB := b.term(i)
		if knownA && knownB && s == t {
			return i, true
		}
	}
	return 0, false
}

// compareSnapshots compares them if they are at the same place. Whoever applied the same commands has the same state, byte for byte.
func (d *logDiff) compareSnapshots(a, b *logSums) (string, error) {
	p, q := a.found.Snapshot, b.found.Snapshot
	switch {
	case p.Index == 0 && q.Index == 0:
		return "neither has one", nil
	case p != q:
		return fmt.Sprintf("at %s and at %s: not compared", place(p), place(q)), nil
	}
	x, err := wal.ReadSnapshot(a.dir, a.found)
	if err != nil {
		return unlessReplaced(err)
	}
	y, err := wal.ReadSnapshot(b.dir, b.found)
	if err != nil {
		return unlessReplaced(err)
	}
	switch {
	case !slices.Equal(x.Config, y.Config):
		d.Violation = fmt.Sprintf("the snapshots at %s have different members, %q and %q", place(p), x.Config.String(), y.Config.String())
	case !bytes.Equal(x.Data, y.Data):
		d.Violation = fmt.Sprintf("the snapshots at %s hold different states, of %d and %d bytes", place(p), len(x.Data), len(y.Data))
	default:
		return fmt.Sprintf("both at %s, the same %d bytes", place(p), len(x.Data)), nil
	}
	return "both at " + place(p) + ", and not the same", nil
}

func unlessReplaced(err error) (string, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("a node that runs has taken another snapshot meanwhile: try again")
	}
	return "", err
}

func place(p consensus.Position) string {
	if p.Index == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of term %d", p.Index, p.Term)
}

func (d *logDiff) print(out io.Writer) error {
	for _, s := range []diffSide{d.A, d.B} {
		entries := fmt.Sprintf("entries %d to %d", s.First, s.Last)
		if s.First > s.Last {
			entries = fmt.Sprintf("no entries behind %d", s.Last)
		}
		fmt.Fprintf(out, "%s: node %q, %s, commit at least %d\n", s.Dir, s.Node, entries, s.Commit)
	}
	compared := "no index is in both logs"
	if d.From > 0 {
		compared = fmt.Sprintf("entries %d to %d, which both have", d.From, d.To)
	}
	fmt.Fprintf(out, "compared: %s\nsnapshots: %s\n", compared, d.Snapshots)
	if d.At > 0 {
		fmt.Fprintf(out, "\nthe first difference is at index %d:\n", d.At)
		for _, s := range []diffSide{d.A, d.B} {
			committed := ""
			if s.Committed {
				committed = " (committed)"
			}
			fmt.Fprintf(out, "  %s: %s%s\n", s.Dir, s.What, committed)
		}
		fmt.Fprintln(out)
	}
	var err error
	switch {
	case d.Violation != "":
		_, err = fmt.Fprintf(out, "VIOLATION: %s\n", d.Violation)
	case d.Agree:
		_, err = fmt.Fprintln(out, "they agree as far as both go")
	default:
		_, err = fmt.Fprintln(out, d.Meaning)
	}
	return err
}

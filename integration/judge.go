package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Result is one of three: a run that proves nothing is not a pass.
type Result uint8

// The results, from bad to good.
const (
	Broken    Result = iota // a promise was broken
	Undecided               // no promise was seen broken, but not all was checked, or too little was done
	Passed
)

// Verdict is a result and, unless it is Passed, its reason in one line.
type Verdict struct {
	Result Result
	Reason string
}

// String is PASS, or FAIL or UNKNOWN with the reason.
func (v Verdict) String() string {
	switch v.Result {
	case Passed:
		return "PASS"
	case Broken:
		return "FAIL " + v.Reason
	}
	return "UNKNOWN " + v.Reason
}

// Judgement is what came of checking a history.
type Judgement struct {
	Verdict Verdict
	Tally   Tally
	Keys    int           // how many were checked
	Ops     int           // how many took part in the check for linearizability
	Checked time.Duration // how long that took
	Lost    []string      // answers to writes that the final state contradicts, and nodes that differ: empty if all is well
	Back    []string      // operations that contradict the order of the log: empty if all is well
	Illegal []string      // keys with a history that no linearizable store could have
	Late    []string      // keys whose check did not finish in time
	Unread  []string      // nodes that should have been read in the end and were not

	histories map[string][]porcupine.Operation // of the Illegal keys
}

// Judging says how to judge.
type Judging struct {
	Limit  time.Duration // for the check for linearizability; 0 means a minute
	Nodes  []string      // all nodes: what one holds in the end and nobody read, nobody knows; empty: those that were read
	Writes int           // fewer acknowledged ones than this prove nothing; 0 means 1
	Reads  int           // likewise, of those that clients asked for and that were answered
}

// Judge holds the history, and what each node has in the end, against the promises of a linearizable store.
func Judge(h *History, finals Finals, how Judging) Judgement {
	if how.Limit == 0 {
		how.Limit = time.Minute
	}
	how.Writes, how.Reads = max(how.Writes, 1), max(how.Reads, 1)
	ops := h.Ops()
	j := Judgement{Tally: tally(ops), Lost: lost(ops, finals), histories: map[string][]porcupine.Operation{}}
	for _, node := range how.Nodes {
		if _, read := finals[node]; !read {
			j.Unread = append(j.Unread, node)
		}
	}
	start := time.Now()
	j.linearizable(append(ops, finalReads(ops, finals)...), how.Limit)
	j.Checked = time.Since(start)
	j.decide(how, len(finals))
	return j
}

func idsOf(nodes []*Node) []string {
	var ids []string
	for _, n := range nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

func (j *Judgement) linearizable(ops []Op, limit time.Duration) {
	deadline := time.Now().Add(limit)
	var known map[string]bool // to be illegal
	j.Back, known = backwards(ops)
	byKey := operations(ops)
	j.Keys = len(byKey)
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		j.Ops += len(byKey[key])
		left := time.Until(deadline)
		if known[key] {
			j.illegal(key, byKey[key])
			continue
		}
		if left <= 0 { // to porcupine, 0 means no limit
			j.Late = append(j.Late, key)
			continue
		}
		// One hard key must not leave the others unchecked.
		switch porcupine.CheckOperationsTimeout(model, byKey[key], min(left, limit/4)) {
		case porcupine.Illegal:
			j.illegal(key, byKey[key])
		case porcupine.Unknown:
			j.Late = append(j.Late, key)
		}
	}
}

func (j *Judgement) illegal(key string, history []porcupine.Operation) {
	j.Illegal = append(j.Illegal, key)
	j.histories[key] = history
}

func (j *Judgement) decide(how Judging, nodesRead int) {
	switch {
	case len(j.Lost) > 0:
		j.Verdict = Verdict{Broken, fmt.Sprintf("%s%s", j.Lost[0], more(len(j.Lost)))}
	case len(j.Back) > 0:
		j.Verdict = Verdict{Broken, fmt.Sprintf("not linearizable: %s%s", j.Back[0], more(len(j.Back)))}
	case len(j.Illegal) > 0:
		j.Verdict = Verdict{Broken, fmt.Sprintf("not linearizable: key %s%s", j.Illegal[0], more(len(j.Illegal)))}
	case len(j.Late) > 0:
		j.Verdict = Verdict{Undecided, fmt.Sprintf("key %s%s not decided in %v", j.Late[0], more(len(j.Late)), how.Limit)}
	case nodesRead == 0:
		j.Verdict = Verdict{Undecided, "no node's state was read in the end"}
	case len(j.Unread) > 0:
		j.Verdict = Verdict{Undecided, fmt.Sprintf("%s's state was not read in the end%s", j.Unread[0], more(len(j.Unread)))}
	case j.Tally.Acknowledged < how.Writes:
		j.Verdict = Verdict{Undecided, fmt.Sprintf("%d writes were acknowledged, and fewer than %d prove nothing", j.Tally.Acknowledged, how.Writes)}
	case j.Tally.Reads < how.Reads:
		j.Verdict = Verdict{Undecided, fmt.Sprintf("%d reads were answered, and fewer than %d prove nothing", j.Tally.Reads, how.Reads)}
	default:
		j.Verdict = Verdict{Result: Passed}
	}
}

func more(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n-1)
}

// Draw writes a page for each of the Illegal keys that shows where the history stops making sense, with the faults
// marked, into dir, and returns the paths.
func (j *Judgement) Draw(dir string, events []Event) ([]string, error) {
	var paths []string
	for i, key := range j.Illegal {
		_, info := porcupine.CheckOperationsVerbose(model, j.histories[key], 10*time.Second)
		var notes []porcupine.Annotation
		for _, event := range events {
			notes = append(notes, porcupine.Annotation{Tag: "faults", Start: event.At, End: event.At, Description: event.What})
		}
		info.AddAnnotations(notes)
		path := filepath.Join(dir, fmt.Sprintf("illegal-%d.html", i+1))
		if err := draw(path, info); err != nil {
			return paths, fmt.Errorf("integration: draw %s: %w", key, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func draw(path string, info porcupine.LinearizationInfo) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := porcupine.Visualize(model, info, f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

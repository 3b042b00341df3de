package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Final is what a node holds of a key in the end.
type Final struct {
	Found   bool   `json:"found"`
	Value   string `json:"value,omitempty"`
	Version uint64 `json:"version,omitempty"`
}

// Finals are what each node holds of each key, by node and key, all read when the nodes had applied the same log.
type Finals map[string]map[string]Final

// tokenEnd ends what is appended to a list, so that the list's value can be taken apart.
const tokenEnd = ";"

// keyWrites are the writes that clients asked for, to one key.
type keyWrites struct {
	done   []*Op // they were done, or may have been
	denied []*Op // the answer was that they were not done
}

// lost looks for answers to writes that the final state contradicts, and for nodes that differ, on every key that was written
// or found. It takes time in proportion to the operations, in whatever order they came. A key that was both appended to and
// written otherwise is left to the model, which sees the final state too: see finalReads. The answer is empty if all is well.
func lost(ops []Op, finals Finals) []string {
	writes := map[string]keyWrites{}
	for _, key := range finals.keys() {
		writes[key] = keyWrites{}
	}
	for i := range ops {
		op := &ops[i]
		if !op.writes() {
			continue
		}
		of := writes[op.Key]
		if op.denied() {
			of.denied = append(of.denied, op)
		} else {
			of.done = append(of.done, op)
		}
		writes[op.Key] = of
	}
	problems := sharedIndexes(ops)
	nodes := slices.Sorted(maps.Keys(finals))
	for _, key := range slices.Sorted(maps.Keys(writes)) {
		problems = append(problems, lostOf(key, writes[key], nodes, finals)...)
	}
	return problems
}

// keys are those that were read on any node, sorted.
func (f Finals) keys() []string {
	all := map[string]bool{}
	for _, values := range f {
		for key := range values {
			all[key] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// finalReads makes the final state a part of the history: a get of each key, after all that clients asked for. Nodes that
// differ are found otherwise; here the first that was read speaks for all.
func finalReads(ops []Op, finals Finals) []Op {
	var end int64
	client := 0
	for i := range ops {
		end, client = max(end, ops[i].Call, ops[i].Return), max(client, ops[i].Client)
	}
	var reads []Op
	for _, key := range finals.keys() {
		for _, node := range slices.Sorted(maps.Keys(finals)) {
			if final, read := finals[node][key]; read {
				reads = append(reads, Op{
					Client: client + 1, Node: node, Kind: Get, Key: key, Call: end + 1, Return: end + 2, Outcome: Ok,
					Found: final.Found, Got: final.Value, Index: final.Version, final: true,
				})
				break
			}
		}
	}
	return reads
}

// sharedIndexes finds writes that were acknowledged with the same place in the log.
func sharedIndexes(ops []Op) []string {
	var problems []string
	at := map[uint64]*Op{}
	for i := range ops {
		op := &ops[i]
		if !op.acknowledged() {
			continue
		}
		if other := at[op.Index]; other != nil {
			problems = append(problems, fmt.Sprintf("two writes have index %d: %v, and %v", op.Index, other, op))
		}
		at[op.Index] = op
	}
	return problems
}

func lostOf(key string, writes keyWrites, nodes []string, finals Finals) []string {
	var problems []string
	for i, node := range nodes {
		final, read := finals[node][key]
		if !read {
			problems = append(problems, fmt.Sprintf("%s was not read on %s in the end", key, node))
			continue
		}
		if first := finals[nodes[0]][key]; i > 0 && final != first {
			problems = append(problems, fmt.Sprintf("%s is %v on %s and %v on %s", key, first, nodes[0], final, node))
			continue
		}
		for _, problem := range contradictions(writes, final) {
			problems = append(problems, fmt.Sprintf("%s on %s: %s", key, node, problem))
		}
	}
	return problems
}

// contradictions holds the final state of one key against the answers to all writes to it.
func contradictions(writes keyWrites, final Final) []string {
	appends := 0
	for _, op := range writes.done {
		if op.Kind == Append {
			appends++
		}
	}
	switch appends {
	case 0:
		if problem := registerContradiction(writes, final); problem != "" {
			return []string{problem}
		}
		return nil
	case len(writes.done):
		return listContradictions(writes, final)
	}
	return nil
}

// registerContradiction: the last acknowledged write stands, unless one of unknown outcome came after it.
func registerContradiction(writes keyWrites, final Final) string {
	for _, op := range writes.denied {
		if final.Found && op.Kind != Delete && op.Value == final.Value {
			return fmt.Sprintf("answered as not done, and there: %v", op)
		}
	}
	var last *Op
	maybe := false // final may be the work of a write of unknown outcome
	for _, op := range writes.done {
		switch {
		case op.Outcome != Ok:
			maybe = maybe || final.Found == (op.Kind != Delete) && final.Value == op.Value
		case last == nil || op.Index > last.Index:
			last = op
		}
	}
	var asLast bool
	switch {
	case last == nil:
		asLast = !final.Found
	case last.Kind == Delete:
		asLast = !final.Found
	default:
		asLast = final.Found && final.Value == last.Value && final.Version == last.Index
	}
	if asLast || maybe && (!final.Found || last == nil || final.Version > last.Index) {
		return ""
	}
	if last == nil {
		return fmt.Sprintf("nobody wrote it: found %v", final)
	}
	return fmt.Sprintf("acknowledged (%v) and not there: found %v", last, final)
}

// listContradictions: each acknowledged element is there once, in the order of the indexes; each of unknown outcome at most
// once; and nothing else.
func listContradictions(writes keyWrites, final Final) []string {
	var problems []string
	byToken := map[string]*Op{}
	for _, op := range slices.Concat(writes.done, writes.denied) {
		byToken[op.Value] = op
	}
	count := map[string]int{}
	var last uint64
	for token := range strings.SplitAfterSeq(final.Value, tokenEnd) {
		if token == "" {
			continue // behind the last end
		}
		count[token]++
		op := byToken[token]
		switch {
		case op != nil && op.denied():
			problems = append(problems, fmt.Sprintf("answered as not done, and there: %v", op))
		case op == nil:
			problems = append(problems, fmt.Sprintf("%q is there and nobody appended it", token))
		case count[token] == 2:
			problems = append(problems, fmt.Sprintf("twice there: %v", op))
		case op.Outcome == Ok && op.Index < last:
			problems = append(problems, fmt.Sprintf("out of order, behind index %d: %v", last, op))
		case op.Outcome == Ok:
			last = op.Index
		}
	}
	for _, op := range writes.done {
		if op.Outcome == Ok && count[op.Value] == 0 {
			problems = append(problems, fmt.Sprintf("acknowledged and not there: %v", op))
		}
	}
	return problems
}

// String says what the node holds, for people.
func (f Final) String() string {
	if !f.Found {
		return "nothing"
	}
	return fmt.Sprintf("%s @%d", shorten(f.Value), f.Version)
}

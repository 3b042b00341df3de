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

// lost looks for acknowledged writes that the final state contradicts, and for nodes that differ. It takes time in
// proportion to the operations, in whatever order they came. A key that was both appended to and written otherwise is left to
// the model. The answer is empty if all is well.
func lost(ops []Op, finals Finals) []string {
	writes := map[string][]*Op{}
	for i := range ops {
		if op := &ops[i]; op.writes() && op.Outcome != Fail && !op.Refused {
			writes[op.Key] = append(writes[op.Key], op)
		}
	}
	problems := sharedIndexes(ops)
	nodes := slices.Sorted(maps.Keys(finals))
	for _, key := range slices.Sorted(maps.Keys(writes)) {
		problems = append(problems, lostOf(key, writes[key], nodes, finals)...)
	}
	return problems
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

func lostOf(key string, writes []*Op, nodes []string, finals Finals) []string {
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

// contradictions holds the final state of one key against all writes to it that were or may have been done.
func contradictions(writes []*Op, final Final) []string {
	appends := 0
	for _, op := range writes {
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
	case len(writes):
		return listContradictions(writes, final)
	}
	return nil
}

// registerContradiction: the last acknowledged write stands, unless one of unknown outcome came after it.
func registerContradiction(writes []*Op, final Final) string {
	var last *Op
	maybe := false // final may be the work of a write of unknown outcome
	for _, op := range writes {
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
	return fmt.Sprintf("acknowledged (%v) and not there: found %v", last, final)
}

// listContradictions: each acknowledged element is there once, in the order of the indexes; each of unknown outcome at most
// once; and nothing else.
func listContradictions(writes []*Op, final Final) []string {
	var problems []string
	byToken := map[string]*Op{}
	for _, op := range writes {
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
	for _, op := range writes {
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

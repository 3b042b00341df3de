package integration

import (
	"cmp"
	"fmt"
	"slices"
)

// backwards finds operations that contradict the order of the log: an answer with an index below one that had been given
// before the question was asked. It takes one pass over the operations sorted by time, so it decides at once what a search would find
// late or never. The keys are those on which it found something.
func backwards(ops []Op) (problems []string, keys map[string]bool) {
	keys = map[string]bool{}
	var writes []*Op // of all keys: they share the log
	byKey := map[string][]*Op{}
	for i := range ops {
		op := &ops[i]
		switch {
		case op.acknowledged():
			writes = append(writes, op)
			byKey[op.Key] = append(byKey[op.Key], op)
		case op.Kind == Get && op.Outcome == Ok && op.Found:
			byKey[op.Key] = append(byKey[op.Key], op)
		}
	}
	sweep := func(its []*Op) {
		later, earlier := sweepBack(its)
		if later != nil {
			problems = append(problems, fmt.Sprintf("%v was asked after the answer to %v", later, earlier))
			keys[later.Key] = true
		}
	}
	for _, its := range byKey {
		sweep(its)
	}
	sweep(writes)
	slices.Sort(problems)
	return slices.Compact(problems), keys
}

// sweepBack finds the first operation whose index is too low for what had returned before its call: lower, or, if it is a write,
// not higher.
func sweepBack(ops []*Op) (later, earlier *Op) {
	byCall, byReturn := slices.Clone(ops), slices.Clone(ops)
	slices.SortFunc(byCall, func(a, b *Op) int { return cmp.Compare(a.Call, b.Call) })
	slices.SortFunc(byReturn, func(a, b *Op) int { return cmp.Compare(a.Return, b.Return) })
	var highest *Op // of those that have returned
	returned := 0
	for _, op := range byCall {
		for ; returned < len(byReturn) && byReturn[returned].Return < op.Call; returned++ {
			if highest == nil || byReturn[returned].Index > highest.Index {
				highest = byReturn[returned]
			}
		}
		if highest != nil && (op.Index < highest.Index || op.writes() && op.Index == highest.Index) {
			return op, highest
		}
	}
	return nil, nil
}

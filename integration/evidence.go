package integration

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// ranked is an operation as the model sees it: with all that the history tells of it, also what its client never learned.
type ranked struct {
	*Op
	index uint64 // of a write: its place in the log; 0: nobody knows
	rank  int    // of a write: its place among those of the key whose order is known; or unranked
	end   int64  // it had taken effect by then
}

// unranked writes may have taken effect anywhere, or nowhere.
const unranked = -1

// operations are those that porcupine sees, by key. One that was certainly not done is left out: that its value was seen all
// the same shows in the others.
func operations(ops []Op) map[string][]porcupine.Operation {
	byKey := map[string][]*ranked{}
	for i := range ops {
		op := &ops[i]
		if op.Outcome == Fail || op.Outcome == Info && !op.writes() {
			continue
		}
		r := &ranked{Op: op, rank: unranked, end: op.Return}
		switch {
		case op.Outcome == Info:
			r.end = math.MaxInt64 // as far as its client knows
		case op.acknowledged():
			r.index = op.Index
		}
		byKey[op.Key] = append(byKey[op.Key], r)
	}
	result := map[string][]porcupine.Operation{}
	for key, its := range byKey {
		for _, op := range evidence(its) {
			result[key] = append(result[key], porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Call, Return: op.end})
		}
	}
	return result
}

// evidence looks at what reads saw of the writes to one key. No two writes bring the same value, so who sees a value knows
// which write took effect, and when at the latest. Without this, each write of unknown outcome has to be tried at every place, in
// every order with the others: a dozen are too many.
func evidence(ops []*ranked) []*ranked {
	writes, appends := 0, 0
	for _, op := range ops {
		if op.writes() {
			writes++
		}
		if op.Kind == Append {
			appends++
		}
	}
	switch appends {
	case 0:
		evidenceOfRegister(ops)
	case writes:
		return evidenceOfList(ops)
	default:
		rankByIndex(ops, 0)
	}
	return ops
}

// evidenceOfRegister: a read that shows the value of a write shows its index too.
func evidenceOfRegister(ops []*ranked) {
	doubtful := map[string]*ranked{}
	for _, op := range ops {
		if op.Outcome == Info && op.Kind != Delete {
			doubtful[op.Value] = op
		}
	}
	for _, read := range ops {
		if write := doubtful[read.Got]; read.Kind == Get && read.Found && write != nil {
			write.index, write.end = read.Op.Index, min(write.end, max(read.Return, write.Call))
		}
	}
	rankByIndex(ops, 0)
}

// evidenceOfList: the longest value that was read shows the order of what was appended. What is in no value that was read
// and was not acknowledged can be left out: had it taken effect, every later read would show it, so there is none, and
// nothing else depends on it.
func evidenceOfList(ops []*ranked) []*ranked {
	byToken := map[string]*ranked{}
	var longest *ranked
	for _, op := range ops {
		switch {
		case op.Kind == Append:
			byToken[op.Value] = op
		case longest == nil || len(op.Got) > len(longest.Got):
			longest = op
		}
	}
	seen := 0
	if longest != nil {
		for token := range strings.SplitAfterSeq(longest.Got, tokenEnd) {
			if write := byToken[token]; write != nil && write.rank == unranked {
				write.rank = seen
				seen++
			}
		}
	}
	for _, read := range ops {
		if read.Kind == Append {
			continue
		}
		for token := range strings.SplitAfterSeq(read.Got, tokenEnd) {
			if write := byToken[token]; write != nil {
				write.end = min(write.end, max(read.Return, write.Call))
			}
		}
	}
	rankByIndex(ops, seen)
	return slices.DeleteFunc(ops, func(op *ranked) bool { return op.Outcome == Info && op.rank == unranked })
}

// rankByIndex ranks the writes of known index that have no rank yet, from the given one on.
func rankByIndex(ops []*ranked, from int) {
	var known []*ranked
	for _, op := range ops {
		if op.index != 0 && op.rank == unranked {
			known = append(known, op)
		}
	}
	slices.SortStableFunc(known, func(a, b *ranked) int { return cmp.Compare(a.index, b.index) })
	for i, op := range known {
		op.rank = from + i
	}
}

package integration

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// register is the state of one key in the model.
type register struct {
	exists bool
	value  string
	writes int // those of known rank so far
	// version is the index of the last change if exact, else an index below it: a write of which nobody learned the index was
	// the last to change the key, and no read has shown its index since.
	version uint64
	exact   bool
}

// model is the sequential key/value store that a history is held against, one key at a time.
//
// It knows that the order is that of the log: acknowledged writes take effect in the order of their indexes, and a read shows
// the index of the last change. So it refuses more than a model of values alone: two writes of equal effect in the wrong
// order, a version that no write had. And it decides much sooner, because only the place of reads, and of outcomes of which
// nobody saw anything, is open: see evidence.
var model = porcupine.Model{
	Init: func() any { return register{exact: true} },
	Step: func(state, input, _ any) (bool, any) {
		ok, next := input.(*ranked).step(state.(register))
		return ok, next
	},
	Hash: func(state any) uint64 {
		r := state.(register)
		h := r.version*0x9e3779b97f4a7c15 + uint64(len(r.value))<<2
		if r.exact {
			h |= 1
		}
		if r.exists {
			h |= 2
		}
		return h
	},
	DescribeOperation: func(input, _ any) string { return input.(*ranked).String() },
	DescribeState:     func(state any) string { return state.(register).String() },
}

// step applies the operation to a state, and tells whether the store could have answered as it did. An operation of
// unknown outcome is always possible: that it never took effect is the case of it coming after all others.
func (op *ranked) step(r register) (bool, register) {
	switch op.Kind {
	case Get:
		return op.stepGet(r)
	case Put:
		return op.stepWrite(r, true, op.Value)
	case Append:
		return op.stepWrite(r, true, r.value+op.Value)
	case Delete:
		return op.stepWrite(r, false, "")
	case CAS:
		// A version that is not exact matches no Expect: who expects it has read it, and a read makes it exact.
		holds := r.exists && r.exact && r.version == op.Expect
		if op.Expect == 0 {
			holds = !r.exists
		}
		switch {
		case op.Outcome == Ok && op.Refused == holds, op.rank != unranked && !holds:
			return false, r
		case !holds:
			return true, r
		}
		return op.stepWrite(r, true, op.Value)
	}
	panic(fmt.Sprintf("integration: an operation of kind %q has no model", op.Kind))
}

func (op *ranked) stepGet(r register) (bool, register) {
	if !op.Found {
		return !r.exists, r
	}
	if !r.exists || r.value != op.Got {
		return false, r
	}
	if r.exact {
		return r.version == op.Index, r
	}
	above := op.Index > r.version
	r.version, r.exact = op.Index, true
	return above, r
}

func (op *ranked) stepWrite(r register, exists bool, value string) (bool, register) {
	next := register{exists: exists, value: value, writes: r.writes, version: r.version}
	if op.rank == unranked {
		return true, next
	}
	next.writes++
	if op.index == 0 {
		return op.rank == r.writes, next
	}
	next.version, next.exact = op.index, true
	return op.rank == r.writes && op.index > r.version, next
}

// String says what was asked and what came back, for people.
func (op *Op) String() string {
	ask := fmt.Sprintf("%s %s", op.Kind, op.Key)
	if op.final {
		ask = "final " + ask
	}
	if op.Kind == CAS {
		ask += fmt.Sprintf(" @%d", op.Expect)
	}
	if op.writes() && op.Kind != Delete {
		ask += " " + op.Value
	}
	switch {
	case op.Outcome != Ok:
		return fmt.Sprintf("%s: %s", ask, op.Outcome)
	case op.Kind == Get && !op.Found:
		return ask + ": absent"
	case op.Kind == Get:
		return fmt.Sprintf("%s: %s @%d", ask, shorten(op.Got), op.Index)
	case op.Refused:
		return ask + ": refused"
	}
	return fmt.Sprintf("%s: @%d", ask, op.Index)
}

// String gives value and version, for people.
func (r register) String() string {
	version := fmt.Sprintf("@%d", r.version)
	if !r.exact {
		version = fmt.Sprintf("@>%d", r.version)
	}
	if !r.exists {
		return "absent " + version
	}
	return shorten(r.value) + " " + version
}

// shorten keeps the end of a long value: a list grows there.
func shorten(value string) string {
	const most = 60
	if len(value) <= most {
		return value
	}
	return "…" + strings.ToValidUTF8(value[len(value)-most:], "")
}

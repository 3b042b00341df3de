package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Kind is what a client asked for.
type Kind string

// The kinds of operations.
const (
	Get    Kind = "get"    // a linearizable read
	Put    Kind = "put"    // sets Op.Value
	Append Kind = "append" // adds Op.Value to the end
	Delete Kind = "delete"
	CAS    Kind = "cas" // sets Op.Value if the key's version is Op.Expect; Expect 0: if the key is absent
)

// Outcome is what a client knows of its operation.
type Outcome string

// The three outcomes, in the words of Jepsen's histories.
const (
	Ok   Outcome = "ok"   // done, and this is the answer
	Fail Outcome = "fail" // certainly not done, and never will be
	Info Outcome = "info" // may have been done, or may yet be; a read of which nothing is known is a Fail
)

// Op is one operation of one client.
type Op struct {
	// Client does one operation at a time. After an Info, its worker goes on under a new number, since the old
	// operation is not known to have ended.
	Client int    `json:"client"`
	Node   string `json:"node,omitempty"` // the node that was asked; "" if the client chose among all
	Kind   Kind   `json:"kind"`
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"` // what a write brings; no two writes of a history bring the same
	Expect uint64 `json:"expect,omitempty"`

	Call    int64   `json:"call"`   // nanoseconds since the history began, of the monotonic clock of this process
	Return  int64   `json:"return"` // of an Info: when the client gave up
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"`

	// The answer, if Outcome is Ok.
	Got     string `json:"got,omitempty"`     // of a get
	Found   bool   `json:"found,omitempty"`   // of a get
	Refused bool   `json:"refused,omitempty"` // of a CAS: the version was another
	Index   uint64 `json:"index,omitempty"`   // of a write: its place in the log; of a get: the key's version

	final bool // a get that no client asked for: it is made of the final state
}

// writes tells whether the operation changes the key, if it is done.
func (op *Op) writes() bool { return op.Kind != Get }

// acknowledged tells whether the client was told that its write is done.
func (op *Op) acknowledged() bool { return op.writes() && op.Outcome == Ok && !op.Refused }

// denied tells whether the client was told that its operation is not done, and never will be.
func (op *Op) denied() bool { return op.Outcome == Fail || op.Refused }

// Event is something that the harness did: a fault or a repair.
type Event struct {
	At   int64  `json:"at"` // as Op.Call
	What string `json:"what"`
}

// History is what clients asked and what came back, and the faults meanwhile. Its methods may be called at the same time.
type History struct {
	base time.Time

	mu     sync.Mutex
	ops    []Op
	events []Event
}

// NewHistory begins a history now.
func NewHistory() *History { return &History{base: time.Now()} }

// Now is the time since the history began, in nanoseconds.
func (h *History) Now() int64 { return int64(time.Since(h.base)) }

// Add records an operation that has returned.
func (h *History) Add(op Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// Mark records a fault or a repair.
func (h *History) Mark(format string, args ...any) {
	event := Event{At: h.Now(), What: fmt.Sprintf(format, args...)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
}

// Ops gives a copy of the operations so far, in the order in which they returned.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ops)
}

// Events gives a copy of the faults and repairs so far.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// FirstAcknowledged finds, of the writes that were asked for at or after from, the one that was acknowledged first.
func (h *History) FirstAcknowledged(from int64) (first Op, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ops) - 1; i >= 0 && h.ops[i].Return >= from; i-- {
		if op := &h.ops[i]; op.acknowledged() && op.Call >= from && (!ok || op.Return < first.Return) {
			first, ok = *op, true
		}
	}
	return first, ok
}

// Acknowledged counts the writes that were asked for at or after from and are acknowledged.
func (h *History) Acknowledged(from int64) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for i := len(h.ops) - 1; i >= 0 && h.ops[i].Return >= from; i-- {
		if op := &h.ops[i]; op.acknowledged() && op.Call >= from {
			n++
		}
	}
	return n
}

// Tally counts the operations so far.
func (h *History) Tally() Tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	return tally(h.ops)
}

// Tally counts operations by what became of them.
type Tally struct {
	Acknowledged int // writes that are done
	Unknown      int // writes that may have been done
	Rejected     int // operations that were certainly not done
	Refused      int // compare-and-sets whose version was another
	Reads        int // reads that were answered
}

func tally(ops []Op) Tally {
	var t Tally
	for i := range ops {
		switch op := &ops[i]; {
		case op.acknowledged():
			t.Acknowledged++
		case op.Outcome == Info:
			t.Unknown++
		case op.Outcome == Fail:
			t.Rejected++
		case op.Refused:
			t.Refused++
		default:
			t.Reads++
		}
	}
	return t
}

// WriteJSON writes the history as JSON lines: {"op":{...}} as they returned, {"event":{...}} as they happened, and {"final":{...}}
// for each key of each node.
func (h *History) WriteJSON(w io.Writer, finals Finals) error {
	type final struct {
		Node string `json:"node"`
		Key  string `json:"key"`
		Final
	}
	type line struct {
		Op    *Op    `json:"op,omitempty"`
		Event *Event `json:"event,omitempty"`
		Final *final `json:"final,omitempty"`
	}
	var lines []line
	for _, op := range h.Ops() {
		lines = append(lines, line{Op: &op})
	}
	for _, event := range h.Events() {
		lines = append(lines, line{Event: &event})
	}
	for _, node := range slices.Sorted(maps.Keys(finals)) {
		for _, key := range slices.Sorted(maps.Keys(finals[node])) {
			lines = append(lines, line{Final: &final{node, key, finals[node][key]}})
		}
	}
	buffered := bufio.NewWriter(w)
	enc := json.NewEncoder(buffered)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("integration: write history: %w", err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("integration: write history: %w", err)
	}
	return nil
}

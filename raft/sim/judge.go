package sim

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// judgeTime bounds how long a history is thought about. Nothing but Undecided depends on it.
const judgeTime = 10 * time.Second

// interval is when the judgement may let an operation take effect, at the earliest and at the latest; of those of one event, in what order.
// What the run itself saw of a write spares it from trying everything: a write takes effect when its index is committed; one that
// never was took none, and interval says false.
func (c *cluster) interval(r *record) (call, end int64, ok bool) {
	call, end = int64(r.began)<<orderBits, int64(r.ended)<<orderBits|(1<<orderBits-1)
	switch {
	case r.op.Read:
		return call, end, !r.outcome.Unknown
	case c.system.Once == nil:
		return call, end, true
	}
	f := c.check.first(r.client, r.seq)
	if f.index == 0 {
		return call, end, !r.outcome.Unknown
	}
	commit := c.check.commitAt(f.index)
	at := int64(commit.event)<<orderBits | int64(f.index)&(1<<orderBits-1)
	return max(call, at), max(call, min(end, at)), true
}

// linearizability is the invariant that histories are judged by.
const linearizability = "Linearizability"

// orderBits is how many operations can be told apart within one event, as a power of two.
const orderBits = 20

// judge holds the history of the run against the model: is there an order of all operations, each between its beginning and its
// end, that a single copy would have answered the same?
func (c *cluster) judge() (failure *Failure, undecided bool) {
	if c.system.Model == nil {
		return nil, false
	}
	for i := range c.clients {
		if k := &c.clients[i]; k.busy { // it never got its answer
			c.forget(k)
		}
	}
	operations := make([]porcupine.Operation, 0, len(c.history))
	for i := range c.history {
		r := &c.history[i]
		if call, end, ok := c.interval(r); ok {
			operations = append(operations, porcupine.Operation{
				ClientId: int(r.client), Input: r.op, Output: r.outcome, Call: call, Return: end,
			})
		}
	}
	switch porcupine.CheckOperationsTimeout(*c.system.Model, operations, judgeTime) {
	case porcupine.Illegal:
		c.fail(linearizability, "%d operations were done", len(operations))("there is no order in which one copy would have answered like that")
		return c.failure, false
	case porcupine.Unknown:
		return nil, true
	}
	return nil, false
}

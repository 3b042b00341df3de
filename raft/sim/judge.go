package sim

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// judgeTime bounds how long a history is thought about. Nothing but Undecided depends on it.
const judgeTime = 10 * time.Second

// tighten uses what the run itself has seen of a write, so that the judgement does not have to try everything: it took
// effect between the first commit and the first application anywhere; if it was never applied, it had no effect, and tighten says false.
func (c *cluster) tighten(r *record) bool {
	if c.system.Once == nil {
		return true
	}
	f := c.check.first(r.client, r.seq)
	if f.index == 0 {
		return !r.outcome.Unknown
	}
	r.began, r.ended = max(r.began, c.check.commitAt(f.index).event), min(r.ended, f.event)
	return true
}

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
		if r.op.Read && r.outcome.Unknown || !r.op.Read && !c.tighten(r) {
			continue // it did nothing and nobody saw anything
		}
		operations = append(operations, porcupine.Operation{
			ClientId: int(r.client), Input: r.op, Output: r.outcome, Call: int64(r.began), Return: int64(r.ended),
		})
	}
	switch porcupine.CheckOperationsTimeout(*c.system.Model, operations, judgeTime) {
	case porcupine.Illegal:
		c.fail("Linearizability", "%d operations were done", len(operations))("there is no order in which one copy would have answered like that")
		return c.failure, false
	case porcupine.Unknown:
		return nil, true
	}
	return nil, false
}

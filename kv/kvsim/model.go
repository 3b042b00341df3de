package kvsim

import (
	"hash/maphash"

	"github.com/anishathalye/porcupine"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft/sim"
)

// register is what the model knows of one key. Version 0 of a key that is there is one that nobody has seen yet: its write had no
// known outcome.
type register struct {
	exists  bool
	value   string
	version uint64
}

// hashSeed is one for all: equal states must have equal hashes.
var hashSeed = maphash.MakeSeed()

// Model is the sequential store that what clients saw has to fit. It has choices only where a write without an answer depended on a
// version that nobody had seen.
func Model() porcupine.Model {
	choices := porcupine.NondeterministicModel{
		Partition: sim.PartitionBy(keyOf),
		Init:      func() []any { return []any{register{}} },
		Step: func(state, input, output any) []any {
			return step(state.(register), input.(sim.Operation), output.(sim.Outcome))
		},
		Hash: func(state any) uint64 {
			r := state.(register)
			return maphash.String(hashSeed, r.value[max(0, len(r.value)-24):]) + uint64(len(r.value)) + r.version
		},
	}
	return choices.ToModel()
}

func keyOf(op sim.Operation) string {
	if op.Read {
		return string(op.Body)
	}
	c, _ := kv.Decode(op.Body)
	return c.Key
}

// step gives the states that may follow; none if the outcome cannot be.
func step(r register, op sim.Operation, out sim.Outcome) []any {
	if op.Read {
		return stepRead(r, out)
	}
	c, err := kv.Decode(op.Body)
	if err != nil {
		return nil
	}
	if out.Unknown {
		return stepUnknown(r, &c)
	}
	result, ok := decodeResult(out.Result)
	if !ok {
		return nil
	}
	return stepWrite(r, &c, result)
}

func stepRead(r register, out sim.Outcome) []any {
	if out.Unknown {
		return []any{r}
	}
	version, value, found := decodeItem(out.Result)
	if found != r.exists || value != r.value {
		return nil
	}
	return seen(r, version)
}

// seen is the state once somebody saw its version: none if it had another one.
func seen(r register, version uint64) []any {
	if r.exists && r.version == 0 && version != 0 {
		r.version = version
	}
	if r.version != version {
		return nil
	}
	return []any{r}
}

// holds tells whether the condition may hold and whether it may not: both if that depends on a version that nobody saw.
func holds(condition kv.Condition, r register) (yes, no bool) {
	switch condition.Kind {
	case kv.IfExists:
		yes = r.exists
	case kv.IfAbsent:
		yes = !r.exists
	case kv.IfVersion:
		if r.exists && r.version == 0 {
			return true, true
		}
		yes = r.exists && r.version == uint64(condition.Version)
	default:
		yes = true
	}
	return yes, !yes
}

// tooLarge tells whether the append would exceed the limit.
func tooLarge(r register, c *kv.Command) bool {
	return c.Op == kv.Append && len(r.value)+len(c.Value) > kv.MaxValueBytes
}

// done is the state behind a write that was done at an index, 0 if nobody saw which.
func done(r register, c *kv.Command, index uint64) register {
	switch c.Op {
	case kv.Delete:
		return register{}
	case kv.Append:
		return register{true, r.value + string(c.Value), index}
	}
	return register{true, string(c.Value), index}
}

func stepUnknown(r register, c *kv.Command) (next []any) {
	yes, no := holds(c.If, r)
	if no || tooLarge(r, c) {
		next = append(next, r)
	}
	if yes && !tooLarge(r, c) {
		next = append(next, done(r, c, 0))
	}
	return next
}

func stepWrite(r register, c *kv.Command, result kv.Result) []any {
	yes, no := holds(c.If, r)
	if yes && c.If.Kind == kv.IfVersion && result.Code != kv.ConditionFalse {
		r.version = uint64(c.If.Version)
	}
	index := uint64(result.Index)
	switch result.Code {
	case kv.Done:
		if yes && !tooLarge(r, c) && index > r.version {
			return []any{done(r, c, index)}
		}
	case kv.ConditionFalse:
		if no && !(c.If.Kind == kv.IfVersion && result.Version == c.If.Version) {
			return seen(r, uint64(result.Version))
		}
	case kv.ValueTooLarge:
		if yes && tooLarge(r, c) {
			return []any{r}
		}
	}
	return nil
}

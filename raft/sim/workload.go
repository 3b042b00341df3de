package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/anishathalye/porcupine"
)

// StoreWorkload asks a [Store] for puts, appends, compare-and-sets and gets. What is put and appended is unique, so a value that was
// read tells who wrote it; but for the keys of compare-and-sets, whose values are few, so that some succeed. The keys change
// as clients go on, so that no history of one key gets long.
type StoreWorkload struct{}

// opsPerKeys is how many operations a client does before it goes on to other keys.
const opsPerKeys = 40

// Next gives one operation.
func (StoreWorkload) Next(rng *rand.Rand, clients *Clients, client, seq uint64) Operation {
	epoch, number := seq/opsPerKeys, rng.IntN(clients.Keys)
	swap := number%3 == 2 || clients.Keys == 1 && epoch%2 == 1
	key := fmt.Appendf(make([]byte, 0, 12), "k%d.%d", epoch, number)
	if rng.IntN(1000) < clients.Reads {
		return Operation{Read: true, Body: key}
	}
	c := command{client: client, seq: seq, key: key}
	switch dice := rng.IntN(4); {
	case swap && dice > 0:
		c.op, c.expected, c.value = opCAS, small(rng), small(rng)
	case swap:
		c.op, c.value = opPut, small(rng)
	default:
		c.op, c.value = opAppend, unique(client, seq, clients.ValueBytes)
		if dice == 0 {
			c.op = opPut
		}
	}
	return Operation{Body: c.encode()}
}

func small(rng *rand.Rand) []byte { return []byte{'0' + byte(rng.IntN(3))} }

// unique gives about size bytes that nobody else writes.
func unique(client, seq uint64, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size+16), "[%d.%d", client, seq)
	for len(b) < size {
		b = append(b, '-')
	}
	return append(b, ']')
}

// modelState is one key in the model.
type modelState struct {
	exists bool
	value  string
}

// StoreModel is the sequential store that histories of [StoreWorkload] have to fit, one key at a time.
func StoreModel() porcupine.Model {
	return porcupine.Model{
		Partition: PartitionBy(operationKey),
		Init:      func() any { return modelState{} },
		Step: func(state, input, output any) (bool, any) {
			return stepStore(state.(modelState), input.(Operation), output.(Outcome))
		},
		Hash: func(state any) uint64 {
			s := state.(modelState)
			h := rollingHash(uint64(len(s.value)), []byte(s.value[max(0, len(s.value)-24):]))
			if s.exists {
				h++
			}
			return h
		},
		DescribeOperation: func(input, output any) string { return describeOperation(input.(Operation), output.(Outcome)) },
	}
}

func operationKey(op Operation) string {
	if op.Read {
		return string(op.Body)
	}
	c, _ := decodeCommand(op.Body)
	return string(c.key)
}

// PartitionBy takes a history apart for a Model in which each operation concerns one key: the parts are judged one by one, which is far
// cheaper. They keep the order in which the keys first came.
func PartitionBy(key func(Operation) string) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		places := make(map[string]int, 64)
		for _, op := range history {
			key := key(op.Input.(Operation))
			place, known := places[key]
			if !known {
				place = len(parts)
				places[key] = place
				parts = append(parts, nil)
			}
			parts[place] = append(parts[place], op)
		}
		return parts
	}
}

func stepStore(s modelState, op Operation, out Outcome) (bool, modelState) {
	if op.Read {
		if out.Unknown {
			return true, s
		}
		if !s.exists {
			return out.Result[0] == statusAbsent, s
		}
		return out.Result[0] == statusOK && string(out.Result[resultHead:]) == s.value, s
	}
	c, _ := decodeCommand(op.Body)
	holds := c.op != opCAS || s.exists && s.value == string(c.expected)
	if !out.Unknown && holds != (out.Result[0] == statusOK) {
		return false, s
	}
	switch {
	case !holds:
		return true, s
	case c.op == opAppend:
		return true, modelState{true, s.value + string(c.value)}
	}
	return true, modelState{true, string(c.value)}
}

func describeOperation(op Operation, out Outcome) string {
	text := "get " + string(op.Body)
	if !op.Read {
		c, _ := decodeCommand(op.Body)
		words := [...]string{opPut: "put", opAppend: "append", opCAS: "cas"}
		text = fmt.Sprintf("%s %s %.20s %.20s", words[c.op], c.key, c.expected, c.value)
	}
	switch {
	case out.Unknown:
		return text + ": unknown"
	case len(out.Result) < resultHead:
		return text + ": no result"
	}
	return fmt.Sprintf("%s: %c at %d %.60q", text, out.Result[0], resultIndex(out.Result), out.Result[resultHead:])
}

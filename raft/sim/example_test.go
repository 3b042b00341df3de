package sim_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/raftnode/raft/raft/sim"
)

// counter is a state machine of one's own: commands add to a sum, queries read it. A command is the client, its seq and the number, in
// eight bytes each. It knows no sessions, so its clients do not try again.
type counter struct{ sum uint64 }

func (c *counter) Apply(_ uint64, command []byte) []byte {
	c.sum += binary.BigEndian.Uint64(command[16:])
	return c.Snapshot()
}

func (c *counter) Query([]byte) []byte { return c.Snapshot() }
func (c *counter) Snapshot() []byte    { return binary.BigEndian.AppendUint64(nil, c.sum) }
func (c *counter) Digest() uint64      { return c.sum }

func (c *counter) Restore(snapshot []byte) error {
	if len(snapshot) != 8 {
		return errors.New("a counter is eight bytes")
	}
	c.sum = binary.BigEndian.Uint64(snapshot)
	return nil
}

// adding is what its clients do.
type adding struct{}

func (adding) Next(rng *rand.Rand, _ *sim.Clients, client, seq uint64) sim.Operation {
	if rng.IntN(3) == 0 {
		return sim.Operation{Read: true}
	}
	body := binary.BigEndian.AppendUint64(nil, client)
	body = binary.BigEndian.AppendUint64(body, seq)
	return sim.Operation{Body: binary.BigEndian.AppendUint64(body, 1+rng.Uint64N(9))}
}

// whose tells the commands apart.
func whose(command []byte) (client, seq uint64) {
	return binary.BigEndian.Uint64(command), binary.BigEndian.Uint64(command[8:])
}

// counterModel says what a counter would answer.
var counterModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		sum, op, out := state.(uint64), input.(sim.Operation), output.(sim.Outcome)
		if !op.Read {
			sum += binary.BigEndian.Uint64(op.Body[16:])
		}
		return out.Unknown || binary.BigEndian.Uint64(out.Result) == sum, sum
	},
}

func TestCounter(t *testing.T) {
	sim.Test(t, sim.Options{
		Seeds:  60,
		System: sim.System{Machine: func() sim.Machine { return &counter{} }, Workload: adding{}, Once: whose, Model: &counterModel},
		Adjust: func(p *sim.Plan) { p.Duration = min(p.Duration, 5*time.Second) },
	})
}

// forgetful is a counter whose snapshots lose something.
type forgetful struct{ counter }

func (f *forgetful) Snapshot() []byte { return binary.BigEndian.AppendUint64(nil, f.sum/2) }

// notes collects what Test reports.
type notes struct{ failures, logs []string }

func (*notes) Helper() {}
func (n *notes) Errorf(format string, args ...any) {
	n.failures = append(n.failures, fmt.Sprintf(format, args...))
}

func (n *notes) Logf(format string, args ...any) {
	n.logs = append(n.logs, fmt.Sprintf(format, args...))
}

// A state machine that is wrong is found, and the plan is made smaller.
func TestWrongStateMachineIsFound(t *testing.T) {
	var n notes
	sim.Test(&n, sim.Options{
		Seeds:  100,
		System: sim.System{Machine: func() sim.Machine { return &forgetful{} }, Workload: adding{}},
		Shrink: 50,
	})
	if len(n.failures) == 0 || len(n.logs) == 0 {
		t.Fatalf("%d failures, %d smaller plans", len(n.failures), len(n.logs))
	}
}

func ExampleRun() {
	plan := sim.Draw(42)
	a, b := sim.Run(plan, sim.RunOptions{}), sim.Run(plan, sim.RunOptions{})
	fmt.Println(a.Failure == nil, a.Hash == b.Hash)
	// Output: true true
}

package kvsim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/sim"
)

// counting is the machine, and counts what became of commands.
type counting struct {
	sim.Machine
	seen *[6][4]atomic.Uint64 // by ResultCode, by ConditionKind
}

func (m counting) Apply(index uint64, command []byte) []byte {
	result := m.Machine.Apply(index, command)
	if r, ok := decodeResult(result); ok {
		c, _ := kv.Decode(command)
		m.seen[r.Code][c.If.Kind].Add(1)
	}
	return result
}

// The store as servers run it survives whatever the simulator does to the cluster; and what is to be tried is tried: each condition
// holds for some and not for others.
func TestSeeds(t *testing.T) {
	var seen [6][4]atomic.Uint64
	system := System()
	machine := system.Machine
	system.Machine = func() sim.Machine { return counting{machine(), &seen} }
	var cover sim.Coverage
	for seed := uint64(1); seed <= 80; seed++ {
		r := sim.Run(sim.Draw(seed), sim.RunOptions{System: system})
		if r.Failure != nil {
			t.Fatalf("%v", r.Failure)
		}
		if r.Undecided {
			t.Fatalf("seed %d was not decided", seed)
		}
		cover.Add(r.Coverage)
	}
	for _, s := range []sim.State{sim.SnapshotInstalled, sim.RepeatApplied, sim.LeaderWithOldTail} {
		if cover[s] == 0 {
			t.Errorf("no seed has seen: %v", s)
		}
	}
	for kind := range kv.IfAbsent + 1 {
		if seen[kv.Done][kind].Load() == 0 || kind != kv.Always && seen[kv.ConditionFalse][kind].Load() == 0 {
			t.Errorf("condition %d held %d times, and %d times it did not", kind, seen[kv.Done][kind].Load(), seen[kv.ConditionFalse][kind].Load())
		}
	}
	for _, code := range []kv.ResultCode{kv.SessionUnknown, kv.BadCommand} {
		for kind := range seen[code] {
			if n := seen[code][kind].Load(); n > 0 {
				t.Errorf("%d commands ended with code %d: the clients are wrong", n, code)
			}
		}
	}
}

// Plans that once failed are run for ever.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := sim.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if r := sim.Run(plan, sim.RunOptions{System: System()}); r.Failure != nil || r.Undecided {
				t.Errorf("%v, undecided %t", r.Failure, r.Undecided)
			}
		})
	}
}

// forgetful loses the session table with each snapshot.
type forgetful struct{ *machine }

func (m forgetful) Restore(snapshot []byte) error {
	if err := m.machine.Restore(snapshot); err != nil {
		return err
	}
	fresh := kv.NewStore()
	entries, _, at := m.store.List("", "", 1<<30)
	for _, e := range entries {
		item, _, _ := m.store.Get(e.Key)
		body, err := kv.Command{Op: kv.Put, Key: e.Key, Value: item.Value}.Encode()
		if err != nil {
			return err
		}
		fresh.Apply([]raft.Command{{Index: item.Version, Term: theTerm, Value: body}})
	}
	fresh.Apply([]raft.Command{{Index: at.Index, Term: theTerm, Value: []byte{}}})
	m.store = fresh
	return nil
}

func TestALostSessionTableIsFound(t *testing.T) {
	system := System()
	system.Machine = func() sim.Machine { return forgetful{&machine{kv.NewStore()}} }
	for seed := uint64(1); seed <= 200; seed++ {
		if r := sim.Run(sim.Draw(seed), sim.RunOptions{System: system}); r.Failure != nil {
			return
		}
	}
	t.Error("200 seeds have not found it")
}

func TestModel(t *testing.T) {
	write := func(op kv.Op, value string, condition kv.Condition) sim.Operation {
		body, err := kv.Command{Op: op, Key: "k", Value: []byte(value), If: condition, Client: "c1", Seq: 1}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return sim.Operation{Body: body}
	}
	result := func(code kv.ResultCode, index, version raft.Index) sim.Outcome {
		return sim.Outcome{Result: encodeResult(kv.Result{Code: code, Index: index, Version: version})}
	}
	get := sim.Operation{Read: true, Body: []byte("k")}
	item := func(version byte, value string) sim.Outcome {
		return sim.Outcome{Result: append([]byte{version}, value...)}
	}
	unknown := sim.Outcome{Unknown: true}
	ifSeven := kv.Condition{Kind: kv.IfVersion, Version: 7}
	ifThere := kv.Condition{Kind: kv.IfExists}
	none := kv.Condition{}
	there, unseen := register{true, "x", 7}, register{true, "x", 0}
	for i, c := range []struct {
		before register
		op     sim.Operation
		out    sim.Outcome
		after  []any
	}{
		{there, get, item(7, "x"), []any{there}},
		{there, get, item(6, "x"), nil},
		{there, get, item(7, "y"), nil},
		{there, get, sim.Outcome{}, nil},
		{unseen, get, item(7, "x"), []any{there}},
		{register{}, get, sim.Outcome{}, []any{register{}}},
		{register{}, get, item(7, "x"), nil},
		{there, write(kv.Append, "y", none), result(kv.Done, 9, 0), []any{register{true, "xy", 9}}},
		{there, write(kv.Append, "y", none), result(kv.Done, 5, 0), nil}, // indexes grow
		{there, write(kv.Put, "y", none), result(kv.Done, 9, 0), []any{register{true, "y", 9}}},
		{there, write(kv.Delete, "", none), result(kv.Done, 9, 0), []any{register{}}},
		{there, write(kv.Put, "y", ifSeven), result(kv.Done, 9, 0), []any{register{true, "y", 9}}},
		{there, write(kv.Put, "y", ifSeven), result(kv.ConditionFalse, 9, 7), nil},
		{unseen, write(kv.Put, "y", ifSeven), result(kv.Done, 9, 0), []any{register{true, "y", 9}}},
		{unseen, write(kv.Put, "y", ifSeven), result(kv.ConditionFalse, 9, 8), []any{register{true, "x", 8}}},
		{unseen, write(kv.Put, "y", ifSeven), result(kv.ConditionFalse, 9, 7), nil},
		{unseen, write(kv.Put, "y", ifSeven), unknown, []any{unseen, register{true, "y", 0}}},
		{register{}, write(kv.Put, "y", ifThere), unknown, []any{register{}}},
		{register{}, write(kv.Put, "y", ifThere), result(kv.ConditionFalse, 9, 0), []any{register{}}},
		{register{}, write(kv.Put, "y", ifThere), result(kv.Done, 9, 0), nil},
		{there, write(kv.Put, "y", none), result(kv.SessionUnknown, 9, 0), nil},
		{there, write(kv.Put, "y", none), sim.Outcome{}, nil},
	} {
		if got := step(c.before, c.op, c.out); fmt.Sprint(got) != fmt.Sprint(c.after) {
			t.Errorf("case %d: %+v becomes %+v, want %+v", i, c.before, got, c.after)
		}
	}
}

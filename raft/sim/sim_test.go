package sim

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	seeds    = flag.Int("seeds", 2000, "how many seeds TestHunt tries")
	from     = flag.Uint64("from", 1, "the first of them")
	all      = flag.Bool("all", false, "TestHunt goes on after what it finds")
	shrink   = flag.Int("shrink", 0, "how many runs TestHunt may take to make a plan smaller that fails")
	oneSeed  = flag.Uint64("seed", 0, "TestHunt runs only this seed, and prints its timeline")
	messages = flag.Bool("messages", false, "with -seed: the messages, too")
)

// TestHunt runs many clusters, until it finds something. It is also what the mutants of the algorithm are hunted with.
func TestHunt(t *testing.T) {
	if *oneSeed != 0 {
		tell(t, Draw(*oneSeed))
		return
	}
	n := *seeds
	if testing.Short() {
		n = min(n, 200)
	}
	var events uint64
	var virtual time.Duration
	var cover Coverage
	tried, completed, unknown := 0, 0, 0
	Search(*from, n, RunOptions{}, func(plan *Plan, r Result) bool {
		tried++
		events += r.Events
		virtual += r.Virtual
		completed += r.Completed
		unknown += r.Unknown
		cover.Add(r.Coverage)
		found(t, tried, plan, r)
		return *all || !t.Failed()
	})
	t.Logf("%d seeds: %d events, %v of virtual time, %d operations with a known outcome and %d without", tried, events, virtual.Round(time.Second), completed, unknown)
	if !t.Failed() && n >= 1000 {
		reached(t, cover)
	}
}

// found reports what a run found.
func found(t *testing.T, tried int, plan *Plan, r Result) {
	t.Helper()
	if r.Undecided {
		t.Errorf("seed %d: its history was not decided in time", plan.Seed)
	}
	if r.Failure == nil {
		return
	}
	t.Errorf("caught after %d seeds: %v\nto see it: go test ./raft/sim -run TestHunt -v -seed %d", tried, r.Failure, plan.Seed)
	if *shrink > 0 {
		t.Log(describeShrunk(Shrink(plan, RunOptions{}, *shrink)))
	}
}

// reached: the seeds reach every state that is counted. What is never reached is never tested.
func reached(t *testing.T, cover Coverage) {
	for i, n := range cover {
		t.Logf("%-28s %d", State(i), n)
		if n == 0 {
			t.Errorf("no seed reaches the state %q", State(i))
		}
	}
}

// tell runs a plan and prints its timeline.
func tell(t *testing.T, plan *Plan) {
	t.Logf("%s", plan.Encode())
	timeline := Timeline{Messages: *messages}
	r := Run(plan, RunOptions{Trace: timeline.Note})
	if err := timeline.Draw(os.Stdout); err != nil {
		t.Error(err)
	}
	if r.Failure != nil {
		t.Errorf("%v", r.Failure)
	}
	t.Logf("hash %x, %d events, %v, %d committed", r.Hash, r.Events, r.Virtual, r.Committed)
}

// A run is a function of its plan: the same plan gives the same run, event for event, also after it was written and read.
func TestRunsAreRepeatable(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		plan := Draw(seed)
		again, err := Decode(plan.Encode())
		if err != nil {
			t.Fatal(err)
		}
		a, b := Run(plan, RunOptions{}), Run(again, RunOptions{})
		if a.Hash != b.Hash || a.Events != b.Events || a.Virtual != b.Virtual {
			t.Errorf("seed %d: the first run has hash %x, %d events, the second %x, %d", seed, a.Hash, a.Events, b.Hash, b.Events)
		}
	}
	if a, b := Run(Draw(1), RunOptions{}), Run(Draw(2), RunOptions{}); a.Hash == b.Hash {
		t.Error("two seeds give one hash")
	}
}

// Looking on changes nothing.
func TestTraceChangesNothing(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		plan := Draw(seed)
		notes := 0
		a, b := Run(plan, RunOptions{}), Run(plan, RunOptions{Trace: func(Note) { notes++ }})
		if a.Hash != b.Hash || notes == 0 {
			t.Errorf("seed %d: hash %x, and with a trace of %d notes %x", seed, a.Hash, notes, b.Hash)
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
			plan, err := Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if r := Run(plan, RunOptions{}); r.Failure != nil {
				t.Error(r.Failure)
			}
		})
	}
}

// TestEveryLinkSet: three servers have six directed links. Whichever of them are cut, if two servers still hear each other the
// cluster lives, whoever led before.
func TestEveryLinkSet(t *testing.T) {
	pairs := [...][2]int{{0, 1}, {0, 2}, {1, 0}, {1, 2}, {2, 0}, {2, 1}}
	live := 0
	for cut := range 64 {
		links := [3][3]bool{}
		var actions []Action
		for i, pair := range pairs {
			links[pair[0]][pair[1]] = cut>>i&1 == 0
			if cut>>i&1 == 1 {
				actions = append(actions, Action{At: time.Second, For: time.Hour, Kind: Cut, From: 1 << pair[0], To: 1 << pair[1]})
			}
		}
		for _, pair := range pairs[:4] {
			a, b := pair[0], pair[1]
			if a > b || !links[a][b] || !links[b][a] {
				continue
			}
			live++
			for seed := range uint64(8) {
				plan := calm(3)
				plan.Seed, plan.Actions, plan.Quorum = seed, actions, 1<<a|1<<b
				if r := Run(plan, RunOptions{}); r.Failure != nil {
					t.Errorf("links cut: %06b, seed %d: %v", cut, seed, r.Failure)
				}
			}
		}
	}
	if live != 48 {
		t.Errorf("%d pairs of servers were looked at, want 3 pairs with 16 sets of other links each", live)
	}
}

// calm is a plan without chance, but for delays.
func calm(servers int) *Plan {
	return &Plan{
		Servers: servers, Duration: 4 * time.Second,
		Raft: Raft{
			HeartbeatInterval: 50 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond,
			Noop: true, PreVote: true, CheckQuorum: true,
		},
		Network: Network{Delay: 5 * time.Millisecond},
		Disk:    Disk{Delay: 5 * time.Millisecond, Group: true},
		Clients: Clients{Number: 3, Think: 50 * time.Millisecond, Timeout: 500 * time.Millisecond, Attempts: 10, Reads: 300, Keys: 3, ValueBytes: 5},
	}
}

func TestPlansThatCannotBeRunAreRefused(t *testing.T) {
	for name, change := range map[string]func(p *Plan){
		"no servers":      func(p *Plan) { p.Servers = 0 },
		"too many":        func(p *Plan) { p.Servers = 100 },
		"no heartbeat":    func(p *Plan) { p.Raft.HeartbeatInterval = 0 },
		"no clients":      func(p *Plan) { p.Clients.Number = 0 },
		"no keys":         func(p *Plan) { p.Clients.Keys = 0 },
		"a clock stands":  func(p *Plan) { p.Clocks = []Clock{{}} },
		"longer than all": func(p *Plan) { p.Duration = 100 * time.Hour },
	} {
		plan := calm(3)
		change(plan)
		if _, err := Decode(plan.Encode()); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	for _, text := range []string{"", "{", `{"seed": -1}`, `{"unknown": 1}`, `{"actions":[{"from":"x"}]}`} {
		if _, err := Decode([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "sim: ") {
			t.Errorf("%q: got error %v", text, err)
		}
	}
}

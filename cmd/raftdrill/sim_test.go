package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/raftnode/raft/raft/sim"
)

// drill runs a command line against a system.
func drill(t *testing.T, system sim.System, args string) (code int, out, talk string) {
	t.Helper()
	var o, e bytes.Buffer
	root := newRootWith(func(bool) sim.System { return system })
	code = executeCommand(t.Context(), root, strings.Fields(args), nil, &o, &e)
	return code, o.String(), e.String()
}

// broken is a machine that counts the commands it applied in a place that no snapshot has: once somebody restores one, states differ.
type broken struct {
	sim.Machine
	applied uint64
}

func (b *broken) Apply(index uint64, command []byte) []byte {
	b.applied++
	return b.Machine.Apply(index, command)
}

func (b *broken) Digest() uint64 { return b.Machine.Digest() ^ b.applied }

func brokenSystem() sim.System {
	model := sim.StoreModel()
	return sim.System{Machine: func() sim.Machine { return &broken{Machine: sim.NewStore()} }, Workload: sim.StoreWorkload{}, Model: &model}
}

func TestSimUsage(t *testing.T) {
	for args, says := range map[string]string{
		"sim 7":                             "give --seed 7\nSee `raftdrill sim --help`.",
		"sim seven":                         `"seven" is no flag`,
		"sim --frob":                        "See `raftdrill sim --help`.",
		"run nothing":                       "See `raftdrill run --help`.",
		"sim --seeds 0":                     "--seeds 0: give 1 or more",
		"sim --seeds many":                  "--seeds",
		"sim --workers 0":                   "--workers 0: give 1 to 1024",
		"sim --seed -1":                     "--seed",
		"sim --seed 1 --seeds 3":            "choose",
		"sim --seed 1 --plan x":             "exclude each other",
		"sim --trace":                       "say which with --seed or --plan",
		"sim --hash":                        "say which with --seed or --plan",
		"sim --seed 1 --messages":           "give both",
		"sim --seed 1 --trace -o json":      "leave --trace out",
		"sim -o yaml":                       "give table or json",
		"sim --seed 1 --trace --width 10":   "give 60 to 1000",
		"sim --from 18446744073709551615":   "the numbers run out",
		"sim --plan " + t.TempDir() + "/no": "no such file",
	} {
		code, out, talk := drill(t, sim.System{}, args)
		if code != exitUsage || !strings.Contains(talk, says) || out != "" {
			t.Errorf("raftdrill %s: exit %d, %q and %q, want 64 and %q", args, code, out, talk, says)
		}
	}
	bad := filepath.Join(t.TempDir(), "plan.json")
	for text, says := range map[string]string{"{": "this is no plan", `{"servers": 99}`: "the plan has 99 servers"} {
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, talk := drill(t, sim.System{}, "sim --plan "+bad); code != exitUsage || !strings.Contains(talk, says) {
			t.Errorf("plan %s: exit %d, %q, want %q", text, code, talk, says)
		}
	}
}

func TestSimPasses(t *testing.T) {
	code, out, _ := drill(t, systems(false), "sim --seeds 20 --from 5 --workers 3 --out "+t.TempDir())
	if code != exitPass || !strings.HasSuffix(out, "\n\nverdict: PASS\n") {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	for _, want := range []string{`seeds +20: 5 to 24; [\d.]+/s, 3 at a time`, `simulated +\d+m`, `leader with old tail +\d+ +[\d.]+ %`, `not reached`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colour in what is no terminal")
	}
}

func TestASeedRunTwiceSaysSo(t *testing.T) {
	for args, want := range map[string]bool{"sim --seed 7 --twice": true, "sim --seed 7": false} {
		code, out, _ := drill(t, systems(false), args)
		if code != exitPass || strings.Contains(out, "run twice, hashes equal") != want {
			t.Errorf("%s: exit %d:\n%s", args, code, out)
		}
	}
}

func TestSimInJSON(t *testing.T) {
	code, out, _ := drill(t, systems(true), "sim --seeds 5 --kv -o json")
	var r resultJSON
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if code != exitPass || r.Verdict != "PASS" || r.Done != 5 || r.Events == 0 || r.SimulatedSeconds == 0 || len(r.Coverage) < 20 || r.Failure != nil {
		t.Errorf("exit %d: %+v", code, r)
	}
}

func TestSimInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, talk bytes.Buffer
	code := executeCommand(ctx, newRoot(), strings.Fields("sim --seeds 1000000000"), nil, &out, &talk)
	if code != exitUndecided || !regexp.MustCompile(`verdict: UNKNOWN interrupted after \d+ of 1000000000 seeds`).MatchString(out.String()) {
		t.Errorf("exit %d: %s%s", code, out.String(), talk.String())
	}
}

func TestWhatIsUndecidedIsNeverGreen(t *testing.T) {
	one := &tally{seeds: 2}
	one.add(trial{plan: sim.Draw(1)})
	one.add(trial{plan: sim.Draw(2), result: sim.Result{Undecided: true}})
	if text, code := one.verdict(); code != exitUndecided || !strings.HasPrefix(text, "UNKNOWN") || !strings.HasSuffix(text, "seed 2") {
		t.Errorf("exit %d: %s", code, text)
	}
	one.add(trial{plan: sim.Draw(3), result: sim.Result{Failure: &sim.Failure{Seed: 3, Invariant: "X"}}})
	if text, code := one.verdict(); code != exitBroken || text != "FAIL seed 3: X is violated" {
		t.Errorf("exit %d: %s", code, text)
	}
}

// A failure from its seed to the plan that repeats it.
func TestSimFails(t *testing.T) {
	dir := t.TempDir()
	code, out, talk := drill(t, brokenSystem(), "sim --seeds 200 --out "+dir)
	if code != exitBroken || !regexp.MustCompile(`\nverdict: FAIL seed \d+: State Machine Safety is violated\n$`).MatchString(out) {
		t.Fatalf("exit %d:\n%s%s", code, out, talk)
	}
	for _, want := range []string{
		`fact +behind index \d+`, `but +n\d+ restored`, `again +raftdrill sim --seed \d+ --trace`, `smaller +\d+ actions?, \d servers?, .* it was `,
		`keep it +mv \S+ raft/sim/testdata/plans/ `,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	plans, err := filepath.Glob(filepath.Join(dir, "seed-*.json"))
	if err != nil || len(plans) != 1 {
		t.Fatalf("saved: %v, %v", plans, err)
	}
	small, err := load(plans[0])
	if err != nil {
		t.Fatal(err)
	}
	if drawn := sim.Draw(small.Seed); len(small.Actions) > len(drawn.Actions)/2 || small.Network.Loss != 0 {
		t.Errorf("the plan has %s, drawn were %s", size(small), size(drawn))
	}
	code, out, _ = drill(t, brokenSystem(), "sim --trace --plan "+plans[0])
	if code != exitBroken || !strings.Contains(out, "── State Machine Safety is violated") {
		t.Errorf("the plan again: exit %d:\n%s", code, out)
	}
	if code, out, _ = drill(t, systems(false), "sim --plan "+plans[0]); code != exitPass {
		t.Errorf("the plan with a machine that is not broken: exit %d:\n%s", code, out)
	}
}

func TestSimFailsInJSON(t *testing.T) {
	code, out, _ := drill(t, brokenSystem(), "sim --no-shrink --seeds 200 -o json --out "+t.TempDir())
	var r resultJSON
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	f := r.Failure
	if code != exitBroken || f == nil || f.Invariant != "State Machine Safety" || f.Shrunk != "" || !strings.HasPrefix(r.Verdict, "FAIL seed") {
		t.Fatalf("exit %d: %s", code, out)
	}
	if plan, err := load(f.File); err != nil || string(plan.Encode()) != string(sim.Draw(f.Seed).Encode()) {
		t.Errorf("the plan that was saved is not the one that was drawn: %v", err)
	}
}

// moody is a workload that goes on where the last run left it.
type moody struct{ asked *int }

func (m moody) Next(rng *rand.Rand, clients *sim.Clients, client, seq uint64) sim.Operation {
	knobs := *clients
	*m.asked++
	knobs.Reads = *m.asked * 7 % 1000
	return sim.StoreWorkload{}.Next(rng, &knobs, client, seq)
}

func TestTwiceFindsWhatIsNotDeterministic(t *testing.T) {
	system := sim.System{Workload: moody{new(int)}, Machine: func() sim.Machine { return sim.NewStore() }}
	code, out, _ := drill(t, system, "sim --seed 10 --twice --out "+t.TempDir())
	if code != exitBroken || !strings.Contains(out, "verdict: FAIL seed 10: Determinism is violated\n") || !strings.Contains(out, "raftdrill sim --twice --seed 10") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if code, out, _ := drill(t, systems(true), "sim --seeds 5 --twice --kv"); code != exitPass || !strings.Contains(out, "each twice") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// eventful is the first seed whose plan has so many servers, and some actions.
func eventful(servers, actions int) uint64 {
	for seed := uint64(1); ; seed++ {
		if p := sim.Draw(seed); p.Servers == servers && len(p.Actions) >= actions && len(p.Actions) <= 4*actions {
			return seed
		}
	}
}

func TestOneSeedInWords(t *testing.T) {
	seed := eventful(3, 9)
	args := fmt.Sprintf("sim --hash --seed %d", seed)
	_, first, _ := drill(t, systems(false), args)
	code, out, _ := drill(t, systems(false), args)
	for _, want := range []string{fmt.Sprintf(`^seed %d\n`, seed), `cluster +\d servers, election timeout`, `clients +\d`, `faults +\d+ actions in`, `\n +\d+\.\d  \w+`, `hash +[0-9a-f]{16}\n`, `verdict: PASS\n$`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("exit %d; it does not say %q:\n%s", code, want, out)
		}
	}
	hash := regexp.MustCompile(`hash +(\S+)`)
	if a, b := hash.FindString(first), hash.FindString(out); a != b {
		t.Errorf("hashes of one seed: %s, %s", a, b)
	}
}

func TestTimeline(t *testing.T) {
	for _, c := range []struct{ servers, width int }{{3, 80}, {3, 120}, {5, 160}, {7, 80}} {
		for _, more := range []string{"", " --messages"} {
			args := fmt.Sprintf("sim --trace --seed %d --width %d%s", eventful(c.servers, 5), c.width, more)
			code, out, _ := drill(t, systems(false), args)
			if code != exitPass || !regexp.MustCompile(`L\d+ .*LEADS`).MatchString(out) || strings.Contains(out, "\x1b") {
				t.Errorf("%s: exit %d:\n%.3000s", args, code, out)
			}
			for line := range strings.Lines(out) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > c.width && !strings.HasPrefix(line, "L3 leads") {
					t.Errorf("%s: a line has %d characters: %s", args, n, line)
				}
			}
			if got := strings.Contains(out, "heartbeat"); got != (more != "") {
				t.Errorf("%s: messages are shown: %t", args, got)
			}
		}
	}
}

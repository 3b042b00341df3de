package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
	"github.com/raftnode/raft/wal"
)

func TestCommandLine(t *testing.T) {
	for line, says := range map[string]string{
		"-window 0s": "above 0", "-failovers 0": "above 0", "x": "no arguments", "-frob": "not defined", "-studies log,frob": `no study "frob"`,
		"-entries 10x": "like 500, 10k or 1M", "-entries 1": "from 100", "-keys 11M": "to 10M", "-keys 1,,2": "is not a number", "-behind 1k,2k": "one number", "-keys 9999999999999999999k": "is not",
	} {
		if _, err := parse(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", line, err, says)
		}
	}
	s, err := parse(nil)
	if err != nil || len(s.chosen) != len(studies()) || s.behind != 1_000_000 || !slices.Equal(s.keys, []int{10_000, 100_000, 1_000_000, 10_000_000}) || s.failovers != 50 {
		t.Errorf("%v, %+v", err, s)
	}
	s, err = parse(strings.Fields("-quick -failovers 7 -studies reads,log -entries 1M,500,500"))
	if err != nil || s.failovers != 7 || s.window != time.Second || s.behind != 100_000 || !slices.Equal(s.entries, []int{500, 1_000_000}) ||
		len(s.chosen) != 2 || s.chosen[0].name != "log" {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[int]string{100: "100", 1_000: "1k", 1_500: "1.5k", 1_234: "1234", 1_000_000: "1M", 2_500_000: "2.5M", 10_000_000: "10M"} {
		if got := count(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}

// Bounded: no study can run for ever, and all together not for much longer than -help says.
func TestEachStudyEnds(t *testing.T) {
	var sum time.Duration
	for _, s := range studies() {
		if s.limit <= 0 || s.run == nil || len(s.columns) == 0 {
			t.Errorf("%+v", s)
		}
		sum += s.limit
	}
	if sum > 30*time.Minute {
		t.Error(sum)
	}
}

// What is put together without the log's middle is what a store has that applied all of it.
func TestTheStateIsThatOfTheWholeLog(t *testing.T) {
	for _, test := range []struct{ keys, upTo int }{{300, 200}, {300, 300}, {300, 5000}, {1000, 1100}, {5000, 5000}} {
		h := newHistory(test.keys, 16)
		store := kv.NewStore()
		for i := consensus.Index(1); i <= consensus.Index(test.upTo); i++ {
			entry, err := h.entry(i)
			if err != nil {
				t.Fatal(err)
			}
			if result := store.Apply([]raft.Command{{Index: i, Term: 1, Value: entry.Data}})[0].(*kv.Result); result.Code != kv.Done {
				t.Fatalf("%+v: entry %d: %+v", test, i, result)
			}
		}
		want, err := store.Snapshot()()
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.state(consensus.Index(test.upTo))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%+v: another state", test)
		}
	}
}

// The keys are those that package load reads and writes.
func TestKeysAreThoseOfTheLoad(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	b := &bench{settings: settings{window: time.Second}}
	err := load.Fill(t.Context(), load.Blocking(func(_ context.Context, op load.Op) error {
		mu.Lock()
		defer mu.Unlock()
		seen[op.Key] = true
		return nil
	}), b.config(1234, 1, 0))
	if err != nil || len(seen) != 1234 || !seen[key(0)] || !seen[key(1233)] {
		t.Errorf("%v, %d keys", err, len(seen))
	}
}

// A directory that is prepared holds what it should, as package wal finds it.
func TestPrepare(t *testing.T) {
	b := &bench{work: t.TempDir()}
	c, err := b.cluster(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(500, 16)
	state, err := h.state(600)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.prepare(t.Context(), c, place{last: 9000}, place{state: state, snapshot: 600, last: 700}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []place{{last: 9000}, {snapshot: 600, last: 700}} {
		log, err := wal.Open(c.Dir(i), wal.Options{Cluster: clusterID, Node: consensus.ServerID(nodeID(i))})
		if err != nil {
			t.Fatal(err)
		}
		saved, err := log.Load()
		if err != nil || len(saved.Entries) != int(want.last-want.snapshot) || saved.Base.Index != want.snapshot || (saved.Snapshot != nil) != (want.snapshot > 0) ||
			saved.HardState.Term != 1 {
			t.Errorf("%v, %d entries behind %d", err, len(saved.Entries), saved.Base.Index)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSummary(t *testing.T) {
	var all []failover
	for i := range 50 {
		all = append(all, failover{elected: time.Duration(50-i) * time.Millisecond, written: time.Duration(100+i) * time.Millisecond})
	}
	r := summary(all)
	for title, want := range map[string]float64{
		"elected, least": 1, "elected, median": 25.5, "elected, p90": 46, "elected, most": 50, "written, least": 100, "written, median": 124.5, "written, p90": 145, "written, most": 149, "kills": 50,
	} {
		if got := r.Values[title]; got != want {
			t.Errorf("%s is %v, want %v", title, got, want)
		}
	}
	if len(r.Raw) != 50 || r.Raw[0] != 100 {
		t.Error(r.Raw)
	}
	for _, c := range failoverColumns {
		if _, ok := r.Values[c.Title]; !ok {
			t.Errorf("nothing of %s", c.Title)
		}
	}
	if one := summary(all[:1]); one.Values["written, median"] != 100 || one.Values["written, p90"] != 100 {
		t.Errorf("%+v", one)
	}
}

// The first write counts that is acknowledged in a later term, and no other.
func TestTheFirstWriteOfALaterTerm(t *testing.T) {
	w := &writing{}
	at := time.Unix(1, 0)
	w.acknowledged(api.Written{Term: 9}, at) // nobody waits
	first := w.first(3)
	w.acknowledged(api.Written{Term: 3}, at)
	w.acknowledged(api.Written{Term: 4}, at.Add(time.Second))
	w.acknowledged(api.Written{Term: 5}, at.Add(time.Minute))
	if got := <-first; !got.Equal(at.Add(time.Second)) || len(first) != 0 {
		t.Error(got)
	}
}

func TestValuesOf(t *testing.T) {
	values := valuesOf(report.Sample{
		Result: load.Result{Took: 2 * time.Second, Done: 1000, All: load.Latency{P50: time.Millisecond, P99: 2 * time.Millisecond, Max: time.Second}, Errors: map[string]int64{"x": 3}},
		Cost:   report.Cost{CPU: time.Second, LeaderRSS: 5 << 20},
	})
	for title, want := range map[string]float64{"operations": 500, "p50": 1, "p99": 2, "longest": 1000, "CPU": 100, "leader's memory": 5, "failed": 3} {
		if got := values[title]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", title, got, want)
		}
	}
}

func TestSpreadTakesTurns(t *testing.T) {
	counts := make([]int, 3)
	s := &spread{}
	for i := range counts {
		s.targets = append(s.targets, starter(func() { counts[i]++ }))
	}
	for range 30 {
		s.Start(t.Context(), load.Op{}, nil)
	}
	if !slices.Equal(counts, []int{10, 10, 10}) {
		t.Error(counts)
	}
}

type starter func()

func (s starter) Start(context.Context, load.Op, func(error)) { s() }

func TestTheStartBarIsThatOfAMillionEntries(t *testing.T) {
	found := report.Study{Rows: []report.Row{
		{Series: "log kept", At: 10_000, Values: map[string]float64{"start": 9}},
		{Series: "log kept", At: barEntries, Values: map[string]float64{"start": 1.4, "one back": 1.6}},
		{Series: "snapshots", At: barEntries, Values: map[string]float64{"start": 9}},
	}}
	addStartBar(&found)
	if len(found.Bars) != 2 || !found.Bars[0].Held || found.Bars[1].Held {
		t.Errorf("%+v", found.Bars)
	}
}

func TestWhatDoesNotFitIsLeftOut(t *testing.T) {
	if note := lacksMemory(1); note != "" {
		t.Error(note)
	}
	if note := lacksMemory(1 << 60); !strings.Contains(note, "left out: it may need") {
		t.Error(note)
	}
}

// A study that fails is part of the report; one that is interrupted ends the run.
func TestAStudyThatFails(t *testing.T) {
	b := &bench{}
	fails := study{name: "x", limit: time.Minute, run: func(*bench, context.Context, *report.Study) error { return errors.New("it fell over") }}
	if err := b.study(t.Context(), fails); err != nil || len(b.report.Studies) != 1 || b.report.Studies[0].Failure != "it fell over" {
		t.Errorf("%v, %+v", err, b.report.Studies)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.study(gone, fails); err == nil {
		t.Error("an interrupted run goes on")
	}
}

// One kill of a real leader, one catching up by a real follower: all that is measured comes out of it.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts real processes")
	}
	ctx := t.Context()
	b := &bench{settings: settings{window: 200 * time.Millisecond, failovers: 1, behind: 1000, entries: []int{1000}}, work: t.TempDir()}
	var err error
	if b.root, err = ground.Root(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ground.Build(ctx, b.root, b.work, "./cmd/raftnode"); err != nil {
		t.Fatal(err)
	}
	for _, s := range studies() {
		if !slices.Contains([]string{"log", "catchup", "failover", "reads"}, s.name) {
			continue
		}
		if err := b.study(ctx, s); err != nil {
			t.Fatal(err)
		}
		found := b.report.Studies[len(b.report.Studies)-1]
		if found.Failure != "" || len(found.Rows) == 0 {
			t.Errorf("%s: %s, %d rows", s.name, found.Failure, len(found.Rows))
		}
		for _, r := range found.Rows {
			if len(r.Values) < 5 {
				t.Errorf("%s: %+v", s.name, r)
			}
		}
	}
}

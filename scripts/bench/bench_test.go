package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/report"
)

// programs builds them once.
var programs = sync.OnceValues(func() (dir string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	here, err := ground.Root(ctx)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(here, "bin", "bench", "test")
	return dir, build(ctx, here, dir)
})

// Every peer elects a leader, takes a write and reads it; and what it costs can be told.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts real processes")
	}
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range allPeers() {
		t.Run(p.name, func(t *testing.T) { smoke(t, p, dir) })
	}
}

func smoke(t *testing.T, p peer, programs string) {
	c, err := cluster.Start(nodes, filepath.Join(programs, p.program), t.TempDir(), p.command)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	leader, err := c.Await(ctx, "a leader", func(ctx context.Context, i int) bool { return p.leads(ctx, c, i) })
	if err != nil {
		t.Fatal(err)
	}
	target, hangUp, err := p.dial(ctx, c, leader)
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp()
	for _, kind := range []load.Kind{load.Put, load.Get} {
		answer := make(chan error, 1)
		target.Start(ctx, load.Op{Kind: kind, Key: "a key", Value: []byte("a value")}, func(err error) { answer <- err })
		if err := <-answer; err != nil {
			t.Errorf("%d: %v", kind, err)
		}
	}
	if usage, err := c.Usage(leader, nil); err != nil || usage.Resident == 0 || usage.LeaderRSS == 0 || usage.DiskBytes == 0 && p.name != "floor" {
		t.Errorf("%v, %+v", err, usage)
	}
	if version, err := p.version(ctx, ".", programs); err != nil || version == "" || strings.Count(version, "v") < len(p.modules) {
		t.Errorf("%v, %q", err, version)
	}
}

func TestCommandLine(t *testing.T) {
	for line, says := range map[string]string{
		"-rounds 0": "above 0", "-window 0s": "above 0", "x": "no arguments", "-frob": "not defined",
	} {
		if _, err := parse(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", line, err, says)
		}
	}
	s, err := parse(nil)
	if err != nil || s.rounds != 3 || s.out != "docs/bench" {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestChoices(t *testing.T) {
	chosen, err := choosePeers("floor,etcd")
	if err != nil || !slices.Equal(names(chosen), []string{"raftnode", "etcd", "floor"}) {
		t.Errorf("%v, %v", err, names(chosen))
	}
	if _, err := choosePeers("etcd,frob"); err == nil || err.Error() != "there is no peer frob" {
		t.Error(err)
	}
	if all, err := choosePeers(""); err != nil || len(all) != len(allPeers()) || all[0].name != "raftnode" {
		t.Errorf("%v, %v", err, names(all))
	}
	workloads, err := chooseWorkloads("writes-128,rate-128", "2,3")
	if err != nil || len(workloads) != 2 || !slices.Equal(workloads[0].Levels, inFlight(2, 3)) || !workloads[1].Open() {
		t.Errorf("%v, %+v", err, workloads)
	}
	for _, levels := range []string{"0", "x", "1,,2"} {
		if _, err := chooseWorkloads("", levels); err == nil {
			t.Errorf("-in-flight %s is taken", levels)
		}
	}
}

// The whole run by default is bounded, as -help says.
func TestTheDefaultTakesHalfAnHour(t *testing.T) {
	s, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{settings: s, peers: allPeers(), report: report.Report{Workloads: allWorkloads()}}
	if got := b.estimate(); b.clusters() != 147 || got < 20*time.Minute || got > 35*time.Minute {
		t.Errorf("%d clusters, %v", b.clusters(), got)
	}
}

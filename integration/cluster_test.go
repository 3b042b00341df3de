package integration

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bounded is a context that ends a test that hangs, long after every test that does not.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newFake(t *testing.T, nodes int, args ...string) *Cluster {
	t.Helper()
	leavesNothing(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCluster(Config{Binary: self, Nodes: nodes, Dir: t.TempDir(), Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func startFake(t *testing.T, nodes int, args ...string) (*Cluster, context.Context) {
	t.Helper()
	c, ctx := newFake(t, nodes, args...), bounded(t)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return c, ctx
}

// alive asks the operating system whether a process of ours exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestClusterStartsAsksAndKills(t *testing.T) {
	c, ctx := startFake(t, 3)
	leader, status, err := c.WaitLeader(ctx, 2)
	if err != nil || leader.ID != "n1" || status.Term != 3 {
		t.Fatalf("leader %v in %+v, %v, want n1 in term 3", leader, status, err)
	}
	if last, err := c.WaitConverged(ctx); err != nil || last != 7 {
		t.Fatalf("converged at %d, %v, want 7", last, err)
	}
	for _, n := range c.Nodes() {
		if err := c.WaitReady(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	pid := leader.PID()
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) || leader.PID() != 0 {
		t.Fatalf("process %d outlived its SIGKILL, or the node still claims it: %d", pid, leader.PID())
	}
	if _, known := leader.PeerAddr(); known {
		t.Fatal("a killed node still has an address: a link would forward to whoever gets that port next")
	}
	if err := c.Crashed(); err != nil {
		t.Fatalf("a node that was killed on purpose counts as crashed: %v", err)
	}
	if err := leader.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if leader.PID() == pid {
		t.Fatal("restarted with the old pid")
	}
	if _, err := c.Status(ctx, leader); err != nil {
		t.Fatalf("a node that was just started does not answer: addresses.json of the incarnation before was believed? %v", err)
	}
}

func TestCloseLeavesNoProcess(t *testing.T) {
	c, _ := startFake(t, 3)
	var pids []int
	for _, n := range c.Nodes() {
		pids = append(pids, n.PID())
	}
	if err := c.Nodes()[1].Pause(); err != nil { // also a stopped one must go
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is left behind", pid)
		}
	}
}

func TestNodeThatWillNotStart(t *testing.T) {
	c := newFake(t, 1, "--fake", "refuses")
	err := c.Start(bounded(t))
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"n1", "exit status 1", "fake: n1: will not start", "n1.log"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if c.Nodes()[0].PID() != 0 {
		t.Error("a node that did not start claims a process")
	}
}

func TestNodeThatNeverListens(t *testing.T) {
	c := newFake(t, 1, "--fake", "silent")
	ctx, cancel := context.WithTimeout(bounded(t), 100*time.Millisecond)
	defer cancel()
	err := c.Start(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waiting for n1 to listen") {
		t.Fatalf("got %v, want the deadline and what was awaited", err)
	}
}

func TestNodeThatTalksWithoutEnd(t *testing.T) {
	c, _ := startFake(t, 1, "--fake", "chatty") // a pipe that nobody reads would hold it up for ever
	text, err := c.Nodes()[0].Printed()
	if err != nil || len(text) < 1_000_000 {
		t.Fatalf("kept %d bytes of what it printed, %v", len(text), err)
	}
}

func TestCrashIsReportedAtOnceWithTheLog(t *testing.T) {
	c, ctx := startFake(t, 3)
	resp, err := c.get(ctx, c.Nodes()[1], "/exit")
	if err == nil {
		resp.Body.Close()
		t.Fatal("answered")
	}
	_, _, err = c.WaitLeader(ctx, 1000) // there will be none: only the crash can end this
	if err == nil || !strings.Contains(err.Error(), "n2") || !strings.Contains(err.Error(), "the reason why I leave") {
		t.Fatalf("got %v, want n2's exit and its last words", err)
	}
	if err := c.Nodes()[1].Start(ctx); err != nil {
		t.Fatalf("a crashed node cannot be started again: %v", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	c, ctx := startFake(t, 1)
	n := c.Nodes()[0]
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := c.Status(short, n); !errors.Is(err, context.DeadlineExceeded) || n.Answers() {
		t.Fatalf("a paused node answered, or counts as answering: %v", err)
	}
	if err := n.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(ctx, n); err != nil || !n.Answers() {
		t.Fatalf("a resumed node does not answer: %v", err)
	}
}

func TestStopTellsWhetherItEndedInOrder(t *testing.T) {
	c, ctx := startFake(t, 1)
	// The fake does not handle SIGTERM: it dies of it, and that is not exit status 0.
	if err := c.Nodes()[0].Stop(ctx); err == nil || !strings.Contains(err.Error(), "signal: terminated") {
		t.Fatalf("got %v, want what ended it", err)
	}
}

func TestLinksStandBetweenTheNodes(t *testing.T) {
	c, _ := startFake(t, 3)
	n1, n2, n3 := c.Nodes()[0], c.Nodes()[1], c.Nodes()[2]
	reaches := func(from, to *Node) bool {
		conn, err := net.Dial("tcp", c.Link(from, to).Addr())
		if err != nil {
			return false
		}
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err = conn.Read(make([]byte, 1))
		return errors.Is(err, os.ErrDeadlineExceeded) // silence: the fake holds the connection and says nothing
	}
	c.Isolate(n3)
	for _, pair := range []struct {
		from, to *Node
		want     bool
	}{{n1, n2, true}, {n2, n1, true}, {n1, n3, false}, {n3, n1, false}, {n3, n2, false}, {n2, n3, false}} {
		if got := reaches(pair.from, pair.to); got != pair.want {
			t.Errorf("with n3 isolated %s reaches %s: %t", pair.from.ID, pair.to.ID, got)
		}
	}
	c.Heal()
	if !reaches(n3, n1) || !reaches(n1, n3) {
		t.Error("healed, n1 and n3 do not reach each other")
	}
	args := strings.Join(n1.Args(), " ")
	for _, want := range []string{
		"--cluster n1=127.0.0.1:1,n2=127.0.0.1:2,n3=127.0.0.1:3",
		"--dial n2=" + c.Link(n1, n2).Addr() + ",n3=" + c.Link(n1, n3).Addr(),
	} {
		if !strings.Contains(args, want) {
			t.Errorf("the arguments of n1 lack %q: %s", want, args)
		}
	}
}

func TestClusterSizeIsChecked(t *testing.T) {
	if _, err := NewCluster(Config{Nodes: 10}); err == nil {
		t.Fatal("ten nodes were accepted")
	}
}

func TestFindNamesWhatToDo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), "--raftnode") {
		t.Errorf("nowhere: got %v, want what to do", err)
	}
	if _, err := Find(filepath.Join(dir, "nothing")); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("wrong path: got %v, want the path", err)
	}
	path := filepath.Join(dir, "raftnode")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(""); err != nil || got != path {
		t.Errorf("in PATH: got %q, %v", got, err)
	}
}

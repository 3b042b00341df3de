package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/integration"
)

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"bogus", "unknown command"},
		{"frob", "See `raftdrill --help`."},
		{"run", "say which scenario, one of: demo, kill-leader"},
		{"run bogus", `there is no scenario "bogus"; there are: demo`},
		{"run demo --bogus", "unknown flag: --bogus"},
		{"run demo --rounds 3", "demo is played once"},
		{"run demo --rounds 0", "demo is played once"},
		{"run crashes --rounds 0", "--rounds 0: give 1 or more"},
		{"run crashes --rounds -1", "--rounds -1: give 1 or more"},
		{"run crashes --rounds 1 --duration 1m", "exclude each other"},
		{"run crashes --duration soon", "--duration"},
		{"run crashes --nodes 2", "--nodes 2: a cluster that loses one and goes on has 3 to 9"},
		{"list bogus", "unknown command"},
		{"up bogus", "unknown command"},
	} {
		var out, talk bytes.Buffer
		code := execute(t.Context(), strings.Fields(c.args), strings.NewReader(""), &out, &talk)
		if code != exitUsage || !strings.Contains(talk.String(), c.says) || out.Len() > 0 {
			t.Errorf("raftdrill %s: exit %d, %q and %q, want 64 and %q", c.args, code, out.String(), talk.String(), c.says)
		}
	}
}

func TestAloneItHelps(t *testing.T) {
	for args, want := range map[string]string{"": "Usage:", "version": "raftdrill "} {
		var out, talk bytes.Buffer
		if code := execute(t.Context(), strings.Fields(args), nil, &out, &talk); code != exitPass || !strings.Contains(out.String(), want) || talk.Len() > 0 {
			t.Errorf("raftdrill %s: exit %d, %q and %q, want %q", args, code, out.String(), talk.String(), want)
		}
	}
}

func TestListNamesEveryScenario(t *testing.T) {
	var out bytes.Buffer
	if code := execute(t.Context(), []string{"list"}, nil, &out, io.Discard); code != exitPass {
		t.Fatalf("exit %d", code)
	}
	for _, s := range integration.Scenarios() {
		if !strings.Contains(out.String(), s.Name) || !strings.Contains(out.String(), s.About) {
			t.Errorf("%s is not listed:\n%s", s.Name, out.String())
		}
	}
}

func TestVerdictIsTheLastLineAndTheExitCode(t *testing.T) {
	for _, c := range []struct {
		result integration.Result
		reason string
		last   string
		code   int
	}{
		{integration.Passed, "", "verdict: PASS", exitPass},
		{integration.Broken, "a write was lost", "verdict: FAIL a write was lost", exitBroken},
		{integration.Undecided, "interrupted", "verdict: UNKNOWN interrupted", exitUndecided},
	} {
		var out bytes.Buffer
		report := integration.Report{Detail: "in\nmany lines", Dir: "runs/1", Files: []string{"runs/1/history.jsonl"}}
		report.Verdict = integration.Verdict{Result: c.result, Reason: c.reason}
		printReport(&out, false, report)
		if !strings.HasSuffix(out.String(), "\n"+c.last+"\n") || !strings.Contains(out.String(), "history.jsonl") {
			t.Errorf("printed %q, want %q last, and the files", out.String(), c.last)
		}
		code := exitPass
		if err := new(verdictError); errors.As(exitOf(report.Verdict), &err) {
			code = err.code
		}
		if code != c.code {
			t.Errorf("%s has exit code %d, want %d", c.last, code, c.code)
		}
	}
}

func TestNothingIsKnownWithoutARaftnode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out bytes.Buffer
	code := execute(t.Context(), []string{"run", "demo"}, nil, &out, io.Discard)
	if code != exitUndecided || !strings.Contains(out.String(), "--raftnode PATH") ||
		!strings.HasSuffix(out.String(), "\nverdict: UNKNOWN the run could not be made\n") {
		t.Errorf("run: exit %d: %s", code, out.String())
	}
	var talk bytes.Buffer
	if code := execute(t.Context(), []string{"up"}, nil, io.Discard, &talk); code != exitUndecided || !strings.Contains(talk.String(), "--raftnode PATH") {
		t.Errorf("up: exit %d: %s", code, talk.String())
	}
	// A program that is no raftnode proves nothing about raftnode.
	quits := filepath.Join(t.TempDir(), "raftnode")
	if err := os.WriteFile(quits, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	code = execute(t.Context(), []string{"run", "demo", "--raftnode", quits, "--out", t.TempDir()}, nil, &out, io.Discard)
	if code != exitUndecided || !strings.Contains(out.String(), "verdict: UNKNOWN integration: the nodes do not even start") {
		t.Errorf("not a raftnode: exit %d: %s", code, out.String())
	}
}

// buildRaftnode builds the real one, for the tests that run it.
func buildRaftnode(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes")
	}
	path, err := integration.Build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunEndToEnd(t *testing.T) {
	path, dir := buildRaftnode(t), t.TempDir()
	var out bytes.Buffer
	args := []string{"run", "kill-all", "--rounds", "1", "--seed", "7", "--raftnode", path, "--out", dir}
	code := execute(t.Context(), args, nil, &out, io.Discard)
	if code != exitPass || !strings.HasSuffix(out.String(), "\nverdict: PASS\n") {
		t.Fatalf("exit %d:\n%s", code, out.String())
	}
	if !regexp.MustCompile(`linearizable +yes \(`).MatchString(out.String()) || strings.Contains(out.String(), "\x1b") {
		t.Errorf("not as people expect it:\n%s", out.String())
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "*", "history.jsonl")); err != nil || len(kept) != 1 {
		t.Errorf("--out kept %v, %v", kept, err)
	}
}

func TestUpEndToEnd(t *testing.T) {
	path := buildRaftnode(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	in, keyboard := io.Pipe()
	screen, out := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- execute(ctx, []string{"up", "--raftnode", path}, in, out, out)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(screen)
	await := func(pattern string) string {
		t.Helper()
		for lines.Scan() {
			if m := regexp.MustCompile(pattern).FindStringSubmatch(lines.Text()); m != nil {
				return m[len(m)-1]
			}
		}
		t.Fatalf("it ended without %q", pattern)
		return ""
	}
	endpoints := await(`RAFTCTL_ENDPOINTS=(\S+)`)
	if n := len(strings.Split(endpoints, ",")); n != 3 {
		t.Errorf("%d endpoints: %s", n, endpoints)
	}
	pid := await(`kill -9 (\d+) +# n\d, the leader`)
	await("Ctrl-C ends all")
	if err := exec.Command("kill", "-9", pid).Run(); err != nil { // as the printed line says
		t.Fatal(err)
	}
	dead := await(`(n\d) is gone: signal: killed`)
	await(`n\d leads, term`)
	if _, err := io.WriteString(keyboard, "\n"); err != nil {
		t.Fatal(err)
	}
	await(dead + ` runs again`)
	stop()
	await("all nodes are stopped")
	for lines.Scan() { // to its end, so that it is not held up
	}
	if code := <-exit; code != exitPass {
		t.Errorf("exit %d", code)
	}
	_ = keyboard.Close()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

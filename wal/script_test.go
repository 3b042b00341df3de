package wal

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

const (
	scriptVariable = "WAL_TEST_CHILD_SCRIPT"
	// reportVariable names a file for lines of counts. That it is set asks for the long tests: see `make torture`.
	reportVariable = "TORTURE_REPORT"
)

func torture() bool { return os.Getenv(reportVariable) != "" }

// scripts are what the test binary does as a child, by the name in scriptVariable.
var scripts = map[string]func(dir string) error{"life": scriptLife, "recover": scriptRecover}

// strace counts the calls of each thread for itself, so all that counts is done by one.
func init() {
	if os.Getenv(scriptVariable) != "" {
		runtime.LockOSThread()
	}
}

// scriptSaves are all that a log can be asked for: entries within a segment and over several, votes, a conflict, a snapshot that was prepared
// and one that was not, both with segments to remove, and one from a leader.
func scriptSaves() []consensus.Save {
	wide := func(first consensus.Index, term consensus.Term, n int) []consensus.Entry {
		list := entries(first, term, n)
		for i := range list {
			list[i].Data = bytes.Repeat(list[i].Data, 40)
		}
		return list
	}
	return []consensus.Save{
		{HardState: hard(1, "n1"), Entries: entries(1, 1, 3)},
		{Entries: wide(4, 1, 6), Commit: 3},
		{HardState: hard(2, "n2")},
		{HardState: hard(3, "n1"), Entries: wide(6, 3, 14), Commit: 5}, // over several segments, in place of 6 to 9
		{Snapshot: snapshotAt(18, 3), Base: position(16, 3), Commit: 19},
		{Entries: wide(20, 3, 8), Commit: 25},
		{HardState: hard(4, ""), Snapshot: snapshotAt(24, 3), Base: position(24, 3), Entries: entries(28, 4, 2), Commit: 27},
		{Snapshot: snapshotAt(70, 4), Base: position(70, 4), Installed: true, Commit: 70},
		{HardState: hard(5, "n3"), Entries: entries(71, 5, 2), Commit: 70},
	}
}

var scriptOptions = Options{Cluster: "c1", Node: "n1", SegmentBytes: 4096, ReserveBytes: 100_000}

// scriptLife saves all of them, and says after each that it is acknowledged. In between it gives its reserve up and takes it again.
func scriptLife(dir string) error {
	l, err := Open(dir, scriptOptions)
	if err != nil {
		return err
	}
	for i, save := range scriptSaves() {
		switch i {
		case 3:
			if _, err := l.ReleaseReserve(); err != nil {
				return err
			}
		case 4:
			if err := l.PrepareSnapshot(save.Snapshot); err != nil {
				return err
			}
		case 5:
			if err := l.RestoreReserve(); err != nil {
				return err
			}
		}
		if err := l.Save([]consensus.Save{save}); err != nil {
			return err
		}
		fmt.Println("acked", i)
		if err := l.Mark(); err != nil {
			return err
		}
	}
	return l.Close()
}

// scriptRecover opens the log, and no more.
func scriptRecover(dir string) error {
	l, err := Open(dir, scriptOptions)
	if err != nil {
		return err
	}
	return l.Close()
}

// runScript runs a child and gives what it said, line by line. The error is how it ended, and what it said on stderr.
func runScript(dir, script string, wrapper ...string) ([]string, error) {
	args := append(wrapper[:len(wrapper):len(wrapper)], os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	// The race detector would let each of them sleep for a second at its end.
	cmd.Env = append(os.Environ(), killDirVariable+"="+dir, scriptVariable+"="+script, "GORACE=atexit_sleep_ms=0")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return strings.Fields(strings.ReplaceAll(stdout.String(), "acked ", "")), err
}

// tally counts what was done to a log, and what came of it.
type tally struct {
	faults, acknowledged      int
	lost, wrong, failedStarts int
}

// judge checks what a log holds behind a fault: all that was acknowledged, and perhaps a part of the next Save.
func (c *tally) judge(t *testing.T, what, dir string, saves []consensus.Save, acked int) {
	t.Helper()
	c.faults++
	c.acknowledged += acked
	l, err := Open(dir, testOptions)
	if err != nil {
		c.failedStarts++
		t.Errorf("%s: open: %v", what, err)
		return
	}
	got := mustLoad(t, l)
	if _, found := prefixOfLife(got, consensus.Saved{}, saves, acked); !found {
		c.blame(got, onTop(consensus.Saved{}, saves[:acked]))
		t.Errorf("%s: got %s, want the first %d Saves and perhaps a part of the next", what, brief(got), acked)
	}
	mustSave(t, l, consensus.Save{HardState: hard(got.HardState.Term+1, "n9")})
	mustClose(t, l)
}

// blame counts a state that nothing explains: it lacks what was promised, or is wrong in another way.
func (c *tally) blame(got, promised consensus.Saved) {
	at, want := lastOf(got), lastOf(promised)
	hard, wantHard := got.HardState, promised.HardState
	switch {
	case at.Term < want.Term, at.Term == want.Term && at.Index < want.Index,
		hard.Term < wantHard.Term, hard.Term == wantHard.Term && wantHard.VotedFor != "" && hard.VotedFor != wantHard.VotedFor:
		c.lost++
	default:
		c.wrong++
	}
}

func lastOf(s consensus.Saved) consensus.Position {
	if n := len(s.Entries); n > 0 {
		return position(s.Entries[n-1].Index, s.Entries[n-1].Term)
	}
	return s.Base
}

// report says it in the test's log, and in the file.
func (c *tally) report(t *testing.T, what string) {
	t.Helper()
	line := fmt.Sprintf("%6d %s: %d Saves acknowledged, %d lost, %d wrong states, %d starts failed that should have worked",
		c.faults, what, c.acknowledged, c.lost, c.wrong, c.failedStarts)
	reportLine(t, line)
}

// skip says why a test cannot run here, in the report too.
func skip(t *testing.T, why string, err error) {
	t.Helper()
	reportLine(t, fmt.Sprintf("     0 of %s, skipped: %s: %v", t.Name(), why, err))
	t.SkipNow()
}

// reportCount says what was tried, of a test that ends with the first failure.
func reportCount(t *testing.T, n int, format string, args ...any) {
	t.Helper()
	outcome := ""
	if t.Failed() {
		outcome = ": FAILED"
	}
	reportLine(t, fmt.Sprintf("%6d ", n)+fmt.Sprintf(format, args...)+outcome)
}

func reportLine(t *testing.T, line string) {
	t.Helper()
	t.Log(line)
	name := os.Getenv(reportVariable)
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, line); err != nil {
		t.Error(err)
	}
}

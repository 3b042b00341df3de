package wal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// killCalls are the system calls with which a log changes its files.
var killCalls = []string{"openat", "write", "pwrite64", "fsync", "renameat", "unlinkat", "ftruncate", "mkdirat", "fallocate"}

// turningCalls are few in a life, and each ends one step of a compaction, a snapshot or a repair.
var turningCalls = []string{"renameat", "unlinkat", "ftruncate", "pwrite64"}

func needStrace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("traces processes")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		skip(t, "install the package strace", err)
	}
	if out, err := exec.Command("strace", "-qq", "-o", "/dev/null", "-e", "inject=fsync:signal=SIGKILL:when=9", "true").CombinedOutput(); err != nil {
		skip(t, "strace may trace nothing here: "+string(out), err)
	}
}

// killedAt runs a script that is killed with SIGKILL as it makes the n-th call of this kind.
func killedAt(t *testing.T, dir, script, call string, n int) (acked int, killed bool) {
	t.Helper()
	lines, err := runScript(dir, script, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e",
		fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n), "--")
	if err != nil && !strings.HasPrefix(err.Error(), "signal: killed") {
		t.Fatalf("killed at %s %d: %v", call, n, err)
	}
	return len(lines), err != nil
}

// A process is killed at each call in turn with which a log changes its files: as it is created, appends, begins segments, takes snapshots, and
// removes. The next process is killed at each of its calls while it recovers. Then the log opens, and what was acknowledged is there.
func TestTortureKillAtEachCall(t *testing.T) {
	needStrace(t)
	step, nestedStep := 5, 7
	if torture() {
		step, nestedStep = 1, 1
	}
	var first, nested tally
	defer first.report(t, "SIGKILLs, each at another system call of a life")
	defer nested.report(t, "SIGKILLs, each at another system call of a recovery from one")
	for _, call := range killCalls {
		stride, every, kills := step, 3, 0
		if slices.Contains(turningCalls, call) {
			stride, every = 1, 1
		}
		for n := 1; ; n += stride {
			dir := filepath.Join(t.TempDir(), "log")
			acked, killed := killedAt(t, dir, "life", call, n)
			if !killed {
				break
			}
			kills++
			if _, err := os.Stat(dir); err != nil {
				continue // it was still loading
			}
			what := fmt.Sprintf("killed at %s %d", call, n)
			if torture() && n%every == 0 || !torture() && call == "fsync" && n == 1+2*step {
				killRecovery(t, &nested, what, dir, nestedStep, acked)
			}
			first.judge(t, what, dir, scriptSaves(), acked)
			if t.Failed() {
				return
			}
		}
		if kills == 0 {
			t.Errorf("no %s was made: on this machine a log changes its files with another call, which is not tried", call)
		}
	}
	if torture() {
		killRecoveryOfTornTail(t, &nested)
	}
	if first.acknowledged == 0 || nested.faults == 0 {
		t.Error("nothing was acknowledged, or no recovery killed: this proves nothing")
	}
}

// killRecoveryOfTornTail begins with half a record at the end, which no kill before a call leaves.
func killRecoveryOfTornTail(t *testing.T, count *tally) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	lines, err := runScript(dir, "life")
	if err != nil {
		t.Fatal(err)
	}
	list, segments := records(t, dir), segmentNames(t, dir)
	entry, mark := list[len(list)-2], list[len(list)-1]
	if entry.Type != "entry" || mark.Type != "mark" {
		t.Fatalf("the log ends with %s and %s", entry.Type, mark.Type)
	}
	name := segments[len(segments)-1]
	writeTestFile(t, dir, name, files(t, dir)[name][:(entry.Offset+mark.Offset)/2])
	if _, repair, err := scanned(dir); err != nil || repair == nil {
		t.Fatalf("there is no torn tail to repair: %v, %v", repair, err)
	}
	done := count.faults
	killRecovery(t, count, "half a record at the end", dir, 1, len(lines)-1) // as if the last Save had not returned
	if count.faults == done {
		t.Error("no repair of a torn tail was killed")
	}
}

// killRecovery kills who recovers from what is in dir, at each of its calls, each time on a copy.
func killRecovery(t *testing.T, count *tally, what, dir string, step, acked int) {
	t.Helper()
	content := map[string][]byte{}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err == nil && len(names) > 0 {
		content = files(t, dir)
	}
	for _, call := range killCalls {
		for n := 1; ; n += step {
			again := dirWith(t, content)
			before, _, scanErr := scanned(again)
			if _, killed := killedAt(t, again, "recover", call, n); !killed {
				break
			}
			what := fmt.Sprintf("%s, and at %s %d of the recovery", what, call, n)
			if scanErr == nil {
				if after := scannedWell(t, again); !equal(before, after) {
					count.wrong++
					t.Errorf("%s: there was %s, there is %s", what, brief(before), brief(after))
				}
			}
			count.judge(t, what, again, scriptSaves(), acked)
		}
	}
}

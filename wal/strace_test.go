package wal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// killCalls are the system calls with which a log changes its files.
var killCalls = []string{"openat", "write", "pwrite64", "fsync", "renameat", "unlinkat", "ftruncate", "mkdirat", "fallocate"}

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
	for _, call := range killCalls {
		stride := step
		if call == "renameat" || call == "unlinkat" {
			stride = 1 // each is a turning point
		}
		for n := 1; ; n += stride {
			dir := filepath.Join(t.TempDir(), "log")
			acked, killed := killedAt(t, dir, "life", call, n)
			if !killed {
				break
			}
			if _, err := os.Stat(dir); err != nil {
				continue // it was still loading
			}
			what := fmt.Sprintf("killed at %s %d", call, n)
			if torture() && n%9 == 0 || !torture() && call == "fsync" && n == 1+2*step {
				killRecovery(t, &nested, what, dir, nestedStep, acked)
			}
			first.judge(t, what, dir, scriptSaves(), acked)
			if t.Failed() {
				return
			}
		}
	}
	first.report(t, "SIGKILLs, each at another system call of a life")
	nested.report(t, "SIGKILLs, each at another system call of a recovery from one")
	if first.acknowledged == 0 || nested.faults == 0 {
		t.Error("nothing was acknowledged, or no recovery killed: this proves nothing")
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

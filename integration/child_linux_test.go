package integration

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A harness that is killed can end nobody: the kernel must do it, or nodes are left behind and go on for ever.
func TestNodesDieWithTheHarness(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	harness := exec.Command(self, "harness", t.TempDir())
	out, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(out); len(pids) < 3 && lines.Scan(); {
		var pid int
		if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
			t.Fatalf("the harness says %q", lines.Text())
		}
		pids = append(pids, pid)
	}
	if err := harness.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = harness.Wait() // it was killed
	ctx, cancel := context.WithTimeout(bounded(t), 10*time.Second)
	defer cancel()
	for _, pid := range pids {
		err := poll(ctx, fmt.Sprintf("process %d to die with the harness", pid), func() (bool, error) {
			// Dead, or waiting for whoever inherited it to notice.
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			gone := err != nil
			return gone || strings.Contains(string(stat), ") Z "), nil //nolint:nilerr // that it cannot be read is the answer
		})
		if err != nil {
			t.Error(err)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it is there, so the number is still its own
		}
	}
	if len(pids) != 3 {
		t.Errorf("the harness started %v", pids)
	}
}

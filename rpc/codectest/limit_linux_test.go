package codectest_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// limitedTo tells the child that it is one.
const limitedTo = "CODECTEST_LIMITED"

// Bombs as large as a frame may be, in a process that may not have more memory than so many frames: it must not be killed.
func TestBombsUnderAMemoryLimit(t *testing.T) {
	const frame, limit = 8 << 20, 768 << 20
	if os.Getenv(limitedTo) != "" {
		if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			t.Fatal(err)
		}
		if os.Getenv(limitedTo) == "burst" {
			_ = bytes.Repeat([]byte("x"), 2*limit)
		}
		bombs(frame, func(b bomb) {
			decodes(b.payload, func(string, rpc.Kind, consensus.Message, error) {})
		})
		return
	}
	if raceDetector {
		t.Skip("the race detector needs more memory than the limit by itself")
	}
	for mode, survives := range map[string]bool{"bombs": true, "burst": false} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBombsUnderAMemoryLimit$")
		cmd.Env = append(os.Environ(), limitedTo+"="+mode, "GOMEMLIMIT=256MiB", "GOMAXPROCS=2") // each thread has a stack
		said, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if (err == nil) != survives {
			t.Errorf("%s: %v: %.2000s", mode, err, said)
		}
	}
}

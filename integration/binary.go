package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build compiles raftnode, from the module of the working directory, into dir, and returns the program's path. With race
// it contains the race detector: ten times slower, and it ends the process at the first race.
func Build(ctx context.Context, dir string, race bool) (string, error) {
	path := filepath.Join(dir, "raftnode")
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/raftnode/raft/cmd/raftnode")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("integration: build raftnode: %w\n%s", err, out)
	}
	return path, nil
}

// Find gives the raftnode to run: the given path, or else the one in the directory of the running program, or else
// the one in PATH.
func Find(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("integration: no raftnode there: %w", err)
		}
		return filepath.Abs(found)
	}
	if self, err := os.Executable(); err == nil {
		if found, err := exec.LookPath(filepath.Join(filepath.Dir(self), "raftnode")); err == nil {
			return found, nil
		}
	}
	if found, err := exec.LookPath("raftnode"); err == nil {
		return filepath.Abs(found)
	}
	return "", errors.New("integration: raftnode is neither beside this program nor in PATH: " +
		"build it (go build -o bin/ ./cmd/raftnode) or say where it is (--raftnode PATH)")
}

package ground

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is the top of the repository.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "..", ".."), nil
}

// Inside makes a path inside the repository absolute.
func Inside(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

// Build puts the programs of some packages of the module at from into a directory.
func Build(ctx context.Context, from, into, packages string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", from, "-o", into+"/", packages).CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", packages, err, out)
	}
	return nil
}

// Commit says what this tree is.
func Commit(ctx context.Context, root string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty", "--exclude=*").Output()
	if commit := strings.TrimSpace(string(out)); err == nil && commit != "" {
		return "commit " + commit
	}
	return "of this tree" // it has no history with it
}

// Command is how a run is repeated.
func Command(target string, args []string) string {
	if len(args) == 0 {
		return "make " + target
	}
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; strings.ContainsAny(arg, " ;&|<>()$`*?") {
			quoted[i] = `"` + arg + `"`
		}
	}
	return "make " + target + " BENCHFLAGS='" + strings.Join(quoted, " ") + "'"
}

package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// released builds raftnode as it was in the last commit, or in that of INTEGRATION_BASE. A tree without history, such as an unpacked archive, is
// taken for that commit itself.
func released(ctx context.Context, t *testing.T) string {
	t.Helper()
	commit, tree := cmp.Or(os.Getenv("INTEGRATION_BASE"), "HEAD"), t.TempDir()
	archive := filepath.Join(t.TempDir(), "tree.tar")
	git := exec.CommandContext(ctx, "git", "archive", "-o", archive, commit)
	git.Dir = ".." // where the module is: of a repository that has more, only this is taken
	switch out, err := git.CombinedOutput(); {
	case err == nil:
	case os.Getenv("REQUIRE_HISTORY") != "", commit != "HEAD":
		t.Fatalf("needs the history of this repository: git archive %s: %v: %s", commit, err, out)
	default:
		t.Logf("no history is here, so this tree is taken for the last commit: git archive: %v: %s", err, out)
		tree = "."
	}
	if tree != "." {
		if out, err := exec.CommandContext(ctx, "tar", "-xf", archive, "-C", tree).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v: %s", err, out)
		}
	}
	return buildIn(ctx, t, tree, filepath.Join(t.TempDir(), "raftnode"))
}

// buildIn builds the raftnode of the module around dir.
func buildIn(ctx context.Context, t *testing.T, dir, path string, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-buildvcs=false", "-o", path}, flags...), "github.com/raftnode/raft/cmd/raftnode")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build raftnode in %s: %v\n%s", dir, err, out)
	}
	return path
}

// nextRelease builds raftnode with the next version of the protocol.
func nextRelease(ctx context.Context, t *testing.T) string {
	t.Helper()
	return buildIn(ctx, t, ".", filepath.Join(t.TempDir(), "raftnode"), "-tags", "rpcnextversion")
}

// A cluster of the last commit's program is moved to one that speaks a later version, node by node, and back, while clients write.
func TestAClusterIsUpgradedAndTakenBackNodeByNode(t *testing.T) {
	c := newGrowing(t, 0)
	ctx := bounded(t)
	old, next := released(ctx, t), nextRelease(ctx, t)
	for _, n := range c.Nodes() {
		n.Binary = old
	}
	underLoad(t, c, func(ctx context.Context, d *Drill) error {
		for _, binary := range []string{next, old} {
			for _, n := range c.Nodes() {
				if err := n.Stop(ctx); err != nil {
					return err
				}
				n.Binary = binary
				d.fault("exchanged", "%s runs %s", n.ID, binary)
				if err := d.restart(ctx, n); err != nil {
					return err
				}
				if err := d.writesGoOn(ctx); err != nil {
					return err
				}
				if _, err := c.WaitApplied(ctx, n, 1); err != nil {
					return err
				}
				if err := errors.Join(agreed(ctx, c, next), noneRefused(c)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// agreed waits until each node that runs the next release speaks protocol 4 to those that do too, with the feature that is new in it, and 3 to the
// others, with those that they have.
func agreed(ctx context.Context, c *Cluster, next string) error {
	for _, from := range c.Nodes() {
		for _, to := range c.Nodes() {
			if from == to || from.Binary != next {
				continue
			}
			want := "protocol 3"
			if to.Binary == next {
				want = "protocol 4, features 0x3000000000000"
			}
			last := ""
			if err := poll(ctx, fmt.Sprintf("%s to speak %s to %s", from.ID, want, to.ID), func() (bool, error) {
				text, err := from.Printed()
				for line := range strings.Lines(text) {
					if strings.Contains(line, "link up: "+to.ID+" ") {
						last = strings.TrimSpace(line)
					}
				}
				return strings.Contains(last, want), errors.Join(err, c.Crashed())
			}); err != nil {
				return fmt.Errorf("%w; it says %q", err, last)
			}
		}
	}
	return nil
}

// noneRefused tells of a node that refused another.
func noneRefused(c *Cluster) error {
	for _, n := range c.Nodes() {
		text, err := n.Printed()
		if err != nil {
			return err
		}
		for _, words := range []string{"refused a connection", "no common", "belongs to cluster"} {
			if strings.Contains(text, words) {
				return fmt.Errorf("%s says %q:\n%s", n.ID, words, text)
			}
		}
	}
	return nil
}

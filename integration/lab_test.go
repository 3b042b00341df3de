package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/lab"
)

// The lab's parts over real processes: go test ./integration -run 2A -v, and so on. They take some minutes.
func TestProcesses2A(t *testing.T) { playPart(t, "2A") }
func TestProcesses2B(t *testing.T) { playPart(t, "2B") }
func TestProcesses2C(t *testing.T) { playPart(t, "2C") }
func TestProcesses2D(t *testing.T) { playPart(t, "2D") }

func playPart(t *testing.T, part string) {
	binary := raftnode(t)
	for _, test := range lab.Tests {
		if test.Part != part {
			continue
		}
		t.Run(test.Name, func(t *testing.T) {
			leavesNothing(t)
			dir := t.TempDir()
			system, err := newLabCluster(binary, dir, test, seed(t))
			if err != nil {
				t.Fatal(err)
			}
			lab.Play(t, os.Stdout, test, system)
			if test.SnapshotEvery > 0 {
				sawSnapshots(t, dir, strings.Contains(test.Name, "Install"))
			}
		})
	}
}

// sawSnapshots looks into what the nodes printed: a test of snapshots proves nothing if none was taken, or if nobody needed one from another.
func sawSnapshots(t *testing.T, dir string, installed bool) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said += string(text)
	}
	taken, sent := strings.Count(said, ": took a snapshot at index"), strings.Count(said, "'s snapshot at index")
	t.Logf("%d snapshots were taken, %d were installed", taken, sent)
	if taken == 0 || installed && sent == 0 {
		t.Errorf("%d snapshots were taken, %d were installed", taken, sent)
	}
}

package integration

import (
	"os"
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
			system, err := newLabCluster(binary, t.TempDir(), test, seed(t))
			if err != nil {
				t.Fatal(err)
			}
			lab.Play(t, os.Stdout, test, system)
		})
	}
}

//go:build linux

package powerfs_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// reportVariable names a file for lines of counts. That it is set asks for the long tests.
const reportVariable = "TORTURE_REPORT"

func torture() bool { return os.Getenv(reportVariable) != "" }

// tally counts what was done to a log, and what came of it.
type tally struct {
	faults, acknowledged      int
	lost, wrong, failedStarts int
}

func (c *tally) add(other *tally) {
	c.faults += other.faults
	c.acknowledged += other.acknowledged
	c.lost += other.lost
	c.wrong += other.wrong
	c.failedStarts += other.failedStarts
}

// judge counts a state that nothing explains: it lacks what was acknowledged, or is wrong in another way.
func (c *tally) judge(got, promised consensus.Saved) {
	if end(got) < end(promised) || got.HardState.Term < promised.HardState.Term {
		c.lost++
		return
	}
	c.wrong++
}

func end(s consensus.Saved) consensus.Index { return s.Base.Index + consensus.Index(len(s.Entries)) }

// report says it in the test's log, and in the file.
func (c *tally) report(t *testing.T, what string) {
	t.Helper()
	line := fmt.Sprintf("%6d %s: %d Saves or writes acknowledged, %d lost, %d wrong states, %d starts failed that should have worked",
		c.faults, what, c.acknowledged, c.lost, c.wrong, c.failedStarts)
	reportLine(t, line)
}

// skip says why a test cannot run here, in the report too.
func skip(t *testing.T, why string, err error) {
	t.Helper()
	reportLine(t, fmt.Sprintf("     0 of %s, skipped: %s: %v", t.Name(), why, err))
	t.SkipNow()
}

func reportLine(t *testing.T, line string) {
	t.Helper()
	t.Log(line)
	name := os.Getenv(reportVariable)
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, line); err != nil {
		t.Error(err)
	}
}

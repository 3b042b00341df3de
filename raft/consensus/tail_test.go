package consensus

import "testing"

// What an earlier term left may exceed a leader's bounds. Without a no-op only a command of its own term gets it committed, so
// the first one must be let in: a leader that refuses it refuses for ever.
func TestFirstCommandOfATermFitsBehindAnyTail(t *testing.T) {
	for name, limit := range map[string]func(*Config){
		"uncommitted": func(c *Config) { c.MaxUncommittedBytes = entryOverhead },
		"log":         func(c *Config) { c.MaxLogBytes = 2 * entryOverhead },
	} {
		c := newCluster(t, 3, func(c *cluster) { c.limits = limit })
		c.servers["n1"].disk = Saved{HardState: HardState{Term: 1}, Entries: []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}}}
		c.start("n1")
		c.timeout("n1")
		c.settle(nil)
		if _, _, err := c.module("n1").Propose(EntryCommand, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := c.module("n1").Propose(EntryCommand, nil); err == nil {
			t.Errorf("%s: a second one is let in, too", name)
		}
		c.do("n1", func(*Module) {})
		c.settle(nil)
		if got := c.module("n1").Status().CommitIndex; got != 3 {
			t.Errorf("%s: commitIndex is %d, want 3", name, got)
		}
	}
}

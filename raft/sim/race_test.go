//go:build race

package sim

// Under the race detector a run takes several times as long, and only Search has goroutines: fewer seeds, unless the command line
// says how many.
func init() { *seeds = 500 }

//go:build linux

package powerfs

import "math/rand/v2"

// Loss says how much of what was not fsynced a loss of power takes.
type Loss struct {
	random *rand.Rand
	kind   int
}

const (
	everything = iota // all of it
	suffix            // what came last; the last write may be torn
	scattered         // any of it, in no order
	kinds
)

// Everything takes all that was not fsynced.
func Everything() Loss { return Loss{} }

// Random takes all, what came last, or any part, as r decides.
func Random(r *rand.Rand) Loss { return Loss{random: r, kind: r.IntN(kinds)} }

// size chooses the length of a file whose length was changed and not fsynced.
func (l Loss) size(low, high, onDisk int64) int64 {
	if l.kind == everything {
		return onDisk
	}
	switch l.random.IntN(3) {
	case 0:
		return low
	case 1:
		return high
	}
	return low + l.random.Int64N(high-low+1)
}

// sectors chooses those that got to the disk.
func (l Loss) sectors(dirty []int64) []int64 { return choose(l, dirty) }

// changes chooses those that got to the disk.
func (l Loss) changes(pending []change) []change { return choose(l, pending) }

func choose[T any](l Loss, all []T) []T {
	var chosen []T
	switch l.kind {
	case suffix:
		chosen = all[:l.random.IntN(len(all)+1)]
	case scattered:
		for _, one := range all {
			if l.random.IntN(2) == 0 {
				chosen = append(chosen, one)
			}
		}
	}
	return chosen
}

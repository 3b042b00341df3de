package consensus

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// eachConfiguration gives every configuration of n servers, by suffrage, to f.
func eachConfiguration(n int, f func(Configuration)) {
	suffrages := []Suffrage{Voter, Learner, Incoming, Outgoing, Demoted}
	c := make(Configuration, n)
	for i := range c {
		c[i].ID = ServerID(fmt.Sprintf("n%d", i+1))
	}
	var fill func(i int)
	fill = func(i int) {
		if i == n {
			if c.Validate() == nil {
				f(c)
			}
			return
		}
		for _, s := range suffrages {
			c[i].Suffrage = s
			fill(i + 1)
		}
	}
	fill(0)
}

// halves gives the voters of both halves, as sets of bits. They are written down here once more, apart from the code.
func halves(c Configuration) (voters, old uint) {
	for i, m := range c {
		bit := uint(1) << i
		switch m.Suffrage {
		case Voter:
			voters, old = voters|bit, old|bit
		case Incoming:
			voters |= bit
		case Outgoing, Demoted:
			old |= bit
		}
	}
	return voters, old
}

// isQuorum is the oracle: more than half of each half.
func isQuorum(c Configuration, set uint) bool {
	voters, old := halves(c)
	majority := func(of uint) bool { return 2*bits.OnesCount(set&of) > bits.OnesCount(of) }
	if voters == old { // not joint
		return majority(voters)
	}
	return majority(voters) && majority(old)
}

// The arithmetic of quorums equals counting, for every set of votes in every configuration of up to 7 servers, joint ones
// and even sizes among them.
func TestQuorumsOfAllConfigurations(t *testing.T) {
	for n := 1; n <= 7; n++ {
		eachConfiguration(n, func(c Configuration) {
			for set := uint(0); set < 1<<n; set++ {
				got := c.agreed(func(i int) uint64 { return one(set&(1<<i) != 0) }) == 1
				if want := isQuorum(c, set); got != want {
					t.Fatalf("%v: votes of %b: got quorum %t, want %t", c, set, got, want)
				}
			}
		})
	}
}

// What is agreed on is the highest value that a quorum has reached.
func TestHighestValueOfAQuorum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	values := make([]uint64, 7)
	for n := 1; n <= 7; n++ {
		eachConfiguration(n, func(c Configuration) {
			want := uint64(0)
			for i := range n {
				values[i] = rng.Uint64N(4)
			}
			for _, v := range values[:n] {
				set := uint(0)
				for i := range n {
					if values[i] >= v {
						set |= 1 << i
					}
				}
				if isQuorum(c, set) {
					want = max(want, v)
				}
			}
			if got := c.agreed(func(i int) uint64 { return values[i] }); got != want {
				t.Fatalf("%v: of values %v got %d, want %d", c, values[:n], got, want)
			}
		})
	}
}

// Any two quorums of a configuration have a server in common, and so have those of a joint configuration and
// of each of its neighbours (§6): otherwise two leaders of one term could be elected.
func TestQuorumsOverlap(t *testing.T) {
	for n := 1; n <= 5; n++ {
		eachConfiguration(n, func(c Configuration) {
			next := make(Configuration, n) // leaveJoint, in the same places
			for i, m := range c {
				next[i] = Member{ID: m.ID, Suffrage: Learner}
				if m.Suffrage == Voter || m.Suffrage == Incoming {
					next[i].Suffrage = Voter
				}
			}
			for a := uint(0); a < 1<<n; a++ {
				for b := uint(0); b < 1<<n; b++ {
					if a&b == 0 && isQuorum(c, a) && (isQuorum(c, b) || isQuorum(next, b)) {
						t.Fatalf("%v: the quorums %b and %b have nobody in common", c, a, b)
					}
				}
			}
		})
	}
}

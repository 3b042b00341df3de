package sim

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"time"
)

// stream is one source of chance. Every part of a run has its own, all from the one seed, so that one more draw in one part does
// not shift the others: a plan from which an action was taken runs the same up to that action, and much the same behind it.
type stream struct{ pcg rand.PCG }

// subsystem names what a stream is for.
type subsystem uint64

const (
	forPlan subsystem = iota + 1
	forLink
	forDisk
	forCore
	forHost
	forClient
	forWire // between clients and servers
	forEnd  // who is healed at the end
)

func newStream(seed uint64, what subsystem, number int) stream {
	var s stream
	s.pcg.Seed(seed, mix(uint64(what)<<32|uint64(number), 0x9e3779b97f4a7c15))
	return s
}

func (s *stream) next() uint64 { return s.pcg.Uint64() }

// below gives 0..n-1.
func (s *stream) below(n int) int {
	hi, _ := bits.Mul64(s.next(), uint64(n))
	return int(hi)
}

// between gives low..high.
func (s *stream) between(low, high int) int { return low + s.below(high-low+1) }

// span gives a time from low..high.
func (s *stream) span(low, high time.Duration) time.Duration {
	return low + time.Duration(s.below(int(high-low)+1))
}

// chance says true in perMille of 1000 cases.
func (s *stream) chance(perMille int) bool { return s.below(1000) < perMille }

// around gives an exponentially distributed time.
func (s *stream) around(mean time.Duration) time.Duration { return exponential(s.next(), mean) }

// exponentials are quantiles of the exponential distribution with mean 1<<10: a table, so that a run does not
// depend on how a processor rounds.
var exponentials = func() (table [1024]int64) {
	for i := range table {
		table[i] = int64(math.Round(-math.Log((float64(i)+0.5)/1024) * 1024))
	}
	return table
}()

// exponential turns 10 bits of chance into a time.
func exponential(chance uint64, mean time.Duration) time.Duration {
	return time.Duration(int64(mean) * exponentials[chance&1023] >> 10)
}

// mix makes one number of two, such that every bit counts.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

// hashBytes continues the hash h over b.
func hashBytes(h uint64, b []byte) uint64 {
	h = mix(h, uint64(len(b))+1)
	for len(b) >= 8 {
		h = mix(h, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	if len(b) > 0 {
		var rest [8]byte
		copy(rest[:], b)
		h = mix(h, binary.LittleEndian.Uint64(rest[:]))
	}
	return h
}

package integration

import (
	"math/rand/v2"
	"testing"
)

func TestKeysAreReplacedBeforeTheirHistoryIsTooLong(t *testing.T) {
	s, rng := newKeyspace(), rand.New(rand.NewPCG(1, 1))
	ops := map[string]int{}
	for range 20_000 {
		k, _ := s.take(rng)
		ops[k.name]++
		if most := map[bool]int{true: maxListOps, false: maxRegisterOps}[k.list]; ops[k.name] > most {
			t.Fatalf("%s was given out %d times, more than %d", k.name, ops[k.name], most)
		}
	}
	if len(s.all()) != len(ops) {
		t.Fatalf("%d keys are known and %d were used: the others would not be read in the end", len(s.all()), len(ops))
	}
}

func TestKeyWithManyUnknownWritesIsReplacedOnce(t *testing.T) {
	s, rng := newKeyspace(), rand.New(rand.NewPCG(1, 1))
	k, _ := s.take(rng)
	before := len(s.all())
	for range 3 * maxUnknownWrites { // operations that were under way end later
		s.learn(k, &Op{Kind: Put, Outcome: Info})
	}
	if got := len(s.all()) - before; got != 1 {
		t.Fatalf("%d keys came in its place, want 1", got)
	}
	for range 1000 {
		if again, _ := s.take(rng); again == k {
			t.Fatal("it is still given out")
		}
	}
}

func TestVersionsAreLearned(t *testing.T) {
	s, rng := newKeyspace(), rand.New(rand.NewPCG(1, 1))
	k, _ := s.take(rng)
	s.learn(k, &Op{Kind: Put, Outcome: Ok, Index: 9})
	s.learn(k, &Op{Kind: Get, Outcome: Ok, Index: 7}) // returned late
	for {
		if again, seen := s.take(rng); again == k {
			if seen != 9 {
				t.Fatalf("the version seen is %d, want 9", seen)
			}
			return
		}
	}
}

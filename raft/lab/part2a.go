package lab

import (
	"math/rand/v2"
	"time"
)

// initialElection: one leader comes up, cheaply, and stays: with nothing going wrong there is no second election.
func initialElection(b *Bed) {
	leader := b.Leader()
	if rpcs := b.Counts().RPCs; rpcs > 30 {
		b.Fatalf("the first leader took %d RPCs to elect; 30 are enough", rpcs)
	}
	term := b.Term()
	if term < 1 {
		b.Fatalf("the term is %d; a leader has one from 1 on", term)
	}
	b.Pause(2 * electionPause)
	if later := b.Term(); later != term {
		b.Fatalf("nothing failed, but the term went from %d to %d", term, later)
	}
	if later := b.Leader(); later != leader {
		b.Fatalf("nothing failed, but server %d leads in place of %d", later, leader)
	}
}

// reElection: a leader that is cut off is replaced; it comes back as a follower; without a majority nobody leads.
func reElection(b *Bed) {
	first := b.Leader()
	b.Disconnect(first)
	second := b.Leader()

	b.Connect(first)
	if leader := b.Leader(); leader != second && leader != first {
		// The old leader may have unseated the new one with a later term, but nobody else had a reason to stand.
		b.Fatalf("server %d leads after %d came back, in place of %d", leader, first, second)
	}

	leader := b.Leader()
	b.Disconnect(leader, leader+1)
	b.NoLeader()

	b.Connect(leader + 1)
	b.Leader()
	b.Connect(leader)
	b.Leader()
}

// manyElections: of seven servers any three may be away; the other four always find a leader.
func manyElections(b *Bed) {
	rng := rand.New(rand.NewPCG(1, 1))
	b.Leader()
	for range 10 {
		away := rng.Perm(b.Size())[:3]
		b.Disconnect(away...)
		b.Leader()
		b.Connect(away...)
	}
	b.Leader()
	b.Pause(100 * time.Millisecond)
}

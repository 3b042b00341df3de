package lab

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// basicAgree: three commands take the first three places that leaders leave to commands, and nothing is applied before it
// was started.
func basicAgree(b *Bed) {
	next, term := 1, 0
	for range 3 {
		if n, _ := b.Committed(next); n > 0 {
			b.Fatalf("%d servers have applied index %d before anything was started there", n, next)
		}
		got := b.AgreeOn(b.Size())
		if got < next || got > next+b.gap(term) {
			b.Fatalf("the next command took index %d, not %d", got, next)
		}
		next, term = got+1, b.Term()
	}
}

// rpcBytes: each command goes to each peer once.
func rpcBytes(b *Bed) {
	const commands, size = 10, 5000
	b.AgreeOn(b.Size())
	b.Mark()
	sent := 0
	for i := range commands {
		command := fmt.Sprintf("%d %s", i, strings.Repeat("x", size))
		b.Agree(command, b.Size())
		sent += len(command)
	}
	if got, limit := b.Since().Bytes, b.Size()*sent+50_000; got > limit {
		b.Fatalf("%d commands of %d bytes took %d bytes on the network; %d are enough", commands, size, got, limit)
	}
}

// followerFailure: one follower may go, a second may not.
func followerFailure(b *Bed) {
	b.AgreeOn(b.Size())
	leader := b.Leader()
	b.Disconnect(leader + 1)
	b.AgreeOn(b.Size() - 1)
	b.Pause(electionPause)
	b.AgreeOn(b.Size() - 1)

	leader = b.Leader()
	for _, i := range b.Everyone() {
		if i != leader {
			b.Disconnect(i)
		}
	}
	index, _ := b.MustStart(leader, b.Command())
	b.mustNotCommit(index)
}

// mustNotCommit: without a majority nothing is committed, however long one waits.
func (b *Bed) mustNotCommit(index int) {
	b.Helper()
	b.Pause(2 * electionPause)
	if n, _ := b.Committed(index); n > 0 {
		b.Fatalf("%d servers have applied index %d, which no majority can have", n, index)
	}
}

// leaderFailure: one leader may go, a second may not.
func leaderFailure(b *Bed) {
	b.AgreeOn(b.Size())
	b.Disconnect(b.Leader())
	b.AgreeOn(b.Size() - 1)
	b.Pause(electionPause)
	b.AgreeOn(b.Size() - 1)

	b.Disconnect(b.Leader())
	last := 0
	for _, i := range b.Everyone() {
		if index, _, ok := b.Start(i, b.Command()); ok {
			last = max(last, index)
		}
	}
	b.mustNotCommit(last)
}

// failAgree: a follower that was away gets what it missed, and takes part again.
func failAgree(b *Bed) {
	b.AgreeOn(b.Size())
	away := b.Leader() + 1
	b.Disconnect(away)
	for range 2 {
		b.AgreeOn(b.Size() - 1)
	}
	b.Pause(electionPause)
	for range 2 {
		b.AgreeOn(b.Size() - 1)
	}
	b.Connect(away)
	b.AgreeOn(b.Size())
	b.Pause(electionPause)
	b.AgreeOn(b.Size())
}

// failNoAgree: with three of five away nothing is agreed on. What the leader took meanwhile may be committed later
// or replaced, but the log goes on.
func failNoAgree(b *Bed) {
	first := b.AgreeOn(b.Size())
	term := b.Term()
	leader := b.Leader()
	away := b.from(leader+1, 3)
	b.Disconnect(away...)
	index, _ := b.MustStart(leader, b.Command())
	if index < first+1 || index > first+1+b.gap(term) {
		b.Fatalf("the first command took index %d, the next %d", first, index)
	}
	b.mustNotCommit(index)

	b.Connect(away...)
	// The three may have elected a leader of their own, whose log does not have the command.
	next := 0
	if !b.await(electionBound, func() bool {
		var ok bool
		next, _, ok = b.Start(b.Leader(), b.Command())
		return ok
	}) || next < index || next > index+1+b.gap(term) {
		b.Fatalf("with all servers back, the next command took index %d, not %d or %d", next, index, index+1)
	}
	b.AgreeOn(b.Size())
}

// concurrentStarts: commands that are started at the same time each get a place of their own, in one term.
func concurrentStarts(b *Bed) {
	const commands = 5
	for range 5 { // a change of leader in the middle makes a try worthless
		leader := b.Leader()
		_, term := b.MustStart(leader, b.Command())
		indexes, ok := b.startTogether(leader, term, commands)
		if now, _ := b.State(leader); !ok || now != term {
			continue
		}
		got := map[string]bool{}
		for _, index := range indexes {
			got[b.AwaitApplied(index, b.Size())] = true
		}
		for i := range commands {
			if command := fmt.Sprintf("term %d, number %d", term, i); !got[command] {
				b.Fatalf("%q was taken in term %d, but it is not among the commands at %v", command, term, indexes)
			}
		}
		return
	}
	b.Fatalf("the term changed five times although nothing failed")
}

func (b *Bed) startTogether(leader, term, commands int) (indexes []int, ok bool) {
	var wg sync.WaitGroup
	indexes = make([]int, commands)
	terms := make([]int, commands)
	for i := range commands {
		wg.Go(func() { indexes[i], terms[i], _ = b.Start(leader, fmt.Sprintf("term %d, number %d", term, i)) })
	}
	wg.Wait()
	for _, got := range terms {
		if got != term {
			return nil, false
		}
	}
	return indexes, true
}

// rejoin: a leader that took commands while it was cut off gives them up, also when the leader after it was cut off too.
func rejoin(b *Bed) {
	b.AgreeOn(b.Size())
	first := b.Leader()
	b.Disconnect(first)
	for range 3 {
		b.MustStart(first, b.Command())
	}
	b.AgreeOn(b.Size() - 1)

	second := b.Leader()
	b.Disconnect(second)
	b.Connect(first)
	b.AgreeOn(b.Size() - 1)
	b.Connect(second)
	b.AgreeOn(b.Size())
}

// backup: logs with fifty wrong entries of several terms are put right in a few round trips.
func backup(b *Bed) {
	const wrong = 50
	b.AgreeOn(b.Size())

	// A leader with one follower takes fifty commands that nobody else gets.
	leader1 := b.Leader()
	b.Disconnect(b.from(leader1+2, 3)...)
	b.startMany(leader1, wrong)
	b.Pause(electionPause / 2)
	b.Disconnect(leader1, leader1+1)

	// The other three agree on fifty of their own.
	b.Connect(b.from(leader1+2, 3)...)
	for range wrong {
		b.AgreeOn(3)
	}

	// Their leader takes fifty more with one follower that nobody else gets.
	leader2 := b.Leader()
	other := leader1 + 2
	if leader2 == other%b.Size() {
		other++
	}
	b.Disconnect(other)
	b.startMany(leader2, wrong)
	b.Pause(electionPause / 2)

	// Now the first two and the one who has the least come together: their leader must be the third.
	b.Disconnect(b.Everyone()...)
	b.Connect(leader1, leader1+1, other)
	b.Mark()
	began := time.Now()
	b.AgreeOn(3)
	if rpcs := b.Since().RPCs; rpcs > 200+int(time.Since(began)/time.Second)*100 {
		b.Fatalf("it took %d RPCs to put right %d wrong entries", rpcs, wrong)
	}
	for range wrong {
		b.AgreeOn(3)
	}
	b.Connect(b.Everyone()...)
	b.AgreeOn(b.Size())
}

func (b *Bed) startMany(leader, n int) {
	b.Helper()
	for range n {
		b.MustStart(leader, b.Command())
	}
}

// rpcCounts: elections, agreement and idleness do not cost more than they must.
func rpcCounts(b *Bed) {
	const commands = 10
	b.Leader()
	if rpcs := b.Counts().RPCs; rpcs < 1 || rpcs > 30 {
		b.Fatalf("the first leader took %d RPCs to elect; 1 to 30 are right", rpcs)
	}
	b.agreementCost(commands)
	b.Pause(electionPause)
	b.Mark()
	b.Pause(time.Second)
	if rpcs := b.Since().RPCs; rpcs > 60 {
		b.Fatalf("a second of idleness cost %d RPCs; 60 are enough", rpcs)
	}
}

func (b *Bed) agreementCost(commands int) {
	b.Helper()
	for range 5 { // a change of leader in the middle makes a try worthless
		leader := b.Leader()
		b.Mark()
		first, term := b.MustStart(leader, b.Command())
		ok := true
		for range commands {
			_, t, taken := b.Start(leader, b.Command())
			ok = ok && taken && t == term
		}
		if !ok {
			continue
		}
		for index := first; index <= first+commands; index++ {
			b.AwaitApplied(index, b.Size())
		}
		if now, _ := b.State(leader); now != term {
			continue
		}
		if rpcs, limit := b.Since().RPCs, (commands+1+3)*3; rpcs > limit {
			b.Fatalf("agreement on %d commands cost %d RPCs; %d are enough", commands+1, rpcs, limit)
		}
		return
	}
	b.Fatalf("the term changed five times although nothing failed")
}

package lab

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// restart crashes servers and starts them again.
func (b *Bed) restart(servers ...int) {
	b.Crash(servers...)
	b.Restart(servers...)
}

// persistBasic: what was agreed on survives the crash of all, of the leader, and of a follower.
func persistBasic(b *Bed) {
	b.AgreeOn(b.Size())
	b.restart(b.Everyone()...)
	b.AgreeOn(b.Size())

	b.restart(b.Leader())
	b.AgreeOn(b.Size())

	leader := b.Leader()
	b.Crash(leader)
	b.AgreeOn(b.Size() - 1)
	b.Restart(leader)
	b.AgreeOn(b.Size())

	follower := b.Leader() + 1
	b.Crash(follower)
	b.AgreeOn(b.Size() - 1)
	b.Restart(follower)
	b.AgreeOn(b.Size())
}

// persistMore: three of five at a time, and never the same three.
func persistMore(b *Bed) {
	for range 5 {
		b.AgreeOn(b.Size())
		leader := b.Leader()
		b.Crash(leader+1, leader+2)
		b.AgreeOn(3)
		b.Crash(leader, leader+3, leader+4)
		b.Restart(leader+1, leader+2)
		b.Pause(electionPause)
		b.Restart(leader + 3)
		b.AgreeOn(3)
		b.Restart(leader+4, leader)
	}
	b.AgreeOn(b.Size())
}

// persistPartitioned: the one server that has all that was agreed on goes away with a crash; the other
// two must not go on without it but with it.
func persistPartitioned(b *Bed) {
	b.AgreeOn(b.Size())
	leader := b.Leader()
	b.Disconnect(leader + 2)
	b.AgreeOn(2)

	b.Crash(leader, leader+1)
	b.Connect(leader + 2)
	b.Restart(leader)
	b.AgreeOn(2)
	b.Restart(leader + 1)
	b.AgreeOn(b.Size())
}

// votes: a leader is elected while one server is down; it is cut off, its voter crashes and comes back, and so does the one that
// was down. That one has not heard of the leader's term, and may ask for the voter's vote in it. A voter that forgot would
// give it again, and the term had two leaders.
func votes(b *Bed) {
	b.AgreeOn(b.Size())
	for range 12 { // whose timeout comes first is chance
		b.Term()
		down := (b.Leader() + 1) % b.Size()
		b.Crash(down)
		rest := b.from(down+1, 2)
		b.restart(rest...)
		leader := b.Leader()
		term, _ := b.State(leader)
		voter := rest[0] + rest[1] - leader

		b.Disconnect(leader)
		b.restart(voter)
		b.Restart(down)
		next := b.Leader()
		if now, _ := b.State(next); now == term {
			b.Fatalf("server %d leads term %d, and so does server %d, which has server %d's vote: it forgot it in a crash", leader, term, next, voter)
		}
		b.Connect(leader)
		b.AgreeOn(b.Size())
	}
}

// figure8Steps is Figure 8 as it is drawn. In (c) an entry of an earlier term stands on a majority: it must not be
// applied, since in (d) it is overwritten.
func figure8Steps(b *Bed) {
	b.AgreeOn(b.Size())

	// (a) A leader, s1, replicates an entry to one other, s2.
	s1 := b.Leader()
	s2 := (s1 + 1) % b.Size()
	rest := b.from(s2+1, 3)
	b.Disconnect(rest...)
	contested, _ := b.MustStart(s1, b.Command())
	b.Pause(electionPause / 2)

	// (b) Both go. One of the others, s5, leads a later term, and takes an entry at the same place that nobody else gets.
	b.Disconnect(s1, s2)
	b.Connect(rest...)
	s5 := b.Leader()
	b.Disconnect(rest...)
	b.MustStart(s5, b.Command())

	// (c) It goes. s1 and s2 return with a third, s3: one of the first two leads, and brings s3 the entry of (a).
	s3 := rest[0]
	if s3 == s5 {
		s3 = rest[1]
	}
	b.Crash(s5)
	b.Connect(s1, s2, s3)
	b.Leader()
	b.Pause(electionPause)
	if n, command := b.Committed(contested); n > 0 && !b.Noops() {
		b.Fatalf("%d servers applied %q at index %d: it is on a majority, but of an earlier term, and may yet be overwritten (§5.4.2)", n, command, contested)
	}

	// (d) They go again. s5 returns with the other two: it can win, and what it has takes that place. Where leaders begin
	// with an entry of their own, (c) has committed the first entry, and s5 cannot win.
	b.Disconnect(s1, s2)
	b.Restart(s5)
	b.Connect(rest...)
	b.AgreeOn(3)
	b.Connect(b.Everyone()...)
	b.AgreeOn(b.Size())
}

// figure8: leaders crash soon after they took a command, most of the time before it got far. An entry of an earlier
// term that was committed by counting would be lost in one of these thousand rounds.
func figure8(b *Bed) {
	rng := rand.New(rand.NewPCG(8, 8))
	b.AgreeOn(1)
	up := b.Size()
	for deadline := b.began.Add(testBound / 2); up > 0 && time.Now().Before(deadline); {
		leader := b.startEverywhere()
		if rng.IntN(10) == 0 {
			b.Pause(time.Duration(rng.Int64N(int64(electionPause / 2))))
		} else {
			b.Pause(time.Duration(rng.Int64N(int64(15 * time.Millisecond))))
		}
		if leader >= 0 {
			b.Crash(leader)
			up--
		}
		if i := rng.IntN(b.Size()); up <= b.Size()/2 {
			for b.alive[i] {
				i = (i + 1) % b.Size()
			}
			b.Restart(i)
			up++
		}
	}
	for i := range b.Size() {
		if !b.alive[i] {
			b.Restart(i)
		}
	}
	b.AgreeOn(b.Size())
}

// startEverywhere gives a command to each server that lives; it gives the last that took it, or -1.
func (b *Bed) startEverywhere() int {
	leader := -1
	for i := range b.Size() {
		if !b.alive[i] {
			continue
		}
		if _, _, ok := b.Start(i, b.Command()); ok {
			leader = i
		}
	}
	return leader
}

// unreliableAgree: many commands at once over a network that delays and loses.
func unreliableAgree(b *Bed) {
	var wg sync.WaitGroup
	for i := range 10 {
		b.AgreeOn(1)
		for j := range 4 {
			command := fmt.Sprintf("round %d, number %d", i, j)
			next := j
			wg.Go(func() { b.startAnywhere(&next, command) })
		}
		wg.Wait()
	}
	b.SetNetwork(Network{})
	b.AgreeOn(b.Size())
}

// figure8Unreliable: leaders are cut off soon after they took a command, on a network that loses, delays and reorders, so that replies
// of long ago come in the middle of other terms.
func figure8Unreliable(b *Bed) {
	rng := rand.New(rand.NewPCG(9, 9))
	b.AgreeOn(1)
	connected := b.Size()
	for round := 0; time.Since(b.began) < testBound/2; round++ {
		if round == 50 {
			b.SetNetwork(Network{Unreliable: true, LongReordering: true, LongDelays: true})
		}
		leader := b.startEverywhere()
		if rng.IntN(10) == 0 {
			b.Pause(time.Duration(rng.Int64N(int64(electionPause / 2))))
		} else {
			b.Pause(time.Duration(rng.Int64N(int64(15 * time.Millisecond))))
		}
		if leader >= 0 && b.connected[leader] && rng.IntN(2) == 0 {
			b.Disconnect(leader)
			connected--
		}
		if i := rng.IntN(b.Size()); connected <= b.Size()/2 && !b.connected[i] {
			b.Connect(i)
			connected++
		}
	}
	b.SetNetwork(Network{Unreliable: true})
	b.Connect(b.Everyone()...)
	b.AgreeOn(b.Size())
}

// churn: clients go on while servers come and go. What a client saw committed must be in the log in the end.
func churn(b *Bed) {
	const clients = 3
	var wg sync.WaitGroup
	var stop atomic.Bool
	seen := make([]map[int]string, clients)
	for c := range clients {
		seen[c] = map[int]string{}
		wg.Go(func() { b.client(c, &stop, seen[c]) })
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		b.churnOnce(rng)
	}
	b.SetNetwork(Network{})
	for i := range b.Size() {
		if !b.alive[i] {
			b.Restart(i)
		}
		b.Connect(i)
	}
	stop.Store(true)
	wg.Wait()
	last := b.AgreeOn(b.Size())
	b.AwaitApplied(last, b.Size())
	total := 0
	for c := range clients {
		for index, command := range seen[c] {
			total++
			if _, got := b.Committed(index); got != command {
				b.Fatalf("client %d saw %q committed at index %d, where now is %q", c, command, index, got)
			}
		}
	}
	if total == 0 {
		b.Fatalf("no client got anything committed")
	}
}

func (b *Bed) churnOnce(rng *rand.Rand) {
	if rng.IntN(5) == 0 {
		b.Disconnect(rng.IntN(b.Size()))
	}
	if i := rng.IntN(b.Size()); rng.IntN(2) == 0 {
		if !b.alive[i] {
			b.Restart(i)
		}
		b.Connect(i)
	}
	if i := rng.IntN(b.Size()); rng.IntN(5) == 0 && b.alive[i] {
		b.Crash(i)
	}
	// Servers live for about one election, so that some things succeed and some do not.
	b.Pause(electionPause * 2 / 5)
}

// client starts commands wherever one is taken, and looks for them in the log.
func (b *Bed) client(c int, stop *atomic.Bool, seen map[int]string) {
	for n := 0; !stop.Load(); n++ {
		command := fmt.Sprintf("client %d, number %d", c, n)
		index := 0
		for i := range b.Size() {
			if at, _, ok := b.Start(i, command); ok {
				index = at
			}
		}
		for _, pause := range []time.Duration{10, 20, 50, 100, 200} {
			time.Sleep(pause * time.Millisecond)
			if index == 0 {
				break
			}
			if got, ok := b.anyApplied(index); ok {
				if got == command {
					seen[index] = command
				}
				break
			}
		}
	}
}

// anyApplied gives what some server applied at index.
func (b *Bed) anyApplied(index int) (string, bool) {
	for i := range b.Size() {
		if command, ok := b.Applied(i, index); ok {
			return command, true
		}
	}
	return "", false
}

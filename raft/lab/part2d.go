package lab

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	snapshotEvery  = 10 // applied commands, in the tests of part 2D
	snapshotRounds = 30
)

// aFew gives enough commands for about one snapshot.
func aFew(rng *rand.Rand) int { return snapshotEvery/2 + rng.IntN(snapshotEvery) }

// snapshots: with all servers there, logs stay short.
func snapshots(b *Bed) {
	b.snapshotRounds(snapshotRounds, nil, nil)
}

// snapshotsDisconnect: who was cut off while the others' logs went on behind a snapshot gets that snapshot.
func snapshotsDisconnect(b *Bed) {
	b.snapshotRounds(snapshotRounds, func(i int) { b.Disconnect(i) }, func(i int) { b.Connect(i) })
}

// snapshotsCrash: likewise after a crash.
func snapshotsCrash(b *Bed) {
	b.snapshotRounds(snapshotRounds, func(i int) { b.Crash(i) }, func(i int) { b.Restart(i) })
}

// snapshotRounds sends one server away and back, again and again, now a follower and now the leader, while the others take
// snapshots. In the end all must have applied all that was agreed on.
func (b *Bed) snapshotRounds(rounds int, leave, comeBack func(i int)) {
	b.Helper()
	rng := rand.New(rand.NewPCG(4, 4))
	agreed := []int{b.AgreeOn(b.Size())}
	for round := range rounds {
		present := b.Size()
		victim := b.Leader()
		if round%3 != 1 {
			victim = (victim + 1) % b.Size()
		}
		if leave != nil {
			leave(victim)
			present--
			agreed = append(agreed, b.AgreeOn(present))
		}
		sender := b.Leader()
		for range aFew(rng) {
			b.Start(sender, b.Command()) // it may have lost its leadership
		}
		agreed = append(agreed, b.AgreeOn(present))
		b.logsAreShort()
		if comeBack != nil {
			comeBack(victim)
			agreed = append(agreed, b.AgreeOn(b.Size()))
		}
	}
	b.everybodyHas(agreed)
}

// logsAreShort: servers that are not cut off drop what a snapshot covers.
func (b *Bed) logsAreShort() {
	b.Helper()
	const limit = 8 * snapshotEvery
	long := ""
	if b.await(electionBound, func() bool {
		long = ""
		for i := range b.Size() {
			if entries := b.LogSize(i); b.connected[i] && entries > limit {
				long = fmt.Sprintf("server %d's log has %d entries", i, entries)
			}
		}
		return long == ""
	}) {
		return
	}
	b.Fatalf("%s; with a snapshot every %d commands %d are enough", long, snapshotEvery, limit)
}

// everybodyHas waits until all servers have the state that comes of these commands, among others: applied one by one, or with a
// snapshot. That it is the same on all is compared all the time.
func (b *Bed) everybodyHas(indexes []int) {
	b.Helper()
	for _, index := range indexes {
		b.AwaitApplied(index, b.Size())
	}
}

// snapshotsAllCrash: all servers crash at once; they come back with their snapshots and go on behind them.
func snapshotsAllCrash(b *Bed) {
	rng := rand.New(rand.NewPCG(5, 5))
	agreed := []int{b.AgreeOn(b.Size())}
	for range 5 {
		for range aFew(rng) {
			agreed = append(agreed, b.AgreeOn(b.Size()))
		}
		b.restart(b.Everyone()...)
		last := agreed[len(agreed)-1]
		next := b.AgreeOn(b.Size())
		if next <= last {
			b.Fatalf("after a crash of all the next command took index %d, but %d was committed before", next, last)
		}
		agreed = append(agreed, next)
	}
	b.everybodyHas(agreed)
}

// snapshotsInit: two crashes with one command in between. What a restarted server writes for it must not be taken, at
// the second restart, for all that there is.
func snapshotsInit(b *Bed) {
	var agreed []int
	for range snapshotEvery + 1 {
		agreed = append(agreed, b.AgreeOn(b.Size()))
	}
	for range 3 {
		b.restart(b.Everyone()...)
		agreed = append(agreed, b.AgreeOn(b.Size()))
	}
	b.everybodyHas(agreed)
}

// snapshotsConflict: a leader that was cut off has taken many commands that nobody else got. The others go on, behind a snapshot. It
// comes in place of all that the old leader has, also of what lies behind the snapshot's end; and the old leader comes
// back with it from a crash.
func snapshotsConflict(b *Bed) {
	agreed := []int{b.AgreeOn(b.Size())}
	for range 3 {
		old := b.Leader()
		b.Disconnect(old)
		b.startMany(old, 5*snapshotEvery)
		for range 2*snapshotEvery + 1 {
			agreed = append(agreed, b.AgreeOn(b.Size()-1))
		}
		b.logsAreShort()
		b.Connect(old)
		agreed = append(agreed, b.AgreeOn(b.Size()))
		b.restart(old)
		agreed = append(agreed, b.AgreeOn(b.Size()))
	}
	b.everybodyHas(agreed)
}

// snapshotsLarge: a snapshot too large for one message reaches a server although messages are lost and come late, the servers
// crash in the middle, and the others take newer ones meanwhile.
func snapshotsLarge(b *Bed) {
	const size = 20_000
	large := func() string { return b.Command() + " " + strings.Repeat("x", size) }
	agreed := []int{b.AgreeOn(b.Size())}
	for range 2 {
		away := (b.Leader() + 1) % b.Size()
		b.Disconnect(away)
		for range 3 * snapshotEvery {
			agreed = append(agreed, b.Agree(large(), b.Size()-1))
		}
		b.Connect(away)
		b.Pause(50 * time.Millisecond) // it is getting the snapshot
		b.restart(away)
		agreed = append(agreed, b.Agree(large(), b.Size()-1))
		b.restart(b.Leader())
		agreed = append(agreed, b.Agree(large(), b.Size()))
	}
	b.everybodyHas(agreed)
}

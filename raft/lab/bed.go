package lab

import (
	"fmt"
	"io"
	"time"
)

// T is the part of *testing.T that a Bed needs.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Failed() bool
}

// Bed is a system under test and the questions that tests ask of it. A question that gets the wrong answer ends the test.
type Bed struct {
	T
	System
	connected []bool
	alive     []bool
	began     time.Time
	counts    Counts
	committed int // highest index known to be committed
	commands  int // for unique names
}

// Play runs one test on a system, which it closes, and prints the two lines to out.
func Play(t T, out io.Writer, test Test, system System) {
	t.Helper()
	b := &Bed{T: t, System: system, connected: make([]bool, system.Size()), alive: make([]bool, system.Size())}
	for i := range b.connected {
		b.connected[i], b.alive[i] = true, true
	}
	_, _ = fmt.Fprintf(out, "Test (%s): %s ...\n", test.Part, test.Title)
	b.began = time.Now()
	defer func() {
		if err := system.Close(); err != nil && !t.Failed() {
			t.Fatalf("at the end of the test: %v", err)
		}
	}()
	test.Run(b)
	b.check()
	seconds := time.Since(b.began)
	if seconds > testBound {
		t.Fatalf("the test took %v, more than %v", seconds, testBound)
	}
	counts := b.Counts()
	_, _ = fmt.Fprintf(out, "  ... Passed --  %4.1f  %d %4d %7d %4d\n", seconds.Seconds(), b.Size(), counts.RPCs, counts.Bytes, b.committed)
}

// check fails the test if the servers disagree.
func (b *Bed) check() {
	b.Helper()
	if err := b.Err(); err != nil {
		b.Fatalf("%v", err)
	}
}

// Pause lets time pass while nothing is asked: for idleness, and for elections that must not succeed.
func (b *Bed) Pause(d time.Duration) {
	b.Helper()
	time.Sleep(d)
	b.check()
}

// await asks until ok, for at most bound; it tells whether it was ok.
func (b *Bed) await(bound time.Duration, ok func() bool) bool {
	b.Helper()
	for deadline := time.Now().Add(bound); ; {
		b.check()
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(pollInterval)
	}
}

// Disconnect cuts servers off.
func (b *Bed) Disconnect(servers ...int) {
	for _, i := range servers {
		b.System.Disconnect(i % b.Size())
		b.connected[i%b.Size()] = false
	}
}

// Connect joins servers again.
func (b *Bed) Connect(servers ...int) {
	for _, i := range servers {
		b.System.Connect(i % b.Size())
		b.connected[i%b.Size()] = true
	}
}

// Crash crashes servers.
func (b *Bed) Crash(servers ...int) {
	for _, i := range servers {
		b.System.Crash(i % b.Size())
		b.alive[i%b.Size()] = false
	}
}

// Restart restarts servers.
func (b *Bed) Restart(servers ...int) {
	for _, i := range servers {
		b.System.Restart(i % b.Size())
		b.alive[i%b.Size()] = true
	}
}

// Everyone lists all servers.
func (b *Bed) Everyone() []int { return b.from(0, b.Size()) }

// from lists n servers from first on, round the ring.
func (b *Bed) from(first, n int) []int {
	servers := make([]int, n)
	for i := range servers {
		servers[i] = (first + i) % b.Size()
	}
	return servers
}

// leaders gives, for each term that a connected server is in as leader, who that is. Two in one term fail the test.
func (b *Bed) leaders() (byTerm map[int]int, latest int) {
	b.Helper()
	byTerm, latest = map[int]int{}, -1
	for i := range b.Size() {
		if !b.connected[i] || !b.alive[i] {
			continue
		}
		term, leads := b.State(i)
		if !leads {
			continue
		}
		if other, ok := byTerm[term]; ok && other != i {
			b.Fatalf("servers %d and %d both lead term %d (Election Safety, Figure 3)", other, i, term)
		}
		byTerm[term] = i
		latest = max(latest, term)
	}
	return byTerm, latest
}

// Leader waits until one connected server leads, and no other still believes that it does, and gives it.
func (b *Bed) Leader() int {
	b.Helper()
	leader := -1
	if !b.await(electionBound, func() bool {
		byTerm, latest := b.leaders()
		if len(byTerm) != 1 {
			return false
		}
		leader = byTerm[latest]
		return true
	}) {
		byTerm, _ := b.leaders()
		b.Fatalf("not one leader after %v, although a majority is connected, but %d", electionBound, len(byTerm))
	}
	return leader
}

// NoLeader lets time for several elections pass: none may succeed without a majority.
func (b *Bed) NoLeader() {
	b.Helper()
	b.Pause(electionPause)
	if byTerm, latest := b.leaders(); latest >= 0 {
		b.Fatalf("server %d leads term %d without a majority", byTerm[latest], latest)
	}
}

// Term waits until all connected servers are in one term, and gives it.
func (b *Bed) Term() int {
	b.Helper()
	term := 0
	if !b.await(electionBound, func() bool {
		terms := map[int]bool{}
		for i := range b.Size() {
			if b.connected[i] && b.alive[i] {
				term, _ = b.State(i)
				terms[term] = true
			}
		}
		return len(terms) == 1
	}) {
		b.Fatalf("after %v the connected servers are still in different terms", electionBound)
	}
	return term
}

// Command gives a command that was not given before.
func (b *Bed) Command() string {
	b.commands++
	return fmt.Sprintf("command %d", b.commands)
}

// Committed counts the servers that have applied index, and gives what they applied there.
func (b *Bed) Committed(index int) (servers int, command string) {
	b.Helper()
	for i := range b.Size() {
		if c, ok := b.Applied(i, index); ok {
			servers++
			command = c
		}
	}
	b.check()
	if servers > 0 {
		b.committed = max(b.committed, index)
	}
	return servers, command
}

// Agree gets a command agreed on: it finds a leader that takes it and waits until so many servers have applied it. If the
// leader loses its leadership before, it begins again with another. It gives the command's index.
func (b *Bed) Agree(command string, servers int) int {
	b.Helper()
	index := 0
	next := 0
	if b.await(agreementBound, func() bool {
		index = b.startAnywhere(&next, command)
		return index > 0 && b.await(2*time.Second, func() bool { return b.appliedBy(index, servers, command) })
	}) {
		return index
	}
	n, got := b.Committed(index)
	b.Fatalf("no agreement on %.40q after %v: %d servers of %d applied %.40q at index %d", command, agreementBound, n, servers, got, index)
	return 0
}

// AgreeOn gets a new command agreed on, by so many servers.
func (b *Bed) AgreeOn(servers int) int {
	b.Helper()
	return b.Agree(b.Command(), servers)
}

// startAnywhere offers the command to the connected servers, each time beginning with another, until one takes it.
func (b *Bed) startAnywhere(next *int, command string) (index int) {
	for range b.Size() {
		i := *next % b.Size()
		*next++
		if !b.connected[i] || !b.alive[i] {
			continue
		}
		if index, _, ok := b.Start(i, command); ok {
			*next = i
			return index
		}
	}
	return 0
}

func (b *Bed) appliedBy(index, servers int, command string) bool {
	b.Helper()
	n, got := b.Committed(index)
	return n >= servers && got == command
}

// gap tells how many places in the log leaders' own entries may have taken since the system was in term.
func (b *Bed) gap(term int) int {
	if !b.Noops() {
		return 0
	}
	latest := term
	for i := range b.Size() {
		now, _ := b.State(i)
		latest = max(latest, now)
	}
	return latest - term
}

// AwaitApplied waits until so many servers have applied something at index, and gives it.
func (b *Bed) AwaitApplied(index, servers int) string {
	b.Helper()
	if !b.await(agreementBound, func() bool { n, _ := b.Committed(index); return n >= servers }) {
		n, _ := b.Committed(index)
		b.Fatalf("after %v only %d servers of %d have applied index %d", agreementBound, n, servers, index)
	}
	_, command := b.Committed(index)
	return command
}

// MustStart gives a command to a server that has to take it.
func (b *Bed) MustStart(leader int, command string) (index, term int) {
	b.Helper()
	index, term, ok := b.Start(leader, command)
	if !ok {
		b.Fatalf("server %d leads, but did not take a command", leader)
	}
	return index, term
}

// Mark begins a stretch of which Since tells what it cost.
func (b *Bed) Mark() { b.counts = b.Counts() }

// Since gives what was sent since Mark.
func (b *Bed) Since() Counts {
	now := b.Counts()
	return Counts{RPCs: now.RPCs - b.counts.RPCs, Bytes: now.Bytes - b.counts.Bytes}
}

// Package sim runs whole Raft clusters on one goroutine each: the algorithm of package consensus as it is, under a seeded clock,
// network, disks and clients that go wrong in every way that was drawn. A failing run is one number.
//
//	func TestMyStateMachine(t *testing.T) {
//		sim.Test(t, sim.Options{Seeds: 1000, System: sim.System{Machine: newMine, Workload: myWorkload{}}})
//	}
//
// [Draw] makes a [Plan] of a seed: the cluster, the probabilities, the troubles and when they come. [Run] runs a plan, [Search] many,
// [Shrink] makes a failing one smaller, [Timeline] shows what happened, a column for each server. Plans are values: they can be
// written as JSON, changed, kept in testdata and run for ever.
//
// # What goes wrong
//
// Messages are lost, repeated, late, out of order, held back and let go; links are cut, one way or both, around one server or
// between halves that one server joins. Disks are slow, hang, and are wiped. A crash keeps any prefix of what was being
// written, at the granularity that consensus.Save promises. Servers pause while their clocks go on; clocks go too fast or too slow,
// and jump where no lease rests on them. Clients try again, give up and forget. Members are added, promoted, demoted, removed and
// replaced; leadership is transferred; logs are compacted, so that who was away needs a snapshot. A server whose disk was found corrupt is
// not repaired: as operators of real systems do, its disk is wiped and a new server, with a new ID, takes its place; never so
// many at once that what is committed is not on a quorum any more.
//
// # What is checked
//
// After every event, from nothing but what leaves a module and what is on the disks: the five properties of Figure 3, Leader
// Completeness also as a question (would anyone get a majority of votes who does not have what was just committed?); that what is
// committed is on the disks of a quorum of the configuration in force; that each promise that leaves is backed by the sender's
// disk; that votes, terms and indexes only go forward; that what a restart finds is what was saved; that quorums of successive
// configurations meet; that commands take effect once; that reads see what was committed when they were asked. At the end
// of a run the history of the clients is judged by porcupine, and then the cluster has to live: a quorum that is fully connected is
// healed, all others stay as they are, and it must elect a leader, do ten writes and ten reads and agree to the byte, in bounded time.
//
// # What it promises
//
// Equal plans give equal runs, event for event, on every machine: [Result].Hash tells. One run uses one goroutine, no clock, no
// source of chance but the seed.
//
// # What it does not promise
//
// It finds what its plans reach: see [Coverage], and the mutants in testdata, which it must find. Real disks, sockets and
// processes are not in it: the packages that deal with them have tests of their own. Corruption that a disk does not report is
// not simulated.
package sim

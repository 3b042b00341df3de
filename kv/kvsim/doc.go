// Package kvsim puts the key/value store of package kv, as it is, into the simulator of package raft/sim: [System] is what to hand
// to sim.Run and sim.Search.
//
// # What it promises
//
//   - The store that is tried is the one that servers run: its commands as they stand in the log, its session table, its
//     snapshots. Nothing of it is played.
//   - Clients put, append, delete, read, and write under each kind of condition. A value that was put or appended is written by nobody
//     else, so whoever reads it knows where it came from.
//   - What clients saw is held against a model that knows values, versions and conditions, one key at a time.
//
// # What it does not promise
//
//   - The simulator's state machines are not told terms, so the term of each Result is 1 here.
//   - Digests are of the whole state at every eighth index only, since the store reads all of it for one. A difference is found
//     some commands later than it came to be, never lost.
//   - Lists of keys are not asked for, and no client writes without a session.
//
// # Example
//
//	result := sim.Run(sim.Draw(7), sim.RunOptions{System: kvsim.System()})
//	if result.Failure != nil {
//		fmt.Println(result.Failure)
//	}
package kvsim

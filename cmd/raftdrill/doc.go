// Raftdrill starts clusters of real raftnode processes on this machine, breaks them, and says whether they kept their
// promises. With sim the clusters are simulated: no processes, virtual time, any number of them.
//
//	raftdrill list
//	raftdrill run demo
//	raftdrill run crashes --rounds 100 --seed 7 --out runs
//	raftdrill up
//	raftdrill sim --seeds 2000
//	raftdrill sim --seed 7 --trace
//	raftdrill version
//
// # What it promises
//
//   - The last line of run and sim is "verdict: PASS", "verdict: FAIL ..." or "verdict: UNKNOWN ...", with exit code 0, 1 or 2.
//     Exit code 64 means that the command line is wrong. What was not decided is never a PASS.
//   - It starts its own processes on ports that nobody uses, signals no others, and ends them all; after a PASS no file is
//     left, unless --out asked for it. After anything else it says where history and logs are.
//
// # What it does not promise
//
// A seed of run repeats the faults, not the timing: see package integration. A seed of sim repeats everything, in the same revision of
// the code: see package raft/sim.
package main

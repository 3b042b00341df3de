// Raftdrill starts clusters of real raftnode processes on this machine, breaks them, and says whether they kept their
// promises.
//
//	raftdrill list
//	raftdrill run demo
//	raftdrill run crashes --rounds 100 --seed 7 --out runs
//	raftdrill up
//	raftdrill version
//
// # What it promises
//
//   - The last line of run is "verdict: PASS", "verdict: FAIL ..." or "verdict: UNKNOWN ...", with exit code 0, 1 or 2.
//     Exit code 64 means that the command line is wrong. What was not decided is never a PASS.
//   - It starts its own processes on ports that nobody uses, signals no others, and ends them all; after a PASS no file is
//     left, unless --out asked for it. After anything else it says where history and logs are.
//
// # What it does not promise
//
// A seed repeats the faults, not the timing: see package integration.
package main

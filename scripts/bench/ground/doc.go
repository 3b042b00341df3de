// Package ground is what all benchmarks of this module stand on: where the repository is, how its programs are built, what the machine is, and how one window of
// load is measured.
//
// # What it promises
//
// [Sample] asks the kernel what the processes took between the two ends of the window in which operations are counted, and what the rest of the machine
// took. [Machine] refuses a directory on which to sync is to do nothing.
//
// # What it does not promise
//
// It needs Linux, git and the go command.
package ground

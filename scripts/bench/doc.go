// Bench puts a cluster of raftnode and clusters of its peers under the same load, in turn, and writes what it measured: a table, a page of plots, and all
// samples.
//
//	make bench-peers                                         everything: about half an hour
//	make bench-peers BENCHFLAGS='-rounds 1 -window 1s'       a look
//	go -C scripts/bench run . -help
//
// # What it promises
//
//   - Every peer is three processes on loopback, with its log on a real disk, synced before anything is acknowledged. A directory in memory is refused.
//   - All get the same load from the same generator, kv/load. Peers without a client protocol get one that costs little, package raw.
//   - They take turns: each sample of one has a sample of every other beside it, from the same few minutes.
//   - What a peer takes of processor, disk and memory is asked of the kernel, in the window in which operations are counted.
//
// # What it does not promise
//
// The generator runs on the same machine and takes its share: a client that costs more leaves less to its servers, and is part of what is measured. On
// another machine the figures are others; only ratios can be expected to hold, and of these only the large ones.
//
// This is a module of its own: who uses the one above must not get the peers.
package main

// Scale measures how raftnode behaves as something grows: the log, the keys, the nodes, the values; how long it needs to start, to catch up and to
// fail over; and what reads cost where. It writes tables, a page of plots and all figures.
//
//	make bench-scale                                          everything: about ten minutes
//	make bench-scale BENCHFLAGS='-quick'                      a look: less than two minutes
//	make bench-scale BENCHFLAGS='-studies failover,reads'     some of it
//	go -C scripts/bench run ./scale -help
//
// # What it promises
//
//   - What is measured are real processes of raftnode on loopback, with their files on a real disk, and clients that are those of the product.
//   - A long log or many keys are not written through the cluster, which would take hours: package wal and package kv write the data directories, as nodes
//     that had taken so many writes would have them. The nodes start on these, and what is measured is measured then.
//   - A study that would not fit into the memory that is free leaves the place out and says so. What fails is said in the report, beside what did not.
//   - It kills only processes that it started, and leaves no files but the report.
//
// # What it does not promise
//
// Each place on an axis is measured once: look at the shape, not at one figure. The generator of the load runs on the same cores.
package main

// Package labnet is a cluster of Raft servers in one process, for package lab: links that count what they carry, and that
// lose, delay, reorder and cut on demand; disks that survive a crash of their server, but not always the write that was under
// way; services that remember what they applied, and take snapshots of it. All chance comes from one seed. It runs in real time, and in the virtual time of a testing/synctest bubble, where
// minutes take milliseconds.
//
//	cluster := labnet.New(labnet.Options{Servers: 3, Seed: 1})
//	defer cluster.Close()
//	index, term, ok := cluster.Start(0, "x=1")
//
// Messages really are encoded on the way, by package rpc's msgpack: the bytes counted are those that TCP would
// carry, but for frames and handshakes, and no server can see another's memory.
//
// # What it promises
//
// A [Cluster] is a lab.System. On a reliable network each link is in order and takes a fixed short time. After Close no
// goroutine is left.
//
// # What it does not promise
//
// One seed gives one sequence of random choices, but not one run: goroutines are scheduled by Go.
package labnet

// Package storefile is the file stores.json in the data directory of a raftnode: which store each other member keeps its votes and its log in,
// and the newest start on it that this node knows of. raftnode writes it, raftctl doctor reads it.
//
// It promises that a file which is not as Write left it, or which belongs to another store, is an error: whoever took a damaged entry for true would let in
// a member that has forgotten what it promised, or keep out one that has not. Write is atomic and durable. It does not lock: one process, the
// one that has the log, writes.
package storefile

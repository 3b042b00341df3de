// Command raftctl is the command line of the key/value service.
//
//	raftctl --endpoints 127.0.0.1:8001,127.0.0.1:8002,127.0.0.1:8003 put motd hello
//	raftctl get motd
//	raftctl status
//
// # What it promises
//
// Data goes to stdout, talk to stderr. The exit code says what is known:
//
//	0   done
//	1   certainly not done, or not found
//	2   the outcome of a write is unknown: it may have been done
//	3   no leader or no quorum: certainly not done
//	64  the command line is wrong: nothing was tried
//
// A write is tried again until it is answered or --timeout is over, and is applied at most once.
//
// bench writes keys of its own, below bench/, and deletes them in the end. doctor and log look at a data directory, with or without a node, and change nothing. log diff exits 2 when a log cannot be read, since
// then it is unknown whether they differ.
//
// certs makes certificates, in files that nobody else can read, and overwrites none.
//
// # What it does not promise
//
// log diff keeps 24 bytes for each entry of both logs, and both snapshots if it compares them.
// The tables are for people and may change. Programs read -o json and the exit code.
package main

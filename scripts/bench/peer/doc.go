// Package peer is what the programs of the peers have in common: their flags, and their end.
//
//	program -id 1 -dir DIR -raft 127.0.0.1:11001,127.0.0.1:11002,127.0.0.1:11003 -client 127.0.0.1:12001,...
//
// starts the first of three. It serves until it gets SIGTERM or SIGINT. It promises no more than the benchmark
// needs: a peer starts with an empty directory, and what it says of its health goes to stderr.
package peer

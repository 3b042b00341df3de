// Package rpc compares the transport and its codecs with others', on this machine, in one run:
//
//	make bench PKG=./rpc
//
// It is a module of its own, with benchmarks only, so that nobody gets hashicorp/raft and protobuf with ours.
//
// # What it promises
//
//   - Rivals are used as their users use them: hashicorp/raft's NetworkTransport through its pipeline, go-msgpack
//     with the handle and the stream of that transport, gob with one stream for all messages.
//   - Where rates are compared, the rivals take turns, so that what else the machine does hits all alike.
//
// # What it does not promise
//
//   - Figures of one machine are no figures of another. docs/rpc.md has some, with the command.
package rpc

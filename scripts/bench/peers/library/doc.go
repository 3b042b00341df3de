// Library is a key/value store on our own packages raft, rpc and wal, set up as raftnode sets them up, but served by the raw protocol in place of HTTP and
// without sessions: what hashicorp/raft and dragonboat, which are libraries too, can be compared with.
package main

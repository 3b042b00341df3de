// Package raft hosts one consensus module against the real world: it drives
// [github.com/raftnode/raft/raft/consensus] with a clock, a disk (a [Persister]), a
// network ([Peer]s) and a state machine.
//
// There are two ways in. The classic one is that of MIT's 6.824 lab 2:
//
//	rf := raft.Make(peers, me, persister, applyCh)
//	index, term, isLeader := rf.Start("x=1")
//	msg := <-applyCh // raft.ApplyMsg{CommandValid: true, Command: "x=1", CommandIndex: 1, ...}
//	term, isLeader = rf.GetState()
//	rf.Kill()
//
// The other is for products: [New] with a [Config] and a [StateMachine], [Raft.Run],
// [Raft.Propose], [Raft.Read], [Raft.Status], [Raft.Close].
//
// # What it promises
//
//   - A command that was applied anywhere is applied everywhere, at the same index, once
//     per incarnation of a state machine, in index order.
//   - Nothing is promised to another server (a vote, an acknowledgement) before the
//     Persister has said that it is on stable storage. One place decides that: save.go.
//   - A command goes in as a Go value and comes out, on every peer and also after a restart,
//     as the same value of the same type: []byte as it is, the basic types and strings by
//     themselves, other types once they were given to [Register].
//   - An error of Propose or Read tells whether the command may have been done: see [OutcomeOf].
//   - After Close or Kill returns, no goroutine runs, nothing is sent on applyCh, no Peer is called.
//   - No lock is held while anything is sent or awaited.
//
// # What it does not promise
//
//   - It does not resend a command of its own accord: a command may appear twice in the log
//     if the caller proposes it twice. Sessions are the state machine's affair (see package kv).
//   - After the first error of the Persister the host stops for good: Run returns that error.
//     The process should exit, and be started again.
package raft

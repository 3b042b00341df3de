// Package raft hosts one consensus module against the real world: it drives
// [github.com/raftnode/raft/raft/consensus] with a clock, a disk (a [Persister]), a
// network ([Peer]s) and a state machine.
//
// There are two ways in. The classic one is that of MIT's 6.824 lab 2:
//
//	rf := raft.Make(peers, me, persister, applyCh)
//	index, term, isLeader := rf.Start("x=1")
//	msg := <-applyCh // raft.ApplyMsg{CommandValid: true, Command: "x=1", CommandIndex: 1, ...}
//	rf.Snapshot(1, state) // the log up to index 1 is not needed any more
//	term, isLeader = rf.GetState()
//	rf.Kill()
//
// The other is for products: [New] with a [Config] and a [StateMachine], [Raft.Run],
// [Raft.Propose], [Raft.Read], [Raft.Status], [Raft.ChangeMembership], [Raft.Close].
//
// # Snapshots
//
// A StateMachine that is a [Snapshotter] is asked for a snapshot when the log has grown by so much (Config.SnapshotEntries,
// SnapshotBytes); others may call [Raft.Compact] or, with Make, [Raft.Snapshot]. The log up to there is dropped. The state machine
// gets a snapshot back in two cases: first of all when the server starts and its Persister has one, and whenever the leader's log does not
// reach back far enough for this server. It comes in order with the commands, and never leads back. With Make it is an
// [ApplyMsg] with SnapshotValid, in both cases.
//
// # Membership
//
// A cluster begins with Config.Founders; [Raft.ChangeMembership] adds and removes servers. A server that is to be added is started with
// Config.Join. Config.PeerFor gives the way to members that come later.
//
// # What it promises
//
//   - A command that was applied anywhere is applied everywhere, at the same index, once
//     per incarnation of a state machine, in index order; by itself or as a part of a snapshot.
//   - Nothing is promised to another server (a vote, an acknowledgement) before the
//     Persister has said that it is on stable storage. One place decides that: save.go.
//   - A command goes in as a Go value and comes out, on every peer and also after a restart,
//     as the same value of the same type: []byte as it is, the basic types and strings by
//     themselves, other types once they were given to [Register].
//   - A [Raft.Read] on any member, learners too, sees all that was committed anywhere when it was called; it is refused where that cannot be
//     made sure of.
//   - An error of Propose, Read or ChangeMembership tells whether it may have been done: see [OutcomeOf].
//   - Neither encoding a snapshot nor a Persister's PrepareSnapshot holds up commands, or what is written for them. Capturing one
//     does, and so does writing one that came from the leader.
//   - After Close or Kill returns, no goroutine runs, nothing is sent on applyCh, no Peer is called.
//   - Nothing is awaited while a lock is held. Peer.Send, Waiter.Done and OnFact are called by whoever carries the algorithm on, and must not wait.
//
// # What it does not promise
//
//   - It does not resend a command of its own accord: a command may appear twice in the log
//     if the caller proposes it twice. Sessions are the state machine's affair (see package kv).
//   - After the first error of the Persister the host stops for good: Run returns that error.
//     The process should exit, and be started again. A snapshot that cannot be encoded, or not be prepared, is logged and tried again
//     later: nothing rests on it.
//   - A snapshot is in memory as a whole, on all servers, also while it is sent.
package raft

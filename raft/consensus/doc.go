// Package consensus is the Raft algorithm as a value: sections 5 to 8 and
// Figures 2 and 13 of the extended Raft paper ("In Search of an Understandable
// Consensus Algorithm", Ongaro and Ousterhout), and from Ongaro's thesis
// leadership transfer (3.10), learners (4.2.1), linearizable reads with and without leases (6.4) and
// pre-vote (9.6).
//
// A [Module] has no goroutine, no lock, no clock, no random source, no file,
// no socket and no logger. What happens in the world is an argument: [Module.Step]
// for a message, [Module.Tick] for time, [Module.Propose] for a command,
// [Module.Read] for a read, [Module.Compact] for a snapshot, [Module.ChangeMembership] for who takes part,
// [Module.TransferLeadership] to hand over. What the module wants from the world is collected and
// leaves in one struct, [Effects], when [Module.Flush] is called. So the same
// code runs in a simulator, under a test, and in a process with real disks.
//
// # What the caller must do
//
// After a batch of calls, call Flush and carry out its Effects:
//
//  1. Send: hand each message to the network. These are requests that a
//     retry may repeat. They may leave while Save is still being written.
//  2. Save: write it to stable storage, behind all earlier Saves.
//  3. AfterSave: hand these to the network only when this Save, and all before
//     it, are on stable storage. They are promises: a vote, an acknowledgement,
//     a candidate's request for votes. This holds also when Save is empty. Every
//     message addressed to this server itself comes back through Step: while one is
//     missing, the disk has not answered.
//  4. Restore: replace the state machine's state with this snapshot's.
//  5. Apply: apply these entries to the state machine, in order.
//  6. Reads: serve each once the state machine has applied its index.
//  7. Facts: log, count or draw these. Nothing depends on them.
//
// If a Save fails, the module must never be used again: what it holds in memory
// is no longer backed by the disk.
//
// # What it promises
//
// With that contract kept, and with fewer than half of the voters forgetting
// what they saved, the five properties of Figure 3 hold: Election Safety,
// Leader Append-Only, Log Matching, Leader Completeness, State Machine Safety;
// and a [Read] is linearizable. Messages may be lost, repeated, delayed and
// reordered without end.
//
// A state machine is restored only from a snapshot that goes further than it had come, and then applies the next index. Membership may
// change while all this holds, through joint configurations.
//
// With PreVote and CheckQuorum a server that was cut off does not unseat a leader that others
// hear, and a leader that leads nobody, or whose own disk hangs, steps down.
//
// # What it does not promise
//
// It does not defend against a server that lies. It does not promise progress
// while no majority can talk to each other within an election timeout. A snapshot is held in memory whole, and so is the one that
// is being received. An ID is never given to another server, nor to the same one after it lost what it saved: what that one
// promised would be forgotten.
package consensus

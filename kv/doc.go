// Package kv is the replicated key/value store: the state machine behind the log. A [Store] is given
// committed commands and answers reads; a [Command] is what a write looks like in the log.
//
// # What it promises
//
//   - Deterministic: stores that were given the same commands are equal, byte for byte ([Store.Digest]),
//     in keys, versions, sessions and the order in which sessions will be forgotten.
//   - Total: any bytes may stand in the log. A bad command has a [Result] that says so, and changes nothing.
//   - A command with a client id and a sequence number is applied at most once, however often it stands in
//     the log. A repeat gets the first Result again, also when that was a refusal.
//   - A refused command changes nothing but the session table.
//   - A snapshot ([Store.Snapshot]) holds all of that. A Store that was restored from one goes on as if it had applied the
//     log itself, repeats and forgotten sessions included, and equal stores have equal snapshots, byte for byte. Taking one stops the Store
//     only for about 2 ms with a million keys and a full session table, since what is not written to is shared (BenchmarkSnapshot; on
//     two cores of an AMD EPYC); encoding it, 90 ms, goes on beside everything else.
//   - Each key has a version: the index of the command that last changed it. A condition on it is checked
//     and acted on as one step.
//
// # What it does not promise
//
//   - The session table holds [MaxSessions] clients; when it is full, the client whose last command is
//     furthest back in the log is forgotten. A forgotten client's next command is refused with
//     [SessionUnknown], unless its sequence number is 1: that begins a session. So a client may see its
//     very first command applied twice, if it repeats it after MaxSessions other clients have written in between.
//   - A repeat is recognised by client and sequence number, not by content: whoever uses a pair for two
//     different commands gets the first one's Result for both.
//   - A snapshot has no checksum, and the whole state has to fit into memory twice while one is encoded. Whoever keeps snapshots guards
//     them against damage; [Store.Restore] refuses what no Store could have written.
//
// # Example
//
//	store := kv.NewStore()
//	put, err := kv.Command{Op: kv.Put, Key: "motd", Value: []byte("hello")}.Encode()
//	// propose put; once it is committed, on every server:
//	results := store.Apply([]raft.Command{{Index: 1, Term: 1, Value: put}})
//	item, at, found := store.Get("motd") // "hello", version 1
package kv

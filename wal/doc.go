// Package wal keeps on disk what Figure 2 of the Raft paper calls the persistent
// state of a server: currentTerm, votedFor and log[]. All of it is records of one
// append-only log in one directory. Snapshots (§7) are files beside it, and with them the log's beginning goes.
//
//	log, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1"})
//	saved, err := log.Load()   // after a restart: the sum of all Saves
//	err = log.Save(batch)      // returns when the batch is on stable storage
//	err = log.Mark()           // when there is nothing more to save: so that damage to it is told from a torn write
//	err = log.PrepareSnapshot(snapshot) // writes a large one beside the Saves, before the Save that names it
//	err = log.Close()
//
// A [Log] satisfies the Persister of package raft.
//
// # What it promises
//
//   - When Save returns nil, everything in the batch is on stable storage: it was
//     written and fsynced, and so was each directory entry that it needs.
//   - After a crash at any moment, Load gives a prefix of what was handed to Save, record
//     by record, that contains everything Save returned nil for. The entries that follow each other in a call are one record, of up to 1 MiB, so
//     of a Save that never returned they are there together or not at all.
//   - A Save with a Snapshot and a Base, in the terms of [consensus.Saved.Add], is a record like others: the snapshot is on
//     stable storage before it, and what it makes superfluous is removed after it. The directory holds no more than the
//     newest snapshot, the segments with entries behind the base, and one or two more.
//   - A snapshot that is missing or damaged is never served, and no other in its place: Open refuses. So it does when
//     entries between base and log are missing.
//   - A torn tail, which a plain kill -9 leaves behind now and then, is cut off and reported. Damage to
//     data that any later record, of a Save or of a Mark, proves to be acknowledged is never cut off and never served: Open refuses,
//     and says in which file and where, what was expected there ([DamageError]), and that `raftctl doctor` looks closer. See "Torn or rotten" in FORMAT.md.
//   - The first error of a write or an fsync is final: every later Save returns it.
//     An fsync is never tried again, since the kernel may have dropped the pages.
//   - One process at a time has the directory open, and only for the cluster and the node it was created for.
//   - On a disk that is full but for the reserve of Options.ReserveBytes it opens, and the reserve can be given back while it runs.
//   - Each Open has a number and a random mark, which are on stable storage before it returns, unless the disk has no room: then it goes on as
//     the one before.
//   - Nothing in the files is trusted before it is checked: no length is allocated that the
//     file does not hold, and none above [MaxEntryBytes].
//
// # What it does not promise
//
//   - It does not watch the disk: who has it open decides when the reserve is given back, and taken. On a file system that compresses, or that promises room
//     which it does not have, a reserve may be less than its length.
//   - A log that somebody cut exactly between two records looks like a log to which the rest was
//     never written. Only segment files that are missing and needed, and a first segment without its first record, are noticed.
//   - A directory of which only the file identity is left looks like one whose creation was interrupted.
//   - A copy of an older state of the whole directory (a backup) looks like a good log. Restoring one
//     makes the node forget votes and acknowledgements; do not. [Recovery].Incarnation lets others notice it, unless the
//     copy is of the time since the last start.
//   - Without snapshots the directory grows with everything that is saved. Compaction removes whole segments only,
//     when a Save moves the base.
//   - A Save that has to write its snapshot itself takes as long as that takes; an unprepared one of 64 MiB holds up all behind it
//     for a tenth of a second and more.
//   - It relies on disks that do not damage one 512-byte sector while they rewrite it with more
//     behind the same beginning, and that keep what fsync said they have.
//   - It needs flock, so it builds on Unix systems only. A Log is for one goroutine.
package wal

// Hashicorp is a key/value store on hashicorp/raft, tuned for throughput: entries are applied and appended in batches as large as the library allows,
// the log is cached for replication, snapshots are off, and reads share a round of VerifyLeader. The log is in
// raft-wal or, with -store bolt, in raft-boltdb.
package main

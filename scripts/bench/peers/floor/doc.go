// Floor is what replication costs without Raft: the first process is the leader for ever, two followers append what it sends to a file,
// fdatasync and acknowledge it, and a write is answered when a majority of the three has it on disk. There is no election, no term, no recovery: it
// is no store, but what one could be measured against. Reads are answered by the leader from memory, without asking anybody.
package main

package consensus

// HardState is what Figure 2 calls the persistent state on all servers, but for the
// log: it must survive a crash.
type HardState struct {
	Term     Term     // currentTerm: latest term this server has seen
	VotedFor ServerID // candidate that received this server's vote in Term, or "" if none
}

// Save is what must reach stable storage, as one unit or as any prefix of: first
// HardState, then the Entries in order. A crash may keep a prefix; nothing
// was promised yet.
type Save struct {
	HardState *HardState // nil if unchanged since the last Save
	// Entries are contiguous. They replace everything that was saved at
	// Entries[0].Index and behind it. Their terms do not exceed the last HardState's.
	Entries []Entry
	// Commit is the commitIndex when this Save was made: it never exceeds the
	// last saved index. It is a hint for the storage (what must never be overwritten
	// or lost); Raft does not need it back.
	Commit Index
}

// Empty tells whether there is nothing to write.
func (s *Save) Empty() bool { return s.HardState == nil && len(s.Entries) == 0 }

// Saved is what stable storage gives back after a restart: the sum of all Saves.
type Saved struct {
	HardState HardState
	Entries   []Entry // from index 1, contiguous
}

// ReadID names a read of the caller's; the module only hands it back.
type ReadID uint64

// Read is the answer to [Module.Read].
type Read struct {
	ID ReadID
	// Index is the commitIndex that was confirmed: the read is linearizable when it is
	// served from a state machine that has applied this index.
	Index Index
	// Refused: leadership was lost before it could be confirmed. Nothing was done.
	Refused bool
}

// Effects is all that the world must do. Nothing else leaves the module.
type Effects struct {
	Save      Save      // write this, behind all Saves before it
	Send      []Message // requests: may leave now, while Save is still being written
	AfterSave []Message // promises: leave only when this Save and all before it are on stable storage
	Apply     []Entry   // newly committed, in index order; no-ops among them
	Reads     []Read    // answers to Read, in the order asked
	Facts     []Fact    // what happened, for logs, counters and drawings
}

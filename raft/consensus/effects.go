package consensus

// HardState is what Figure 2 calls the persistent state on all servers, but for the
// log: it must survive a crash.
type HardState struct {
	Term     Term     // currentTerm: latest term this server has seen
	VotedFor ServerID // candidate that received this server's vote in Term, or "" if none
}

// Position is a place in the log, and the term of the entry that stands or stood there. Zero, zero is the place before
// the first entry.
type Position struct {
	Index Index
	Term  Term
}

// Snapshot takes the place of the log up to and including its position (§7). It is immutable.
type Snapshot struct {
	Position               // lastIncludedIndex, lastIncludedTerm
	Config   Configuration // as of Index
	Data     []byte        // the state machine's, in its own format
}

// Save is what must reach stable storage, as one unit or as any prefix of: first
// HardState, then Snapshot with Base and Installed as one, then the Entries in order. A crash may keep a prefix; nothing
// was promised yet.
type Save struct {
	HardState *HardState // nil if unchanged since the last Save
	// Snapshot, if not nil, is a newer one than any before. It must be on stable storage before anything of the log is dropped.
	Snapshot *Snapshot
	// Base, with a Snapshot, is the new place before the first entry: storage may drop what was saved at or before Base.Index. It
	// never lies behind the Snapshot.
	Base Position
	// Installed, with a Snapshot: it came from the leader, and nothing remains of the log that was saved before (Figure 13,
	// step 7). Base is then the Snapshot's position.
	Installed bool
	// Entries are contiguous. They replace everything that was saved at
	// Entries[0].Index and behind it. Their terms do not exceed the last HardState's.
	Entries []Entry
	// Commit is the commitIndex when this Save was made: it never exceeds the
	// last saved index. It is a hint for the storage (what must never be overwritten
	// or lost); Raft need not get it back, but see Saved.Commit.
	Commit Index
}

// Empty tells whether there is nothing to write.
func (s *Save) Empty() bool { return s.HardState == nil && s.Snapshot == nil && len(s.Entries) == 0 }

// Saved is what stable storage gives back after a restart: the sum of all Saves.
type Saved struct {
	HardState HardState
	Snapshot  *Snapshot // the newest; nil if there is none
	Base      Position  // the place before the first of Entries; Base.Index <= Snapshot.Index
	Entries   []Entry   // contiguous from Base.Index+1; they reach up to the Snapshot at least
	// Commit is the highest Save.Commit that storage remembers; 0 if it remembers none. What was committed stays so: the state machine gets
	// it at once, without waiting for a leader.
	Commit Index
}

// Add makes save a part of the sum, as stable storage has to. It does not change the array of Entries that it had
// before.
func (s *Saved) Add(save Save) {
	s.Commit = max(s.Commit, save.Commit)
	if save.HardState != nil {
		s.HardState = *save.HardState
	}
	if save.Snapshot != nil {
		s.addSnapshot(&save)
	}
	if len(save.Entries) > 0 {
		keep := save.Entries[0].Index - s.Base.Index - 1
		s.Entries = append(s.Entries[:keep:keep], save.Entries...)
	}
}

func (s *Saved) addSnapshot(save *Save) {
	s.Snapshot = save.Snapshot
	switch {
	case save.Installed:
		s.Entries = nil
	case save.Base.Index > s.Base.Index:
		s.Entries = s.Entries[save.Base.Index-s.Base.Index:]
	}
	s.Base = save.Base
}

// ReadID names a read of the caller's; the module only hands it back.
type ReadID uint64

// Read is the answer to [Module.Read].
type Read struct {
	ID ReadID
	// Index is the commitIndex that was confirmed: the read is linearizable when it is
	// served from a state machine that has applied this index.
	Index Index
	// Refused: leadership was lost before it could be confirmed, or a follower heard from its leader no more, or not in time. Nothing was done.
	Refused bool
}

// Effects is all that the world must do. Nothing else leaves the module. Its slices are the receiver's to keep, but for Send, which is
// used again from the next Flush on.
type Effects struct {
	Save      Save      // write this, behind all Saves before it
	Send      []Message // requests: may leave now, while Save is still being written
	AfterSave []Message // promises: leave only when this Save and all before it are on stable storage
	Restore   *Snapshot // replace the state machine's state with this, before Apply
	Apply     []Entry   // newly committed, in index order; no-ops and configurations among them
	Reads     []Read    // answers to Read
	Facts     []Fact    // what happened, for logs, counters and drawings
}

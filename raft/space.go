package raft

// SetNoSpace tells that the disk of this server is nearly full, or that it has room again. Who watches the disk calls it: this package does
// not know where the Persister writes. A leader without space takes no commands ([ErrNoSpace]), and hands leadership over to a
// voter that has room, if there is one. Any leader lets go on those without as long as a majority does without them: they follow, vote and
// answer, but get no entries and no snapshots until they have room. Without such a majority the leader takes no commands, either. What was
// accepted before is committed, and reads go on.
func (r *Raft) SetNoSpace(noSpace bool) { r.post(event{noSpace: &noSpace}) }

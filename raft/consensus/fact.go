package consensus

import (
	"fmt"
	"time"
)

// Fact is something that happened inside the module: one of BecamePreCandidate, BecameCandidate, BecameLeader,
// BecameFollower, SteppedDown, VoteGranted, Truncated, TransferStarted, TransferEnded, ConfigurationChanged, NoProgress, SpaceChanged, SnapshotTaken,
// SnapshotInstalled, SnapshotSending, SnapshotSent. Its String is a line for people.
type Fact interface {
	fmt.Stringer
	isFact()
}

// BecameCandidate: an election timeout elapsed, this server asks for votes (§5.2).
type BecameCandidate struct{ Term Term }

// BecamePreCandidate: an election timeout elapsed, this server asks whether it would win an election (thesis 9.6).
type BecamePreCandidate struct{ NextTerm Term }

// SteppedDown: a leader gave up leadership of its own accord (thesis 6.2).
type SteppedDown struct {
	Term   Term
	Reason string
}

// TransferStarted: a leader is handing over leadership, and takes no commands meanwhile (thesis 3.10).
type TransferStarted struct{ To ServerID }

// TransferEnded: a transfer was given up; the leader goes on. One that succeeds ends with BecameFollower.
type TransferEnded struct{ To ServerID }

// BecameLeader: a majority voted for this server (§5.2).
type BecameLeader struct{ Term Term }

// BecameFollower: the server follows in a new term, or learned who leads its term, or gave up leading it.
type BecameFollower struct {
	Term   Term
	Leader ServerID // "" if not yet known
	Was    Role     // Leader here means: stepped down
	GaveUp bool     // it led this very term, which nobody leads now
}

// VoteGranted: this server voted (§5.2, §5.4.1).
type VoteGranted struct {
	Term Term
	To   ServerID
}

// Truncated: entries From..To, never committed, conflicted with the leader's and were deleted (§5.3).
type Truncated struct {
	From, To Index
	Leader   ServerID
}

func (BecamePreCandidate) isFact() {}
func (SteppedDown) isFact()        {}
func (TransferStarted) isFact()    {}
func (TransferEnded) isFact()      {}
func (BecameCandidate) isFact()    {}
func (BecameLeader) isFact()       {}
func (BecameFollower) isFact()     {}
func (VoteGranted) isFact()        {}
func (Truncated) isFact()          {}

func (f BecamePreCandidate) String() string {
	return fmt.Sprintf("asks whether it would win term %d", f.NextTerm)
}

func (f SteppedDown) String() string {
	return fmt.Sprintf("gave up leading term %d: %s", f.Term, f.Reason)
}
func (f TransferStarted) String() string { return fmt.Sprintf("hands leadership over to %s", f.To) }
func (f TransferEnded) String() string {
	return fmt.Sprintf("gave up handing leadership over to %s", f.To)
}

func (f BecameCandidate) String() string { return fmt.Sprintf("became candidate in term %d", f.Term) }
func (f BecameLeader) String() string    { return fmt.Sprintf("became leader of term %d", f.Term) }
func (f BecameFollower) String() string {
	text := fmt.Sprintf("entered term %d", f.Term)
	switch {
	case f.GaveUp:
		text = fmt.Sprintf("follows nobody in term %d", f.Term)
	case f.Leader != "":
		text = fmt.Sprintf("follows %s in term %d", f.Leader, f.Term)
	}
	if f.Was != Follower {
		text += fmt.Sprintf(", was %s", f.Was)
	}
	return text
}
func (f VoteGranted) String() string { return fmt.Sprintf("voted for %s in term %d", f.To, f.Term) }
func (f Truncated) String() string {
	return fmt.Sprintf("deleted entries %d to %d, which conflict with %s's", f.From, f.To, f.Leader)
}

// ConfigurationChanged: another configuration is in force, since it was appended, or since one was truncated (§6).
type ConfigurationChanged struct {
	Index  Index // where it stands in the log
	Config Configuration
}

// NoProgress: a member answers this leader, but for many election timeouts its log has come no further although there is
// something to send: it lost what it once acknowledged, or refuses what it gets. Somebody should look at it. Told once until it makes progress.
type NoProgress struct {
	Member     ServerID
	MatchIndex Index
	For        time.Duration
}

// SpaceChanged: a member told this leader that its disk is nearly full, or that it has room again.
type SpaceChanged struct {
	Member  ServerID
	NoSpace bool
}

// SnapshotTaken: the log up to Snapshot gave way to a snapshot of this server's own state machine (§7).
type SnapshotTaken struct {
	Snapshot Position
	Bytes    int   // of the snapshot
	First    Index // that the log still has
}

// SnapshotInstalled: a snapshot from Leader took the place of this server's state and log (§7).
type SnapshotInstalled struct {
	Snapshot Position
	Bytes    int
	Leader   ServerID
}

// SnapshotSending: the log does not reach back far enough for a member, so it gets a snapshot (§7).
type SnapshotSending struct {
	To       ServerID
	Snapshot Position
	Bytes    int
}

// SnapshotSent: the member has it on stable storage.
type SnapshotSent struct {
	To       ServerID
	Snapshot Position
}

func (ConfigurationChanged) isFact() {}
func (NoProgress) isFact()           {}
func (SpaceChanged) isFact()         {}
func (SnapshotTaken) isFact()        {}
func (SnapshotInstalled) isFact()    {}
func (SnapshotSending) isFact()      {}
func (SnapshotSent) isFact()         {}

func (f ConfigurationChanged) String() string {
	kind := "configuration"
	if f.Config.Joint() {
		kind = "joint configuration"
	}
	return fmt.Sprintf("%s of index %d is in force: %s", kind, f.Index, f.Config)
}

func (f NoProgress) String() string {
	return fmt.Sprintf("%s answers, but has not come further than index %d for %v: look at its log and its disk", f.Member, f.MatchIndex, f.For)
}

func (f SpaceChanged) String() string {
	if f.NoSpace {
		return fmt.Sprintf("the disk of %s is nearly full: it gets nothing more while a majority does without it", f.Member)
	}
	return fmt.Sprintf("the disk of %s has room again", f.Member)
}

func (f SnapshotTaken) String() string {
	return fmt.Sprintf("took a snapshot at index %d (%d bytes); the log begins at %d", f.Snapshot.Index, f.Bytes, f.First)
}

func (f SnapshotInstalled) String() string {
	return fmt.Sprintf("installed %s's snapshot at index %d (%d bytes)", f.Leader, f.Snapshot.Index, f.Bytes)
}

func (f SnapshotSending) String() string {
	return fmt.Sprintf("sends %s the snapshot at index %d (%d bytes)", f.To, f.Snapshot.Index, f.Bytes)
}

func (f SnapshotSent) String() string {
	return fmt.Sprintf("%s has the snapshot at index %d", f.To, f.Snapshot.Index)
}

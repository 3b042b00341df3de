package consensus

import "time"

// Role is what a server is at the moment (§5.1).
type Role uint8

// The three roles of Figure 4, and the one before candidate (thesis 9.6).
const (
	Follower Role = iota
	Candidate
	Leader
	PreCandidate
)

// String gives the paper's word.
func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	case PreCandidate:
		return "pre-candidate"
	}
	return "unknown role"
}

// Status is a copy of what a module knows, for people and tests.
type Status struct {
	ID            ServerID
	Role          Role
	Term          Term     // currentTerm
	VotedFor      ServerID // in Term, or ""
	Leader        ServerID // of Term, or "" if not known
	CommitIndex   Index
	LastLogIndex  Index
	LastLogTerm   Term
	FirstLogIndex Index    // the first index still in the log; LastLogIndex+1 if it is empty
	LogBytes      int      // of all entries in the log
	Snapshot      Position // of the newest snapshot; zero if there is none
	SnapshotBytes int      // of its Data
	Transfer      ServerID // leader: to whom leadership is being handed over, or ""
	NoSpace       bool     // its disk is nearly full: see SetNoSpace

	Config      Configuration // in force; must not be changed
	ConfigIndex Index         // where it stands in the log; 0: Founders. It is committed once CommitIndex is there
	// Members has what is known of each member, in the order of Config.
	Members []MemberStatus
}

// MemberStatus is what is known of one member. But for the first three it has content on a leader only.
type MemberStatus struct {
	ID          ServerID
	Address     string
	Suffrage    Suffrage
	MatchIndex  Index         // known to be on that member's stable storage
	NextIndex   Index         // next index to send there
	LastContact time.Duration // when its last reply in this term came, on the clock given to Step; 0: none yet
	CaughtUp    bool          // a learner: it may be promoted
	NoSpace     bool          // its disk is nearly full, as it said last
	// SendingSnapshot tells that a snapshot is being sent, and SnapshotSent how many of its bytes the member has.
	SendingSnapshot bool
	SnapshotSent    uint64
}

package consensus

import "fmt"

// Fact is something that happened inside the module: one of BecamePreCandidate, BecameCandidate, BecameLeader,
// BecameFollower, SteppedDown, VoteGranted, Truncated, TransferStarted, TransferEnded. Its String is a line for people.
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

// BecameFollower: the server follows in a new term, or learned who leads its term.
type BecameFollower struct {
	Term   Term
	Leader ServerID // "" if not yet known
	Was    Role     // Leader here means: stepped down
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
	if f.Leader != "" {
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

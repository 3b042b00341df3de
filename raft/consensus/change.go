package consensus

import "errors"

// ChangeOp is what happens to one member.
type ChangeOp uint8

// The operations. All but AddLearner and the removal of a learner go through a joint configuration (§6).
const (
	AddLearner ChangeOp = iota + 1 // it gets the log and does not count
	AddVoter                       // it begins as a learner, and becomes a voter by itself once it has caught up
	Promote                        // a learner that has caught up becomes a voter
	Demote                         // a voter becomes a learner
	Remove                         // it is a member no more
)

// Change is one wish of a caller of ChangeMembership.
type Change struct {
	Op      ChangeOp
	ID      ServerID
	Address string // with AddLearner and AddVoter: where others reach it
}

// The reasons for which ChangeMembership refuses, besides ErrNotLeader and ErrTransferring. In each case nothing was done. They
// come wrapped, with what to do.
var (
	// ErrChangePending: an earlier change is not committed yet, or a joint configuration is in force. Try again soon.
	ErrChangePending = errors.New("consensus: another change of membership is under way")
	// ErrNotReady: no entry of this leader's term is committed yet. Try again soon.
	ErrNotReady = errors.New("consensus: this leader has not committed an entry of its term yet")
	// ErrNotCaughtUp: a learner that is to be promoted is too far behind. Try again later.
	ErrNotCaughtUp = errors.New("consensus: the learner has not caught up yet")
	// ErrBadChange: what is asked for cannot be done, now or ever.
	ErrBadChange = errors.New("consensus: that change cannot be made")
)

// ChangeMembership begins a change of who takes part (§6).
func (m *Module) ChangeMembership(changes ...Change) (Index, Term, error) { return 0, 0, ErrNotLeader }

package consensus

import (
	"errors"
	"fmt"
	"slices"
)

// ChangeOp is what happens to one member.
type ChangeOp uint8

// The operations. All but AddLearner, AddVoter's first step and the removal of a learner go through a joint configuration (§6).
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

// ChangeMembership appends a configuration that differs from the present one in all the changes at once (§6). If voters change it is a
// joint one, and the leader goes on to the new one by itself as soon as the joint one is committed. It gives the place of
// the first of the two entries: the change is done when the entry at Status().ConfigIndex is committed and not joint.
func (m *Module) ChangeMembership(changes ...Change) (Index, Term, error) {
	if err := m.mayChange(); err != nil {
		return 0, 0, err
	}
	next := slices.Clone(m.config)
	for i, change := range changes {
		if slices.ContainsFunc(changes[:i], func(c Change) bool { return c.ID == change.ID }) {
			return 0, 0, fmt.Errorf("%w: %s is named twice", ErrBadChange, change.ID)
		}
		var err error
		if next, err = m.changed(next, change); err != nil {
			return 0, 0, err
		}
	}
	next.sort()
	if err := next.Validate(); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrBadChange, err)
	}
	if slices.Equal(next, m.config) {
		return 0, 0, fmt.Errorf("%w: it changes nothing", ErrBadChange)
	}
	return m.appendConfiguration(next), m.currentTerm, nil
}

// mayChange tells why no change can begin now. Two changes under way, or one before this leader knows what is committed, could lead
// to two majorities that do not overlap.
func (m *Module) mayChange() error {
	switch term, _ := m.log.term(m.commitIndex); {
	case m.role != Leader:
		return ErrNotLeader
	case !m.cfg.CheckQuorum || !m.cfg.PreVote:
		return fmt.Errorf("%w: it needs PreVote and CheckQuorum, or servers that were removed could unseat every leader", ErrBadChange)
	case m.transfer.to != "":
		return ErrTransferring
	case term != m.currentTerm:
		return ErrNotReady
	case m.configIndex > m.commitIndex || m.config.Joint():
		return fmt.Errorf("%w: it began at index %d", ErrChangePending, m.configIndex)
	}
	return nil
}

// changed gives the configuration with one change made. It may change c.
func (m *Module) changed(c Configuration, change Change) (Configuration, error) {
	i := c.place(change.ID)
	if i < 0 {
		return added(c, change)
	}
	member := &c[i]
	isVoter := member.Suffrage == Voter
	switch {
	case change.Op == AddLearner && member.Suffrage == Learner, change.Op == AddVoter && (member.Suffrage == Learner || member.Suffrage == Joining):
		if change.Address != "" {
			member.Address = change.Address
		}
		if change.Op == AddVoter {
			member.Suffrage = Joining
		}
	case change.Op == Promote && !isVoter:
		if f := &m.followers[m.config.place(change.ID)]; !m.caughtUp(f) {
			return nil, fmt.Errorf("%w: %s has the log up to index %d, which ends at %d", ErrNotCaughtUp, change.ID, f.matchIndex, m.log.lastIndex())
		}
		member.Suffrage = Incoming
	case change.Op == Demote && isVoter:
		member.Suffrage = Demoted
	case change.Op == Remove && isVoter:
		member.Suffrage = Outgoing
	case change.Op == Remove:
		return slices.Delete(c, i, i+1), nil
	default:
		return nil, fmt.Errorf("%w: %s is a %s already", ErrBadChange, change.ID, member.Suffrage)
	}
	return c, nil
}

func added(c Configuration, change Change) (Configuration, error) {
	switch change.Op {
	case AddLearner:
		return append(c, Member{ID: change.ID, Address: change.Address, Suffrage: Learner}), nil
	case AddVoter:
		return append(c, Member{ID: change.ID, Address: change.Address, Suffrage: Joining}), nil
	}
	return nil, fmt.Errorf("%w: %q is no member", ErrBadChange, change.ID)
}

// caughtUp tells whether a learner may be promoted: its last round was short, and the present one is not long.
func (m *Module) caughtUp(f *progress) bool {
	return f.catchUp.done && m.heardOf(f) && m.now-f.catchUp.began <= m.cfg.ElectionTimeout
}

// promoteJoining makes voters of those that wait for it, as soon as they can be.
func (m *Module) promoteJoining() {
	next := Configuration(nil)
	for i := range m.config {
		if m.config[i].Suffrage != Joining || !m.caughtUp(&m.followers[i]) {
			continue
		}
		if next == nil {
			next = slices.Clone(m.config)
		}
		next[i].Suffrage = Incoming
	}
	if next != nil && m.mayChange() == nil {
		m.appendConfiguration(next)
	}
}

// appendConfiguration puts a configuration into the log. It is in force at once.
func (m *Module) appendConfiguration(c Configuration) Index {
	before := m.followers
	index := m.appendEntry(EntryConfiguration, c.Encode())
	m.noteConfigs(index, m.log.slice(index, index))
	m.departing = nil
	for _, f := range before {
		if m.config.place(f.id) < 0 && !f.probing {
			m.replicateTo(&f)
			m.departing = append(m.departing, f)
		}
	}
	return index
}

// bidFarewell lets those that are members no more know that this is committed, so that they need not ask for votes. Nothing depends
// on it: it may be lost.
func (m *Module) bidFarewell() {
	m.tellCommitIndex(m.departing)
	m.departing = nil
}

// tellCommitIndex sends an empty AppendEntries at once, to all to whom the log reaches back.
func (m *Module) tellCommitIndex(to []progress) {
	for i := range to {
		f := &to[i]
		if _, reaches := m.log.term(f.nextIndex - 1); reaches && f.id != m.cfg.ID {
			m.appendEntries(f, nil)
		}
	}
}

// configCommitted does what follows when a leader's configuration is committed: from a joint one it goes on to the new one (§6:
// "It is now safe for the leader to create a log entry describing C_new"); if it has no vote in the new one it
// steps down ("the leader steps down once it has committed the C_new log entry"). Before, it lets the others know what is
// committed, and tells the best of them to stand at once, so that nobody waits for an election timeout.
func (m *Module) configCommitted() {
	switch {
	case m.config.Joint():
		m.appendConfiguration(m.config.leaveJoint())
		return
	case !m.config.Votes(m.cfg.ID):
		m.tellCommitIndex(m.followers)
		if next := m.successor(); next != "" && m.followers[m.config.place(next)].matchIndex == m.log.lastIndex() {
			m.request(&TimeoutNow{Header: m.header(next)})
		}
		m.bidFarewell()
		m.stepDown("it is no voter any more")
	default:
		m.bidFarewell()
	}
}

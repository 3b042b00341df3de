package consensus

import (
	"errors"
	"fmt"
	"time"
)

// ErrTransferring: the leader is handing leadership over and takes no commands meanwhile. Nothing was done.
var ErrTransferring = errors.New("consensus: leadership is being handed over")

// transfer is a leader's handing over (thesis 3.10).
type transfer struct {
	to       ServerID // "": none
	deadline time.Duration
	told     bool // TimeoutNow has left
}

// TransferLeadership begins to hand leadership over to a server, or to the one whose log is furthest if to is "". The leader takes
// no commands until it is done, or for an election timeout at most. An error says why it did not begin.
func (m *Module) TransferLeadership(to ServerID) error {
	switch {
	case m.role != Leader:
		return ErrNotLeader
	case m.transfer.to != "":
		return fmt.Errorf("%w to %s", ErrTransferring, m.transfer.to)
	case to == "":
		if to = m.successor(); to == "" {
			return errors.New("consensus: there is no other server to hand leadership over to")
		}
	case to == m.cfg.ID || !m.config.staysVoter(to):
		return fmt.Errorf("consensus: %q is not another voter", to)
	}
	m.transfer = transfer{to: to, deadline: m.now + m.cfg.ElectionTimeout}
	m.fact(TransferStarted{To: to})
	return nil
}

// staysVoter tells whether id is a voter of the new half.
func (c Configuration) staysVoter(id ServerID) bool {
	m, ok := c.Find(id)
	return ok && m.Suffrage.inNew()
}

// successor is who leads best after this leader: one who answers and has room on its disk, if there is one.
func (m *Module) successor() ServerID {
	if to := m.furthest(m.hasSpace); to != "" {
		return to
	}
	return m.furthest(func(*progress) bool { return true })
}

// furthest is the other voter with the highest matchIndex among those that may be, of equals the one that was heard last.
func (m *Module) furthest(may func(*progress) bool) ServerID {
	var best *progress
	for i := range m.followers {
		f := &m.followers[i]
		if f.id == m.cfg.ID || !m.config.staysVoter(f.id) || !may(f) {
			continue
		}
		if best == nil || f.matchIndex > best.matchIndex || f.matchIndex == best.matchIndex && f.lastContact > best.lastContact {
			best = f
		}
	}
	if best == nil {
		return ""
	}
	return best.id
}

// tellSuccessor sends TimeoutNow once the successor has all of the log: only then can it win.
func (m *Module) tellSuccessor() {
	if m.transfer.to == "" || m.transfer.told {
		return
	}
	if f := &m.followers[m.config.place(m.transfer.to)]; f.matchIndex == m.log.lastIndex() {
		m.transfer.told, m.lease.over = true, true
		m.request(&TimeoutNow{Header: m.header(f.id)})
	}
}

// endLateTransfer goes on leading when the successor did not take over within an election timeout.
func (m *Module) endLateTransfer() {
	if m.transfer.to != "" && m.now >= m.transfer.deadline {
		m.fact(TransferEnded{To: m.transfer.to})
		m.transfer = transfer{}
		m.handOverAfter = m.now + handOverPause*m.cfg.ElectionTimeout
	}
}

// handleTimeoutNow stands for election at once, without asking first: the leader wants it.
func (m *Module) handleTimeoutNow(msg *TimeoutNow) {
	if msg.Term == m.currentTerm && m.role == Follower && m.leader == msg.From && m.mayStand() {
		m.stand(true)
	}
}

package consensus

import "time"

// lease is a leader's right to answer reads without asking (thesis 6.4.1): followers that heard it ignore candidates for an
// election timeout, so no other leader can be elected until LeaseDuration after it sent what a majority answered.
type lease struct {
	sent  []sentRound
	until time.Duration
	over  bool // TimeoutNow was sent in this term: its candidate is listened to whatever was heard, so there are no leases any more
}

// sentRound is when a round began.
type sentRound struct {
	round uint64
	at    time.Duration
}

// extendLease begins a round with each heartbeat, so that the answers to it carry the lease on.
func (m *Module) extendLease() {
	if m.cfg.LeaseDuration == 0 {
		return
	}
	m.reads.round++
	m.lease.sent = append(m.lease.sent, sentRound{round: m.reads.round, at: m.now})
	m.ackOwnRound()
	if len(m.lease.sent) > maxSentRounds {
		m.lease.sent = m.lease.sent[1:]
	}
}

// maxSentRounds bounds what is remembered while no majority answers.
const maxSentRounds = 64

// roundsConfirmed notes that a majority answered in a round or a later one.
func (m *Module) roundsConfirmed(round uint64) {
	l := &m.lease
	for len(l.sent) > 0 && l.sent[0].round <= round {
		l.until = l.sent[0].at + m.cfg.LeaseDuration
		l.sent = l.sent[1:]
	}
}

// holdsLease tells whether a read may be answered at once. No lease outlives the word to a successor to stand.
func (m *Module) holdsLease() bool {
	return !m.lease.over && m.transfer.to == "" && m.now < m.lease.until
}

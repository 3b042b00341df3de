package consensus

import "slices"

// reads is a leader's bookkeeping for linearizable reads without a log entry (ReadIndex, thesis 6.4): take
// the commitIndex, make sure by a round of messages to a majority that one still was the leader after the read
// came in, then serve the read from a state machine that has applied that index.
type reads struct {
	round   uint64        // of the latest round; each round has a number of its own, so that a late reply never confirms a later read
	waiting []ReadID      // not yet in a round
	pending []pendingRead // in a round, in order of rounds
}

type pendingRead struct {
	id    ReadID
	index Index
	round uint64
}

// Read asks for a linearizable read. Its answer comes in Effects.Reads, sooner or later: confirmed, or
// refused when leadership is lost. On a server that does not lead, the error is ErrNotLeader. With leases, the time given to the next Tick
// must have been taken after the read came in.
func (m *Module) Read(id ReadID) error {
	if m.role != Leader {
		return ErrNotLeader
	}
	m.reads.waiting = append(m.reads.waiting, id)
	return nil
}

// startReadRound puts the waiting reads into a new round, or answers them at once if there is a lease. They wait on while no
// entry of currentTerm is committed: until then a leader does not know what is committed (§8).
func (m *Module) startReadRound() {
	if len(m.reads.waiting) == 0 {
		return
	}
	if term, _ := m.log.term(m.commitIndex); term != m.currentTerm {
		return
	}
	if m.holdsLease() {
		for _, id := range m.reads.waiting {
			m.effects.Reads = append(m.effects.Reads, Read{ID: id, Index: m.commitIndex})
		}
		m.reads.waiting = m.reads.waiting[:0]
		return
	}
	m.reads.round++
	for _, id := range m.reads.waiting {
		m.reads.pending = append(m.reads.pending, pendingRead{id: id, index: m.commitIndex, round: m.reads.round})
	}
	m.reads.waiting = m.reads.waiting[:0]
	m.ackOwnRound()
	for i := range m.followers {
		m.followers[i].heartbeatDue = true
	}
	m.confirmReads()
}

// ackOwnRound: the leader knows that it leads. As no voter any more (§6) it counts for nothing.
func (m *Module) ackOwnRound() {
	if i := m.config.place(m.cfg.ID); i >= 0 {
		m.followers[i].ackedRound = m.reads.round
	}
}

// confirmReads answers the reads whose round came back from a majority, the leader included.
func (m *Module) confirmReads() {
	if len(m.reads.pending) == 0 && len(m.lease.sent) == 0 || m.role != Leader {
		return
	}
	confirmed := m.config.agreed(func(i int) uint64 { return m.followers[i].ackedRound })
	m.roundsConfirmed(confirmed)
	done := 0
	for ; done < len(m.reads.pending) && m.reads.pending[done].round <= confirmed; done++ {
		read := m.reads.pending[done]
		m.effects.Reads = append(m.effects.Reads, Read{ID: read.id, Index: read.index})
	}
	m.reads.pending = slices.Delete(m.reads.pending, 0, done)
}

// refuseReads answers all reads that no one can confirm any more.
func (m *Module) refuseReads() {
	for _, read := range m.reads.pending {
		m.effects.Reads = append(m.effects.Reads, Read{ID: read.id, Refused: true})
	}
	for _, id := range m.reads.waiting {
		m.effects.Reads = append(m.effects.Reads, Read{ID: id, Refused: true})
	}
	m.reads = reads{}
}

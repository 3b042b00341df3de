package consensus

import "slices"

// reads is a leader's bookkeeping for linearizable reads without a log entry (ReadIndex, thesis 6.4): take
// the commitIndex, make sure by a round of messages to a majority that one still was the leader after the read
// came in, then serve the read from a state machine that has applied that index.
type reads struct {
	round   uint64        // of the latest round; each round has a number of its own, so that a late reply never confirms a later read
	waiting []reader      // not yet in a round
	pending []pendingRead // in a round, in order of rounds: of two rounds at most
}

// reader is who waits for a read: a caller of Read here, by its ReadID; or another server, by the id of its ReadIndex.
type reader struct {
	server ServerID // "": here
	id     uint64
}

type pendingRead struct {
	reader
	index Index
	round uint64
}

// Read asks for a linearizable read. Its answer comes in Effects.Reads, sooner or later: confirmed, or refused. A leader confirms it when it
// knows that it still leads, and refuses it when it does not lead any more. A follower asks its leader for an index, and confirms when it has
// applied that; it refuses when the leader does, when it does not follow that leader any more, and when that took longer than two election timeouts: one to
// wait for the reads before it, and one of its own. On any other server the error is ErrNotLeader: on a candidate, or one that has not
// heard a leader, or none that it knows as a member. With leases, the time given to the next Tick must have been taken after the read came in. What
// waits is not bounded here.
func (m *Module) Read(id ReadID) error {
	switch {
	case m.role == Leader:
		m.reads.waiting = append(m.reads.waiting, reader{id: uint64(id)})
	case m.Asks() != "":
		m.asking.waiting = append(m.asking.waiting, id)
	default:
		return ErrNotLeader
	}
	return nil
}

// startReadRound puts the waiting reads into a new round, or answers them at once if there is a lease. They wait on while no
// entry of currentTerm is committed: until then a leader does not know what is committed (§8); and while two rounds are under way, so that many
// readers cost few messages.
func (m *Module) startReadRound() {
	if len(m.reads.waiting) == 0 {
		return
	}
	if term, _ := m.log.term(m.commitIndex); term != m.currentTerm {
		return
	}
	if m.holdsLease() {
		for _, r := range m.reads.waiting {
			m.confirm(r, m.commitIndex)
			if i := m.config.place(r.server); i >= 0 {
				m.followers[i].heartbeatDue = true // it may not know yet that this much is committed
			}
		}
		m.reads.waiting = m.reads.waiting[:0]
		return
	}
	if n := len(m.reads.pending); n > 0 && m.reads.pending[0].round != m.reads.pending[n-1].round {
		return
	}
	m.reads.round++
	for _, r := range m.reads.waiting {
		m.reads.pending = append(m.reads.pending, pendingRead{reader: r, index: m.commitIndex, round: m.reads.round})
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
		m.confirm(m.reads.pending[done].reader, m.reads.pending[done].index)
	}
	m.reads.pending = slices.Delete(m.reads.pending, 0, done)
}

// confirm answers a read: all that was committed when it came in is at or before index. It rests on no disk, so it leaves at once.
func (m *Module) confirm(r reader, index Index) {
	if r.server != "" {
		m.request(&ReadIndexReply{Header: m.header(r.server), ID: r.id, Index: index})
		return
	}
	m.effects.Reads = append(m.effects.Reads, Read{ID: ReadID(r.id), Index: index})
}

// refuseReads answers all reads that no one can confirm any more.
func (m *Module) refuseReads() {
	for _, read := range m.reads.pending {
		m.refuseReader(read.reader)
	}
	for _, r := range m.reads.waiting {
		m.refuseReader(r)
	}
	m.reads = reads{}
	m.refuseAsked()
}

func (m *Module) refuseReader(r reader) {
	if r.server != "" {
		m.request(&ReadIndexReply{Header: m.header(r.server), ID: r.id, Refused: true})
		return
	}
	m.effects.Reads = append(m.effects.Reads, Read{ID: ReadID(r.id), Refused: true})
}

package consensus

// checkQuorum makes a leader step down that leads nobody: it has not heard from a majority for an election timeout
// (thesis 6.2), so that others may have another leader, or its own disk hangs, so that what it takes is not safe. Its clients
// learn at once, and elsewhere a leader can be found.
func (m *Module) checkQuorum() {
	m.quorumDeadline = m.now + m.cfg.HeartbeatInterval
	if m.diskHangs() {
		m.stepDown("its own disk has not answered for an election timeout")
		return
	}
	heard := 0
	for i := range m.followers {
		f := &m.followers[i]
		if f.id == m.cfg.ID || f.lastContact > 0 && m.now-f.lastContact < m.cfg.ElectionTimeout {
			heard++
		}
	}
	if heard < m.quorum() {
		m.stepDown("no majority was heard for an election timeout")
	}
}

// stepDown gives up leadership within the term. The election timer starts: this server may stand again later.
func (m *Module) stepDown(reason string) {
	m.fact(SteppedDown{Term: m.currentTerm, Reason: reason})
	m.resetElectionTimer()
	m.becomeFollower("")
}

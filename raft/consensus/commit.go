package consensus

// advanceCommitIndex: "If there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N, and
// log[N].term == currentTerm: set commitIndex = N" (§5.3, §5.4, Figure 2). Only entries of the leader's own
// term are committed by counting; earlier ones follow by the Log Matching Property (§5.4.2, Figure 8).
func (m *Module) advanceCommitIndex() {
	n := Index(m.config.agreed(func(i int) uint64 { return uint64(m.followers[i].matchIndex) }))
	if term, ok := m.log.term(n); !ok || term != m.currentTerm || n <= m.commitIndex {
		return
	}
	m.commitTo(n)
	if m.configIndex <= m.commitIndex {
		m.configCommitted()
	}
}

// commitTo sets commitIndex to index, unless it is there already.
func (m *Module) commitTo(index Index) {
	if index <= m.commitIndex {
		return
	}
	if m.role == Leader {
		m.uncommittedBytes -= m.log.bytesIn(m.commitIndex+1, index)
	}
	m.commitIndex = index
}

package consensus

import "slices"

// advanceCommitIndex: "If there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N, and
// log[N].term == currentTerm: set commitIndex = N" (§5.3, §5.4, Figure 2). Only entries of the leader's own
// term are committed by counting; earlier ones follow by the Log Matching Property (§5.4.2, Figure 8).
func (m *Module) advanceCommitIndex() {
	var buf [16]Index
	matches := buf[:0]
	for i := range m.followers {
		matches = append(matches, m.followers[i].matchIndex)
	}
	slices.Sort(matches)
	n := matches[len(matches)-m.quorum()]
	if term, ok := m.log.term(n); ok && term == m.currentTerm {
		m.commitTo(n)
	}
}

// commitTo sets commitIndex to index, unless it is there already.
func (m *Module) commitTo(index Index) {
	if index <= m.commitIndex {
		return
	}
	if m.role == Leader {
		for _, e := range m.log.slice(m.commitIndex+1, index) {
			m.uncommittedBytes -= entryBytes(e)
		}
	}
	m.commitIndex = index
}

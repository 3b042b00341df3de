package consensus

// requestPreVotes asks all others whether they would vote for this server in the next term (thesis 9.6). Nothing durable
// changes, here or there, so the requests do not wait for the disk.
func (m *Module) requestPreVotes() {
	m.role = PreCandidate
	m.leader = ""
	m.votes = make([]bool, len(m.config))
	m.resetElectionTimer()
	m.fact(BecamePreCandidate{NextTerm: m.currentTerm + 1})
	for i, member := range m.config {
		id := member.ID
		if id == m.cfg.ID {
			m.votes[i] = true
			continue
		}
		m.request(&RequestPreVote{
			Header:       m.header(id),
			NextTerm:     m.currentTerm + 1,
			LastLogIndex: m.log.lastIndex(),
			LastLogTerm:  m.log.lastTerm(),
		})
	}
	m.standIfWinning()
}

// handleRequestPreVote answers what handleRequestVote would, but for one more reason to refuse: this server hears a leader.
// It must change nothing: neither a term, nor a vote, nor a timer.
func (m *Module) handleRequestPreVote(msg *RequestPreVote) {
	grant := msg.NextTerm > m.currentTerm &&
		!m.hearsLeader() &&
		m.isUpToDate(msg.LastLogIndex, msg.LastLogTerm)
	m.request(&RequestPreVoteReply{Header: m.header(msg.From), NextTerm: msg.NextTerm, VoteGranted: grant})
}

// handleRequestPreVoteReply counts; with a majority the election is worth its term. A reply counts only
// for the question that it answers.
func (m *Module) handleRequestPreVoteReply(msg *RequestPreVoteReply) {
	if m.role != PreCandidate || msg.NextTerm != m.currentTerm+1 || !msg.VoteGranted {
		return
	}
	m.votes[m.config.place(msg.From)] = true
	m.standIfWinning()
}

func (m *Module) standIfWinning() {
	if m.won() {
		m.stand(false)
	}
}

// hearsLeader tells whether this server leads, or has heard its leader within the shortest election timeout: then there is no
// reason for an election (thesis 4.2.3).
func (m *Module) hearsLeader() bool { return m.role == Leader || m.now < m.quietUntil }

// ignoresVote: a server that hears a leader takes no notice of a candidate, not even of its term, unless the
// leader itself sent it (§6; thesis 4.2.3).
func (m *Module) ignoresVote(msg Message) bool {
	vote, ok := msg.(*RequestVote)
	return ok && m.cfg.CheckQuorum && !vote.Transfer && vote.Term > m.currentTerm && m.hearsLeader()
}

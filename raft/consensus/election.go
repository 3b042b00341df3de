package consensus

import "time"

// timeout: "If election timeout elapses without receiving AppendEntries RPC from current leader or granting vote
// to candidate: convert to candidate"; a candidate starts a new election (§5.2, Figure 2). With PreVote it asks first.
func (m *Module) timeout() {
	m.refuseAsked() // whoever was asked is silent
	switch {
	case !m.mayStand():
		m.resetElectionTimer() // learners, and servers that wait to be added, do not stand
		m.leader = ""
	case m.cfg.CheckQuorum && m.diskHangs():
		m.resetElectionTimer() // whom could it lead that cannot even vote for itself
	case m.cfg.PreVote:
		m.requestPreVotes()
	default:
		m.stand(false)
	}
}

// stand begins an election in a new term.
func (m *Module) stand(transfer bool) {
	m.currentTerm++
	m.votedFor = m.cfg.ID
	m.hardStateChanged = true
	m.role = Candidate
	m.leader = ""
	m.refuseAsked() // as a candidate it follows nobody
	m.forgetLeader()
	m.votes = make([]bool, len(m.config))
	m.resetElectionTimer()
	m.fact(BecameCandidate{Term: m.currentTerm})
	m.requestVotes(transfer)
}

// requestVotes asks all others for their votes, and gives this server its own. All of it waits for the
// disk: a candidate that forgot its vote in a crash could give it again to another in the same term.
func (m *Module) requestVotes(transfer bool) {
	for _, member := range m.config {
		id := member.ID
		if id == m.cfg.ID {
			m.promise(&RequestVoteReply{Header: m.header(id), VoteGranted: true})
			continue
		}
		m.promise(&RequestVote{
			Header:       m.header(id),
			LastLogIndex: m.log.lastIndex(),
			LastLogTerm:  m.log.lastTerm(),
			Transfer:     transfer,
		})
	}
}

// handleRequestVote: Figure 2, RequestVote RPC, receiver implementation. Here msg.Term <= currentTerm.
func (m *Module) handleRequestVote(msg *RequestVote) {
	// 1. Reply false if term < currentTerm (§5.1).
	// 2. If votedFor is null or candidateId, and candidate's log is at least as up-to-date as receiver's
	//    log, grant vote (§5.2, §5.4).
	grant := msg.Term == m.currentTerm &&
		(m.votedFor == "" || m.votedFor == msg.From) &&
		m.isUpToDate(msg.LastLogIndex, msg.LastLogTerm)
	if grant {
		if m.votedFor == "" {
			m.votedFor = msg.From
			m.hardStateChanged = true
			m.fact(VoteGranted{Term: m.currentTerm, To: msg.From})
		}
		m.resetElectionTimer()
	}
	m.promise(&RequestVoteReply{Header: m.header(msg.From), VoteGranted: grant})
}

// isUpToDate: the log whose last entry has the later term is more up-to-date; with equal last
// terms the longer log is (§5.4.1).
func (m *Module) isUpToDate(lastLogIndex Index, lastLogTerm Term) bool {
	if lastLogTerm != m.log.lastTerm() {
		return lastLogTerm > m.log.lastTerm()
	}
	return lastLogIndex >= m.log.lastIndex()
}

// handleRequestVoteReply: "If votes received from majority of servers: become leader" (Figure 2). Replies to
// elections that are over are dropped.
func (m *Module) handleRequestVoteReply(msg *RequestVoteReply) {
	if msg.Term != m.currentTerm || m.role != Candidate || !msg.VoteGranted {
		return
	}
	m.votes[m.config.place(msg.From)] = true
	if m.won() {
		m.becomeLeader()
	}
}

// won tells whether a majority granted its vote. Only voters of this server's own configuration count (§6), whoever else voted.
func (m *Module) won() bool {
	return m.config.agreed(func(i int) uint64 { return one(m.votes[i]) }) == 1
}

// becomeLeader: Figure 2, Leaders. The first AppendEntries, the one that keeps others from standing,
// leave with the next Flush.
func (m *Module) becomeLeader() {
	m.role = Leader
	m.leader = m.cfg.ID
	m.votes = nil
	m.followers = m.newFollowers(nil)
	m.reads = reads{}
	m.lease = lease{}
	m.transfer, m.handOverAfter = transfer{}, 0
	m.quorumDeadline = m.now + m.cfg.ElectionTimeout
	m.uncommittedBytes = m.log.bytesIn(m.commitIndex+1, m.log.lastIndex())
	m.ackOwnLog = true
	m.fact(BecameLeader{Term: m.currentTerm})
	m.heartbeat()
	if m.cfg.Noop {
		m.appendEntry(EntryNoop, nil)
	}
}

// resetElectionTimer draws the next election timeout from [T, 2T), anew each time, so that split
// votes are rare and do not repeat (§5.2).
func (m *Module) resetElectionTimer() {
	jitter := time.Duration(m.cfg.Rand() % uint64(m.cfg.ElectionTimeout))
	m.electionDeadline = m.now + m.cfg.ElectionTimeout + jitter
}

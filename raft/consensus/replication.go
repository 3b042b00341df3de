package consensus

import "errors"

// The reasons for which Propose and Read refuse. In each case nothing was done.
var (
	// ErrNotLeader: this server is not the leader (Status().Leader says who may be).
	ErrNotLeader = errors.New("consensus: not the leader")
	// ErrTooMuchUncommitted: Config.MaxUncommittedBytes are waiting for a majority.
	ErrTooMuchUncommitted = errors.New("consensus: too much is waiting to be committed")
	// ErrLogFull: the log has reached Config.MaxLogBytes.
	ErrLogFull = errors.New("consensus: the log is full")
)

// Propose appends a command to the leader's log (§5.3). It will be committed if this leader remains
// long enough; if another entry is committed at the returned index, with another term, it never will be. The
// module keeps data: it must not be written to any more.
func (m *Module) Propose(kind EntryKind, data []byte) (Index, Term, error) {
	size := len(data) + entryOverhead
	switch {
	case m.role != Leader:
		return 0, 0, ErrNotLeader
	case m.log.lastTerm() == m.currentTerm && m.outOfSpace():
		return 0, 0, ErrNoSpace
	case m.transfer.to != "":
		return 0, 0, ErrTransferring
	case m.log.lastTerm() != m.currentTerm:
		// The first entry of the term always fits: what earlier terms left is committed with it (§5.4.2), so without it neither
		// bound would ever be met again.
	case m.log.bytes+size > m.cfg.MaxLogBytes:
		return 0, 0, ErrLogFull
	case m.uncommittedBytes > 0 && m.uncommittedBytes+size > m.cfg.MaxUncommittedBytes:
		return 0, 0, ErrTooMuchUncommitted
	}
	index := m.appendEntry(kind, data)
	return index, m.currentTerm, nil
}

// appendEntry adds one entry of currentTerm to the leader's own log: "If command received from client: append
// entry to local log" (Figure 2). The followers get it with the next Flush, and so does the disk.
func (m *Module) appendEntry(kind EntryKind, data []byte) Index {
	entry := Entry{Index: m.log.lastIndex() + 1, Term: m.currentTerm, Kind: kind, Data: data}
	m.log.append(entry)
	m.noteUnsaved(entry.Index)
	m.uncommittedBytes += entryBytes(&entry)
	m.ackOwnLog = true
	return entry.Index
}

// flushOwnAcknowledgement lets the leader count itself once its own log is on its own disk: the reply to
// itself waits behind the Save like everybody's (thesis 10.2.1).
func (m *Module) flushOwnAcknowledgement() {
	m.promise(&AppendEntriesReply{Header: m.header(m.cfg.ID), Success: true, MatchIndex: m.log.lastIndex()})
	m.ackOwnLog = false
}

// heartbeat makes the next Flush send something to everybody: "upon election: send initial empty AppendEntries
// RPCs to each server; repeat during idle periods to prevent election timeouts" (§5.2, Figure 2).
func (m *Module) heartbeat() {
	m.heartbeatDeadline = m.now + m.cfg.HeartbeatInterval
	m.extendLease()
	for i := range m.followers {
		m.followers[i].heartbeatDue = true
		m.watchProgress(&m.followers[i])
	}
	m.promoteJoining()
	m.handOverForSpace()
}

// noProgressTimeouts is after how many election timeouts without progress a member is told of.
const noProgressTimeouts = 10

// watchProgress tells of a member that answers but comes no further. Sending the same things again for ever looks healthy from
// outside; each refusal must lead strictly back (see backUp), so this does not happen unless the member lost what it had.
func (m *Module) watchProgress(f *progress) {
	if f.matchIndex == m.log.lastIndex() || f.id == m.cfg.ID || !m.heardOf(f) || m.spares(f) {
		f.advanced(m.now)
		return
	}
	stuck := m.now - f.advancedAt
	if !f.noProgress && stuck >= noProgressTimeouts*m.cfg.ElectionTimeout {
		f.noProgress = true
		m.fact(NoProgress{Member: f.id, MatchIndex: f.matchIndex, For: stuck})
	}
}

// heardOf tells whether a member answered within an election timeout.
func (m *Module) heardOf(f *progress) bool {
	return f.lastContact > 0 && m.now-f.lastContact < m.cfg.ElectionTimeout
}

// replicateTo: "If last log index >= nextIndex for a follower: send AppendEntries RPC with log entries
// starting at nextIndex" (§5.3, Figure 2), and a heartbeat if one is due.
func (m *Module) replicateTo(f *progress) {
	if f.id == m.cfg.ID {
		return
	}
	switch _, reaches := m.log.term(f.nextIndex - 1); {
	case f.sending != nil:
		m.sendChunk(f)
		return
	case !reaches:
		m.sendSnapshot(f)
		return
	case f.probing:
		m.sendProbe(f)
		return
	}
	for f.nextIndex <= m.log.lastIndex() && f.windowOpen(&m.cfg) && !m.spares(f) {
		entries, bytes := m.log.batch(f.nextIndex, m.cfg.MaxBatchBytes)
		m.appendEntries(f, entries)
		f.sent(entries[len(entries)-1].Index, bytes)
	}
	if f.heartbeatDue {
		// It carries nextIndex-1, which the follower lacks if an earlier request was lost: the refusal
		// is what sets a loss right.
		m.appendEntries(f, nil)
	}
}

// sendProbe asks where the logs agree. A first probe takes one entry along, since the first guess
// is mostly right; repeats are empty, so that a dead follower costs nothing.
func (m *Module) sendProbe(f *progress) {
	switch {
	case !f.probeOut && !m.spares(f):
		f.probeOut = true
		m.appendEntries(f, m.log.slice(f.nextIndex, min(f.nextIndex, m.log.lastIndex())))
	case f.heartbeatDue:
		m.appendEntries(f, nil)
	}
}

// appendEntries sends entries, which begin at f.nextIndex, to f.
func (m *Module) appendEntries(f *progress, entries []Entry) {
	prevLogTerm, _ := m.log.term(f.nextIndex - 1)
	f.heartbeatDue = false
	m.request(&AppendEntries{
		Header:       m.header(f.id),
		PrevLogIndex: f.nextIndex - 1,
		PrevLogTerm:  prevLogTerm,
		Entries:      entries,
		LeaderCommit: m.commitIndex,
		Round:        m.reads.round,
	})
}

// handleAppendEntries: Figure 2, AppendEntries RPC, receiver implementation. Here msg.Term <= currentTerm.
func (m *Module) handleAppendEntries(msg *AppendEntries) {
	reply := &AppendEntriesReply{Header: m.header(msg.From), PrevLogIndex: msg.PrevLogIndex, Round: msg.Round, NoSpace: m.noSpace}
	if msg.Term < m.currentTerm { // 1. Reply false if term < currentTerm (§5.1)
		m.promise(reply)
		return
	}
	m.follow(msg.From)
	// 2. Reply false if log doesn't contain an entry at prevLogIndex whose term matches prevLogTerm (§5.3)
	entries := m.behindBase(msg)
	if term, ok := m.log.term(msg.PrevLogIndex); msg.PrevLogIndex >= m.log.base.Index && (!ok || term != msg.PrevLogTerm) {
		conflict, _ := m.log.lastWithTermAtMost(msg.PrevLogIndex, msg.PrevLogTerm)
		reply.ConflictIndex, reply.ConflictTerm = conflict.Index, conflict.Term
		m.promise(reply)
		return
	}
	m.appendNew(msg, entries)
	// 5. If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry):
	// what lies behind that entry in our log may be another leader's.
	reply.MatchIndex = msg.PrevLogIndex + Index(len(msg.Entries))
	m.commitTo(min(msg.LeaderCommit, reply.MatchIndex))
	reply.Success = true
	m.promise(reply)
}

// behindBase gives those of a message's entries that lie behind the log's base. What lies before it is in a snapshot, so it is
// committed, and every leader of a later term has the same there (Leader Completeness).
func (m *Module) behindBase(msg *AppendEntries) []Entry {
	skip := Index(0)
	if m.log.base.Index > msg.PrevLogIndex {
		skip = min(m.log.base.Index-msg.PrevLogIndex, Index(len(msg.Entries)))
	}
	return msg.Entries[skip:]
}

// follow takes note of a message from the leader of currentTerm: a candidate gives up (§5.2), the election timer
// starts again.
func (m *Module) follow(leader ServerID) {
	switch {
	case m.leader == "":
		m.becomeFollower(leader)
	case m.leader != leader:
		violated("Election Safety", "%s leads term %d", m.leader, m.currentTerm)("%s sent AppendEntries as leader of term %d", leader, m.currentTerm)
	}
	m.quietUntil = m.now + m.cfg.ElectionTimeout
	m.resetElectionTimer()
}

// appendNew: 3. If an existing entry conflicts with a new one (same index but different terms), delete
// the existing entry and all that follow it (§5.3). 4. Append any new entries not already in the log.
// Entries that are there already stay, and so does what follows them: the message may be an old one, and what
// follows may have been acknowledged since.
func (m *Module) appendNew(msg *AppendEntries, entries []Entry) {
	for i := range entries {
		e := &entries[i]
		term, ok := m.log.term(e.Index)
		if ok && term == e.Term {
			continue
		}
		news := entries[i:]
		if ok {
			m.truncate(msg, e, term)
			m.log.truncateAndAppend(news)
		} else {
			m.log.append(news...)
		}
		m.noteUnsaved(e.Index)
		m.noteConfigs(e.Index, news)
		return
	}
}

// truncate checks and tells that the entries from e.Index on give way to the leader's.
func (m *Module) truncate(msg *AppendEntries, e *Entry, ours Term) {
	if e.Index <= m.commitIndex {
		violated("State Machine Safety", "entry %d of term %d is committed here (commitIndex %d)", e.Index, ours, m.commitIndex)(
			"leader %s of term %d has an entry of term %d there", msg.From, msg.Term, e.Term)
	}
	m.fact(Truncated{From: e.Index, To: m.log.lastIndex(), Leader: msg.From})
}

// handleAppendEntriesReply: "If successful: update nextIndex and matchIndex for follower. If AppendEntries fails
// because of log inconsistency: decrement nextIndex and retry" (§5.3, Figure 2). Replies of earlier terms are dropped.
func (m *Module) handleAppendEntriesReply(msg *AppendEntriesReply) {
	f := m.answered(msg.Head(), msg.Round, msg.NoSpace)
	if f == nil {
		return
	}
	switch {
	case !msg.Success:
		m.backUp(f, msg)
	case msg.MatchIndex <= m.log.lastIndex():
		m.matched(f, msg.MatchIndex)
	}
	m.confirmReads()
}

// answered notes that a member answered this leader in its term, in which round of reads, and what it said of its disk. It gives nil for replies of
// earlier terms, and when this server itself is no member any more.
func (m *Module) answered(head *Header, round uint64, noSpace bool) *progress {
	place := m.config.place(head.From)
	if head.Term != m.currentTerm || m.role != Leader || place < 0 {
		return nil
	}
	f := &m.followers[place]
	f.lastContact = m.now
	m.noteSpace(f, noSpace)
	if round <= m.reads.round {
		f.ackedRound = max(f.ackedRound, round)
	}
	return f
}

// matched notes that f has everything up to index on stable storage.
func (m *Module) matched(f *progress, index Index) {
	if index > f.matchIndex {
		f.advanced(m.now)
	}
	if index >= m.log.base.Index {
		f.sending = nil // also when it turns out that it had more than it seemed
	}
	f.matched(index)
	if m.config[m.config.place(f.id)].Suffrage != Voter {
		f.catchUp.advance(f.matchIndex, m.log.lastIndex(), m.now, m.cfg.ElectionTimeout)
	}
	m.advanceCommitIndex()
}

// backUp moves nextIndex back over a conflict, over whole terms at once (§5.3): the logs can agree only on an
// entry that is not behind ConflictIndex, and whose term is not above ConflictTerm. Refusals that are not about the
// latest guess are old news.
func (m *Module) backUp(f *progress, msg *AppendEntriesReply) {
	stale := msg.PrevLogIndex <= f.matchIndex || msg.PrevLogIndex >= f.nextIndex ||
		f.probing && msg.PrevLogIndex != f.nextIndex-1
	if stale {
		return
	}
	agree, ok := m.log.lastWithTermAtMost(msg.ConflictIndex, msg.ConflictTerm)
	next := min(agree.Index+1, msg.PrevLogIndex) // strictly back, whatever the refusal says
	if !ok {
		next = m.log.base.Index // before it only a snapshot helps: see replicateTo
	}
	f.probe(max(next, f.matchIndex+1))
}

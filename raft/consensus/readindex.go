package consensus

import "time"

// asking is a follower's bookkeeping for reads that it serves itself (thesis 6.4, last paragraph): it asks the leader for an index that the leader
// has confirmed as it does for reads of its own, and serves the reads once it has applied that. All reads that wait share one request; what
// comes while it is under way waits for the next, since its answer may be from before.
type asking struct {
	// id names the latest request. No two requests of a server have the same, whatever became of them, so an answer that comes late confirms no
	// later read: see Config.RequestBase.
	id       uint64
	waiting  []ReadID      // for the next request
	underWay askedReads    // the latest request's; without reads there is none under way
	again    time.Duration // when to ask once more: the request or its answer may be lost
	answered []askedReads  // waiting for lastApplied to reach index
}

// askedReads are the reads that one request was made for.
type askedReads struct {
	reads    []ReadID
	index    Index         // once it is answered
	deadline time.Duration // when they are refused: reads wait for no leader for ever
}

// Asks tells whom this server would ask about a read now: the leader that it follows. It is "" if this server leads, or can ask nobody.
func (m *Module) Asks() ServerID {
	// Replies of a leader that is no member yet, as far as this server knows, are not listened to: see ignoresStranger.
	if m.role != Follower || m.leader == "" || m.config.place(m.leader) < 0 {
		return ""
	}
	return m.leader
}

// askLeader sends a request for the reads that wait, if none is under way.
func (m *Module) askLeader() {
	a := &m.asking
	if len(a.waiting) == 0 || len(a.underWay.reads) > 0 {
		return
	}
	a.id++
	a.underWay = askedReads{reads: a.waiting, deadline: m.now + m.cfg.ElectionTimeout}
	a.waiting = nil
	m.sendReadIndex()
}

func (m *Module) sendReadIndex() {
	m.asking.again = m.now + m.cfg.HeartbeatInterval
	m.request(&ReadIndex{Header: m.header(m.leader), ID: m.asking.id})
}

// askAgain repeats a request that was not answered yet, and refuses what waited for an election timeout: for an answer, or for what the
// answer says to be applied here. Elsewhere it may be faster.
func (m *Module) askAgain() {
	a := &m.asking
	for len(a.answered) > 0 && m.now >= a.answered[0].deadline {
		m.refuse(a.answered[0].reads)
		a.answered = a.answered[1:]
	}
	switch {
	case len(a.underWay.reads) == 0:
	case m.now >= a.underWay.deadline:
		m.refuse(a.underWay.reads)
		a.underWay = askedReads{}
	case m.now >= a.again:
		m.sendReadIndex()
	}
}

// askDeadline is when askAgain next has something to do, or later if that is.
func (m *Module) askDeadline(later time.Duration) time.Duration {
	if len(m.asking.underWay.reads) > 0 {
		later = min(later, m.asking.again, m.asking.underWay.deadline)
	}
	if len(m.asking.answered) > 0 {
		later = min(later, m.asking.answered[0].deadline)
	}
	return later
}

// maxAsked is how many requests of one server a leader has in hand; it has one under way, but may have given up others.
const maxAsked = 4

// handleReadIndex: the leader treats the request as a read of its own. Who does not lead, or not in the asker's term, says so. Who is no member
// gets no entries, so it would wait for ever.
func (m *Module) handleReadIndex(msg *ReadIndex) {
	if m.role != Leader || msg.Term < m.currentTerm || m.config.place(msg.From) < 0 {
		m.request(&ReadIndexReply{Header: m.header(msg.From), ID: msg.ID, Refused: true})
		return
	}
	asker := reader{server: msg.From, id: msg.ID}
	if m.reads.takes(asker) {
		m.reads.waiting = append(m.reads.waiting, asker)
	}
}

// takes tells whether a request is new, and its server has not too many in hand. It is asked again if its answer is lost, or if it is dropped here.
func (r *reads) takes(asker reader) bool {
	n := 0
	in := func(other reader) bool {
		n += int(one(other.server == asker.server))
		return other == asker
	}
	for _, other := range r.waiting {
		if in(other) {
			return false
		}
	}
	for i := range r.pending {
		if in(r.pending[i].reader) {
			return false
		}
	}
	return n < maxAsked
}

// handleReadIndexReply takes the answer to the request that is under way. Late ones, to earlier requests or of earlier terms, count for nothing.
func (m *Module) handleReadIndexReply(msg *ReadIndexReply) {
	a := &m.asking
	if msg.Term != m.currentTerm || msg.From != m.leader || len(a.underWay.reads) == 0 || msg.ID != a.id {
		return
	}
	asked := a.underWay
	a.underWay = askedReads{}
	if msg.Refused {
		m.refuse(asked.reads)
		return
	}
	asked.index = msg.Index
	a.answered = append(a.answered, asked)
}

// serveAnswered gives the reads whose index is applied, or about to be by this Flush.
func (m *Module) serveAnswered() {
	a := &m.asking
	for len(a.answered) > 0 && a.answered[0].index <= m.lastApplied {
		for _, id := range a.answered[0].reads {
			m.effects.Reads = append(m.effects.Reads, Read{ID: id, Index: a.answered[0].index})
		}
		a.answered = a.answered[1:]
	}
}

// refuseAsked refuses all reads of a server that does not follow its leader any more.
func (m *Module) refuseAsked() {
	a := &m.asking
	for _, asked := range a.answered {
		m.refuse(asked.reads)
	}
	m.refuse(a.underWay.reads)
	m.refuse(a.waiting)
	m.asking = asking{id: a.id}
}

func (m *Module) refuse(reads []ReadID) {
	for _, id := range reads {
		m.effects.Reads = append(m.effects.Reads, Read{ID: id, Refused: true})
	}
}

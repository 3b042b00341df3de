package consensus

import (
	"fmt"
	"time"
)

// Module is one server's part in the algorithm. It is not safe for concurrent use: one goroutine
// owns it. Figure 2's names are its fields' names.
type Module struct {
	cfg Config
	now time.Duration // the latest time that was given; never goes back

	// Persistent state on all servers (Figure 2). Every change leaves in Effects.Save before any
	// promise that rests on it.
	currentTerm Term     // never decreases
	votedFor    ServerID // changes from "" only once within a term
	log         log

	// Volatile state on all servers (Figure 2).
	commitIndex Index // never decreases; commitIndex <= log.lastIndex()
	lastApplied Index // handed out in Effects.Apply up to here; lastApplied <= commitIndex

	role             Role
	leader           ServerID // of currentTerm, "" if not known; never changes within a term once known
	electionDeadline time.Duration

	votes []bool // candidate: who granted a vote in currentTerm, by place in cfg.Members

	// Leader's state, made anew in becomeLeader.
	followers         []progress // by place in cfg.Members; the leader's own disk is one of them
	heartbeatDeadline time.Duration
	uncommittedBytes  int // sum of entryBytes over the entries beyond commitIndex
	ackOwnLog         bool
	reads             reads

	// What the next Flush gives away.
	hardStateChanged bool
	firstUnsaved     Index // the lowest index that changed since the last Flush; 0: none
	effects          Effects
}

// Restart gives a module that goes on from what stable storage kept: as follower, with an election
// timeout that begins at now. A new server is one that saved nothing. The error tells what is wrong with
// cfg, or in what way saved cannot be the sum of Saves.
func Restart(now time.Duration, cfg Config, saved Saved) (*Module, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("consensus: config: %w", err)
	}
	if err := validateSaved(saved); err != nil {
		return nil, fmt.Errorf("consensus: saved state: %w", err)
	}
	m := &Module{
		cfg:         cfg,
		now:         now,
		currentTerm: saved.HardState.Term,
		votedFor:    saved.HardState.VotedFor,
	}
	m.log.append(saved.Entries...)
	m.resetElectionTimer()
	return m, nil
}

func validateSaved(saved Saved) error {
	var lastTerm Term
	for i, e := range saved.Entries {
		switch {
		case e.Index != Index(i)+1:
			return fmt.Errorf("entry %d stands where entry %d belongs", e.Index, i+1)
		case e.Term < lastTerm || e.Term == 0:
			return fmt.Errorf("entry %d has term %d, behind an entry of term %d", e.Index, e.Term, lastTerm)
		case e.Term > saved.HardState.Term:
			return fmt.Errorf("entry %d has term %d, but the current term is %d", e.Index, e.Term, saved.HardState.Term)
		}
		lastTerm = e.Term
	}
	return nil
}

// Step takes one message in. Messages that are malformed, not for this server, or from a server that
// is no member, change nothing.
func (m *Module) Step(now time.Duration, msg Message) {
	m.advanceClock(now)
	head := msg.Head()
	if head.To != m.cfg.ID || m.place(head.From) < 0 || !wellFormed(msg) {
		return
	}
	if head.Term > m.currentTerm {
		m.updateTerm(head.Term)
	}
	switch msg := msg.(type) {
	case *RequestVote:
		m.handleRequestVote(msg)
	case *RequestVoteReply:
		m.handleRequestVoteReply(msg)
	case *AppendEntries:
		m.handleAppendEntries(msg)
	case *AppendEntriesReply:
		m.handleAppendEntriesReply(msg)
	}
}

// wellFormed tells whether msg is one that some correct server could have sent. What it lets through may still
// be false, but cannot break this server's own log.
func wellFormed(msg Message) bool {
	if msg.Head().Term == 0 {
		return false
	}
	ae, ok := msg.(*AppendEntries)
	if !ok {
		return true
	}
	if (ae.PrevLogIndex == 0) != (ae.PrevLogTerm == 0) {
		return false
	}
	index, term := ae.PrevLogIndex, ae.PrevLogTerm
	for _, e := range ae.Entries {
		if e.Index != index+1 || e.Term < term || e.Term == 0 {
			return false
		}
		index, term = e.Index, e.Term
	}
	return term <= ae.Term && index >= ae.PrevLogIndex
}

// updateTerm: "If RPC request or response contains term T > currentTerm: set currentTerm = T, convert to
// follower" (§5.1, Figure 2). It does not touch the election timer, but for a leader, which had none: only a
// granted vote and a leader's message reset it (§5.2), or a server that
// cannot win would keep those from standing who can.
func (m *Module) updateTerm(term Term) {
	if m.role == Leader {
		m.resetElectionTimer()
	}
	m.currentTerm = term
	m.votedFor = ""
	m.hardStateChanged = true
	m.becomeFollower("")
}

// becomeFollower follows leader, or nobody yet, in currentTerm.
func (m *Module) becomeFollower(leader ServerID) {
	m.fact(BecameFollower{Term: m.currentTerm, Leader: leader, Was: m.role})
	m.role = Follower
	m.leader = leader
	m.votes = nil
	m.followers = nil
	m.ackOwnLog = false
	m.refuseReads()
}

// Tick lets time pass: it does what is due at now.
func (m *Module) Tick(now time.Duration) {
	m.advanceClock(now)
	if m.now < m.Deadline() {
		return
	}
	if m.role == Leader {
		m.heartbeat()
	} else {
		m.timeout()
	}
}

// Deadline is when Tick next has something to do, on the clock that is given to Tick and Step.
func (m *Module) Deadline() time.Duration {
	if m.role == Leader {
		return m.heartbeatDeadline
	}
	return m.electionDeadline
}

func (m *Module) advanceClock(now time.Duration) { m.now = max(m.now, now) }

// Flush gives what the world must do for all that was called since the last Flush. It is where
// batches are made: however many proposals came, there is one Save and, as far as the limits allow, one AppendEntries a follower.
func (m *Module) Flush() Effects {
	if m.role == Leader {
		m.startReadRound()
		for i := range m.followers {
			m.replicateTo(&m.followers[i])
		}
	}
	m.flushSave()
	if m.ackOwnLog {
		m.flushOwnAcknowledgement()
	}
	m.effects.Apply = m.log.slice(m.lastApplied+1, m.commitIndex)
	m.lastApplied = m.commitIndex
	effects := m.effects
	m.effects = Effects{}
	return effects
}

// flushSave collects what changed of the persistent state. Truncation needs no words of its own: it is
// always followed by an append at the same place.
func (m *Module) flushSave() {
	save := &m.effects.Save
	save.Commit = m.commitIndex
	if m.hardStateChanged {
		save.HardState = &HardState{Term: m.currentTerm, VotedFor: m.votedFor}
		m.hardStateChanged = false
	}
	if m.firstUnsaved != 0 {
		save.Entries = m.log.slice(m.firstUnsaved, m.log.lastIndex())
		m.firstUnsaved = 0
	}
}

// noteUnsaved remembers that the log changed from index on.
func (m *Module) noteUnsaved(index Index) {
	if m.firstUnsaved == 0 || index < m.firstUnsaved {
		m.firstUnsaved = index
	}
}

// promise sends msg behind the Save of this Flush.
func (m *Module) promise(msg Message) { m.effects.AfterSave = append(m.effects.AfterSave, msg) }

// request sends msg at once.
func (m *Module) request(msg Message) { m.effects.Send = append(m.effects.Send, msg) }

func (m *Module) fact(f Fact) { m.effects.Facts = append(m.effects.Facts, f) }

// header addresses a message of currentTerm.
func (m *Module) header(to ServerID) Header {
	return Header{From: m.cfg.ID, To: to, Term: m.currentTerm}
}

// place gives id's place in cfg.Members, or -1. Clusters are small: a loop beats a map.
func (m *Module) place(id ServerID) int {
	for i, member := range m.cfg.Members {
		if member == id {
			return i
		}
	}
	return -1
}

// quorum is how many servers are a majority.
func (m *Module) quorum() int { return len(m.cfg.Members)/2 + 1 }

// Status copies what the module knows.
func (m *Module) Status() Status {
	s := Status{
		ID: m.cfg.ID, Role: m.role, Term: m.currentTerm, VotedFor: m.votedFor, Leader: m.leader,
		CommitIndex: m.commitIndex, LastLogIndex: m.log.lastIndex(), LastLogTerm: m.log.lastTerm(),
		FirstLogIndex: 1, LogBytes: m.log.bytes,
		Members: make([]MemberStatus, len(m.cfg.Members)),
	}
	for i, id := range m.cfg.Members {
		s.Members[i].ID = id
		if m.role == Leader {
			f := &m.followers[i]
			s.Members[i].MatchIndex, s.Members[i].NextIndex, s.Members[i].LastContact = f.matchIndex, f.nextIndex, f.lastContact
		}
	}
	return s
}

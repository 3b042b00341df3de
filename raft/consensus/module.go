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
	snapshot    *Snapshot // the newest; nil if there is none. log.base.Index <= snapshot.Index <= lastApplied

	// The configurations of the log, oldest first, from the one that is in force at the snapshot, or from Founders. Never
	// empty; the last one is in force.
	configs     []placedConfig
	config      Configuration // the last one
	configIndex Index         // where it stands

	// Volatile state on all servers (Figure 2).
	commitIndex Index // never decreases; commitIndex <= log.lastIndex()
	lastApplied Index // handed out in Effects.Apply up to here; lastApplied <= commitIndex

	role             Role
	leader           ServerID // of currentTerm, "" if not known; never changes within a term once known
	electionDeadline time.Duration

	quietUntil time.Duration // CheckQuorum: until then no candidate is listened to; an election timeout after a leader was heard
	incoming   *incoming     // a part of a leader's snapshot

	votes []bool // candidate, pre-candidate: who granted a vote, by place in config

	// Promises to ourselves that the disk holds up: how many, and since when none has come back. When that is
	// too long, the disk hangs. A Save of a follower leaves no trace here: it holds up nobody but itself.
	ownPromises int
	ownSince    time.Duration

	// Leader's state, made anew in becomeLeader.
	followers         []progress // by place in config; the leader's own disk is one of them
	departing         []progress // members no more, since the latest configuration; they are told when it is committed
	heartbeatDeadline time.Duration
	uncommittedBytes  int           // sum of entryBytes over the entries beyond commitIndex
	quorumDeadline    time.Duration // CheckQuorum: when to look next whether a majority was heard
	ackOwnLog         bool
	reads             reads
	lease             lease
	transfer          transfer

	// What the next Flush gives away.
	hardStateChanged  bool
	snapshotUnsaved   bool
	snapshotInstalled bool  // it came from the leader
	firstUnsaved      Index // the lowest index that changed since the last Flush; 0: none
	effects           Effects
	spare             []Message // for the next but one Effects.Send
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
	m.restore(saved)
	m.resetElectionTimer()
	if cfg.LeaseDuration > 0 {
		// A leader may hold a lease that rests on a message which this server heard before it stopped.
		m.quietUntil = now + cfg.ElectionTimeout
	}
	return m, nil
}

// restore takes in what was saved. The state machine begins with the snapshot.
func (m *Module) restore(saved Saved) {
	m.log = log{base: saved.Base}
	m.log.append(saved.Entries...)
	m.configs = []placedConfig{{config: m.cfg.Founders}}
	if saved.Snapshot != nil {
		m.snapshot = saved.Snapshot
		m.commitIndex, m.lastApplied = saved.Snapshot.Index, saved.Snapshot.Index
		m.effects.Restore = saved.Snapshot
		m.configs = []placedConfig{{index: saved.Snapshot.Index, config: saved.Snapshot.Config}}
	}
	m.config, m.configIndex = m.configs[0].config, m.configs[0].index
	behind := m.snapshotIndex() + 1
	m.noteConfigs(behind, m.log.slice(behind, m.log.lastIndex()))
}

// Step takes one message in. Messages that are malformed, not for this server, or from a server that
// is no member, change nothing.
func (m *Module) Step(now time.Duration, msg Message) {
	m.advanceClock(now)
	head := msg.Head()
	if head.To != m.cfg.ID || head.From == "" || !wellFormed(msg) {
		return
	}
	m.ownPromiseKept(head)
	if m.ignoresVote(msg) || m.ignoresStranger(msg) {
		return
	}
	if ask, ok := msg.(*RequestPreVote); ok { // it must change nothing here, so its term does not count
		m.handleRequestPreVote(ask)
		return
	}
	if head.Term > m.currentTerm {
		m.updateTerm(head.Term)
	}
	switch msg := msg.(type) {
	case *RequestPreVoteReply:
		m.handleRequestPreVoteReply(msg)
	case *TimeoutNow:
		m.handleTimeoutNow(msg)
	case *RequestVote:
		m.handleRequestVote(msg)
	case *RequestVoteReply:
		m.handleRequestVoteReply(msg)
	case *AppendEntries:
		m.handleAppendEntries(msg)
	case *AppendEntriesReply:
		m.handleAppendEntriesReply(msg)
	case *InstallSnapshot:
		m.handleInstallSnapshot(msg)
	case *InstallSnapshotReply:
		m.handleInstallSnapshotReply(msg)
	}
}

// ignoresStranger: who is no member was not asked, so its replies and their terms mean nothing (§6). Its requests may: a server
// listens to leaders and candidates that its own configuration does not know yet. Without CheckQuorum members never change.
func (m *Module) ignoresStranger(msg Message) bool {
	from := msg.Head().From
	if !isReply(msg) && (m.cfg.CheckQuorum || from == m.cfg.ID) {
		return from == m.cfg.ID
	}
	return m.config.place(from) < 0
}

func isReply(msg Message) bool {
	switch msg.(type) {
	case *RequestVoteReply, *RequestPreVoteReply, *AppendEntriesReply, *InstallSnapshotReply:
		return true
	}
	return false
}

// wellFormed tells whether msg is one that some correct server could have sent. What it lets through may still
// be false, but cannot break this server's own log.
func wellFormed(msg Message) bool {
	term := msg.Head().Term
	switch msg := msg.(type) {
	case *RequestPreVote:
		return msg.NextTerm == term+1
	case *RequestPreVoteReply:
		return msg.NextTerm > 0
	case *AppendEntries:
		return term > 0 && wellFormedEntries(msg)
	case *InstallSnapshot:
		last := msg.LastIncluded
		return last.Index > 0 && last.Term > 0 && last.Term <= term && len(msg.Config) > 0 && msg.Config.Validate() == nil
	}
	return term > 0
}

// wellFormedEntries tells whether the entries follow each other and the place that they are for.
func wellFormedEntries(msg *AppendEntries) bool {
	if (msg.PrevLogIndex == 0) != (msg.PrevLogTerm == 0) {
		return false
	}
	index, term := msg.PrevLogIndex, msg.PrevLogTerm
	for i := range msg.Entries {
		e := &msg.Entries[i]
		if e.Index != index+1 || e.Term < term || e.Term == 0 || !wellFormedConfig(e) {
			return false
		}
		index, term = e.Index, e.Term
	}
	return term <= msg.Term && index >= msg.PrevLogIndex
}

// wellFormedConfig tells whether an entry can be taken into the log as far as configurations are concerned.
func wellFormedConfig(e *Entry) bool {
	if e.Kind != EntryConfiguration {
		return true
	}
	config, err := DecodeConfiguration(e.Data)
	return err == nil && len(config) > 0
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
	m.forgetLeader()
	m.becomeFollower("")
}

// forgetLeader: in a new term who leads is open, and candidates are listened to; but with leases not before
// the old leader's has run out.
func (m *Module) forgetLeader() {
	if m.cfg.LeaseDuration == 0 {
		m.quietUntil = 0
	}
}

// becomeFollower follows leader, or nobody yet, in currentTerm.
func (m *Module) becomeFollower(leader ServerID) {
	m.fact(BecameFollower{Term: m.currentTerm, Leader: leader, Was: m.role})
	m.role = Follower
	m.leader = leader
	m.votes = nil
	m.followers, m.departing = nil, nil
	m.ackOwnLog = false
	m.transfer = transfer{}
	m.lease = lease{}
	m.refuseReads()
}

// Tick lets time pass: it does what is due at now.
func (m *Module) Tick(now time.Duration) {
	m.advanceClock(now)
	if m.role != Leader {
		if m.now >= m.electionDeadline {
			m.timeout()
		}
		return
	}
	if m.now >= m.heartbeatDeadline {
		m.heartbeat()
	}
	m.endLateTransfer()
	if m.cfg.CheckQuorum && m.now >= m.quorumDeadline {
		m.checkQuorum()
	}
}

// Deadline is when Tick next has something to do, on the clock that is given to Tick and Step.
func (m *Module) Deadline() time.Duration {
	if m.role != Leader {
		return m.electionDeadline
	}
	deadline := m.heartbeatDeadline
	if m.cfg.CheckQuorum {
		deadline = min(deadline, m.quorumDeadline)
	}
	if m.transfer.to != "" {
		deadline = min(deadline, m.transfer.deadline)
	}
	return deadline
}

func (m *Module) advanceClock(now time.Duration) { m.now = max(m.now, now) }

// Flush gives what the world must do for all that was called since the last Flush. It is where
// batches are made: however many proposals came, there is one Save and, as far as the limits allow, one AppendEntries a follower.
func (m *Module) Flush() Effects {
	if m.role == Leader {
		m.startReadRound()
		m.tellSuccessor()
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
	m.effects = Effects{Send: m.spare[:0]}
	m.spare = effects.Send
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
	if m.snapshotUnsaved {
		save.Snapshot, save.Base, save.Installed = m.snapshot, m.log.base, m.snapshotInstalled
		m.snapshotUnsaved, m.snapshotInstalled = false, false
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
func (m *Module) promise(msg Message) {
	if msg.Head().To == m.cfg.ID {
		if m.ownPromises == 0 {
			m.ownSince = m.now
		}
		m.ownPromises++
	}
	m.effects.AfterSave = append(m.effects.AfterSave, msg)
}

// ownPromiseKept notes that a promise to ourselves came back: the disk answers.
func (m *Module) ownPromiseKept(head *Header) {
	if head.From == m.cfg.ID && m.ownPromises > 0 {
		m.ownPromises--
		m.ownSince = m.now
	}
}

// diskHangs tells whether our own disk has not answered for an election timeout.
func (m *Module) diskHangs() bool {
	return m.ownPromises > 0 && m.now-m.ownSince >= m.cfg.ElectionTimeout
}

// request sends msg at once.
func (m *Module) request(msg Message) { m.effects.Send = append(m.effects.Send, msg) }

func (m *Module) fact(f Fact) { m.effects.Facts = append(m.effects.Facts, f) }

// header addresses a message of currentTerm.
func (m *Module) header(to ServerID) Header {
	return Header{From: m.cfg.ID, To: to, Term: m.currentTerm}
}

// Status copies what the module knows.
func (m *Module) Status() Status {
	s := Status{
		ID: m.cfg.ID, Role: m.role, Term: m.currentTerm, VotedFor: m.votedFor, Leader: m.leader,
		CommitIndex: m.commitIndex, LastLogIndex: m.log.lastIndex(), LastLogTerm: m.log.lastTerm(),
		FirstLogIndex: m.log.base.Index + 1, LogBytes: m.log.bytes, Transfer: m.transfer.to,
		Config: m.config, ConfigIndex: m.configIndex,
		Members: make([]MemberStatus, len(m.config)),
	}
	for i, member := range m.config {
		s.Members[i].ID, s.Members[i].Address, s.Members[i].Suffrage = member.ID, member.Address, member.Suffrage
		if m.role == Leader {
			f := &m.followers[i]
			s.Members[i].MatchIndex, s.Members[i].NextIndex, s.Members[i].LastContact = f.matchIndex, f.nextIndex, f.lastContact
			s.Members[i].CaughtUp = member.Suffrage != Voter && m.caughtUp(f)
			if f.sending != nil {
				s.Members[i].SendingSnapshot, s.Members[i].SnapshotSent = true, f.sending.offset
			}
		}
	}
	if m.snapshot != nil {
		s.Snapshot, s.SnapshotBytes = m.snapshot.Position, len(m.snapshot.Data)
	}
	return s
}

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
	asking     asking        // for reads; of a follower
	noSpace    bool          // this server's disk is nearly full: see SetNoSpace

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
	handOverAfter     time.Duration // see handOverForSpace

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
	if m.asking.id = cfg.RequestBase; m.asking.id == 0 {
		m.asking.id = cfg.Rand()
	}
	if cfg.LeaseDuration > 0 {
		// A leader may hold a lease that rests on a message which this server heard before it stopped.
		m.quietUntil = now + cfg.ElectionTimeout
	}
	return m, nil
}

// restore takes in what was saved. The state machine begins with the snapshot.
func (m *Module) restore(saved Saved) {
	m.log = log{base: saved.Base}
	m.log.load(saved.Entries)
	m.configs = []placedConfig{{config: m.cfg.Founders}}
	if saved.Snapshot != nil {
		m.snapshot = saved.Snapshot
		m.commitIndex, m.lastApplied = saved.Snapshot.Index, saved.Snapshot.Index
		m.effects.Restore = saved.Snapshot
		m.configs = []placedConfig{{index: saved.Snapshot.Index, config: saved.Snapshot.Config}}
	}
	m.commitIndex = max(m.commitIndex, saved.Commit)
	m.config, m.configIndex = m.configs[0].config, m.configs[0].index
	behind := m.snapshotIndex() + 1
	m.noteConfigs(behind, m.log.slice(behind, m.log.lastIndex()))
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
	gaveUp := m.role == Leader && m.votedFor == m.cfg.ID // in a new term it has voted for nobody
	m.fact(BecameFollower{Term: m.currentTerm, Leader: leader, Was: m.role, GaveUp: gaveUp})
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
		m.askAgain()
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
		return m.askDeadline(m.electionDeadline)
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

// header addresses a message of currentTerm.
func (m *Module) header(to ServerID) Header {
	return Header{From: m.cfg.ID, To: to, Term: m.currentTerm}
}

// Status copies what the module knows.
func (m *Module) Status() Status {
	s := Status{
		ID: m.cfg.ID, Role: m.role, Term: m.currentTerm, VotedFor: m.votedFor, Leader: m.leader,
		CommitIndex: m.commitIndex, LastLogIndex: m.log.lastIndex(), LastLogTerm: m.log.lastTerm(),
		FirstLogIndex: m.log.base.Index + 1, LogBytes: m.log.bytes, Transfer: m.transfer.to, NoSpace: m.noSpace,
		Config: m.config, ConfigIndex: m.configIndex,
		Members: make([]MemberStatus, len(m.config)),
	}
	for i, member := range m.config {
		s.Members[i].ID, s.Members[i].Address, s.Members[i].Suffrage = member.ID, member.Address, member.Suffrage
		s.Members[i].NoSpace = member.ID == m.cfg.ID && m.noSpace
		if m.role == Leader {
			f := &m.followers[i]
			s.Members[i].NoSpace = s.Members[i].NoSpace || f.noSpace
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

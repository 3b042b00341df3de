package consensus

import "time"

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
	if word, ok := msg.(*TimeoutNow); ok { // only the leader that this server follows may say it, so a later term is no news
		m.handleTimeoutNow(word)
		return
	}
	if head.Term > m.currentTerm {
		m.updateTerm(head.Term)
	}
	switch msg := msg.(type) {
	case *RequestPreVoteReply:
		m.handleRequestPreVoteReply(msg)
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
	case *ReadIndex:
		m.handleReadIndex(msg)
	case *ReadIndexReply:
		m.handleReadIndexReply(msg)
	}
}

// ignoresStranger: who is no member was not asked, so its replies and their terms mean nothing (§6). Its requests may: a server
// listens to leaders and candidates that its own configuration does not know yet. Without CheckQuorum members never change.
func (m *Module) ignoresStranger(msg Message) bool {
	from := msg.Head().From
	if !isReply(msg) && (m.cfg.CheckQuorum || from == m.cfg.ID) {
		return from == m.cfg.ID || m.config.place(from) < 0 && m.interrupts(msg)
	}
	return m.config.place(from) < 0
}

// interrupts tells of a request of a later term that it would unseat a leader who is heard. A candidate that says the leader sent it is no exception, as
// it is in ignoresVote: a leader sends members. A true leader that this server does not know yet is listened to as soon as the old one is silent.
func (m *Module) interrupts(msg Message) bool {
	if len(m.config) == 0 { // to who waits to be added all are strangers
		return false
	}
	return msg.Head().Term > m.currentTerm && m.hearsLeader()
}

func isReply(msg Message) bool {
	switch msg.(type) {
	case *RequestVoteReply, *RequestPreVoteReply, *AppendEntriesReply, *InstallSnapshotReply, *ReadIndexReply:
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
	case *ReadIndexReply:
		return term > 0 && (msg.Index == 0) == msg.Refused
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

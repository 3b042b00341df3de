package sim

import (
	"github.com/raftnode/raft/raft/consensus"
)

// fact notes what happened inside a module, and tells whether it was elected.
func (k *checker) fact(s *server, f consensus.Fact) (elected bool) {
	v := &s.view
	if k.trace != nil {
		defer func() { k.note(s.slot, NoteFact, "%s", say(f)) }() // with the role that it leads to
	}
	switch f := f.(type) {
	case consensus.BecameLeader:
		v.role, v.term, v.leader = consensus.Leader, uint64(f.Term), s.slot
		return true
	case consensus.BecameFollower:
		if f.Was == consensus.Leader && len(s.reads) > 0 {
			k.cover.saw(ReadAtStepDown)
		}
		v.role, v.leader, v.heard = consensus.Follower, slotOf(f.Leader), uint64(f.Term)
	case consensus.BecameCandidate:
		v.role, v.leader, v.heard = consensus.Candidate, -1, uint64(f.Term)
	case consensus.Truncated:
		v.truncated = v.heard
	case consensus.BecamePreCandidate:
		v.role, v.leader = consensus.PreCandidate, -1
	case consensus.SteppedDown:
		if s.disk.hungUntil > k.now {
			k.cover.saw(StepDownOfHungDisk)
		}
	case consensus.SnapshotTaken:
		k.cover.saw(SnapshotTaken)
		if k.sendsSnapshot(s) {
			k.cover.saw(CompactionDuringTransfer)
		}
	case consensus.ConfigurationChanged:
		if f.Config.Joint() && k.cuts() {
			k.cover.saw(JointUnderPartition)
		}
	case consensus.SnapshotSending:
		k.cover.saw(SnapshotSending)
	case consensus.SpaceChanged:
		if f.NoSpace {
			k.cover.saw(MemberWithoutSpace)
		}
	case consensus.TransferStarted:
		k.cover.saw(TransferStarted)
	}
	return false
}

// sendsSnapshot tells whether a leader is sending a snapshot to somebody.
func (k *checker) sendsSnapshot(s *server) bool {
	if s.view.role != consensus.Leader {
		return false
	}
	for _, m := range s.module.Status().Members {
		if m.SendingSnapshot {
			return true
		}
	}
	return false
}

// cuts tells whether any link between two servers is cut.
func (k *checker) cuts() bool {
	for i := range k.links {
		if k.links[i].cut > 0 {
			return true
		}
	}
	return false
}

// elected: Election Safety: at most one leader in a term, by a majority of votes, each on its voter's disk. Leader
// Completeness: the leader has all that was committed in earlier terms.
func (k *checker) elected(s *server) {
	v := &s.view
	r := k.reign(v.term)
	if r.leader != 0 {
		k.fail("Election Safety", "%s became leader of term %d", idOf(r.leader-1), v.term)("%s becomes leader of that term", s.id)
		return
	}
	r.leader = s.slot + 1
	granted := Set(0)
	for voter, to := range r.votes {
		if int(to) == s.slot+1 {
			granted |= 1 << voter
		}
	}
	if config := v.log.config(); !config.agree(granted) {
		k.fail("Election Safety", "only %s voted for %s in term %d, with their votes on disk", granted, s.id, v.term)(
			"it becomes leader of voters %s, before %s", config.next, config.former)
		return
	}
	k.complete(s)
	if v.log.lastTerm() < v.term && v.log.last() > k.committed() || v.log.last() > k.committed()+1 {
		k.cover.saw(LeaderWithOldTail)
	}
	for i := range k.servers {
		if o := &k.servers[i]; o != s && o.up && o.view.role == consensus.Leader {
			k.cover.saw(TwoLeaders)
		}
	}
}

// complete: "If a log entry is committed in a given term, then that entry will be present in the logs of the leaders for all
// higher-numbered terms" (Figure 3).
func (k *checker) complete(s *server) {
	v := &s.view
	index := k.committed()
	for index > 0 && k.commitAt(index).commitTerm >= v.term {
		index-- // a leader of an earlier term, elected late, does not know these
	}
	if index <= uint64(v.log.base.Index) {
		return
	}
	if l, ok := v.log.at(index); !ok || l.chain != k.chainAt(index) {
		k.fail("Leader Completeness", "index %d was committed in term %d", index, k.commitAt(index).commitTerm)(
			"%s, leader of term %d, does not have it: its log ends with index %d of term %d", s.id, v.term, v.log.last(), v.log.lastTerm())
	}
}

// leaves: a message leaves a server. What it promises must be on the disk.
func (k *checker) leaves(s *server, msg consensus.Message) {
	if h := msg.Head(); h.From != s.id {
		k.fail("Messages", "%s sends a message", s.id)("it says that it is from %s", h.From)
		return
	}
	switch m := msg.(type) {
	case *consensus.RequestVoteReply:
		if m.VoteGranted {
			k.votes(s, m.Term, m.To)
		}
	case *consensus.RequestVote:
		k.votes(s, m.Term, s.id)
	case *consensus.AppendEntriesReply:
		if m.Success {
			k.acknowledges(s, m)
		}
	case *consensus.AppendEntries:
		k.leads(s, m.Term)
		if uint64(m.LeaderCommit) > k.committed() {
			k.fail("State Machine Safety", "the last committed index is %d", k.committed())("%s says in term %d that it is %d", s.id, m.Term, m.LeaderCommit)
		}
	case *consensus.InstallSnapshot:
		k.leads(s, m.Term)
	case *consensus.ReadIndex:
		if m.ID == s.asked {
			k.cover.saw(ReadAskedAgain)
		}
		s.asked = m.ID
	case *consensus.ReadIndexReply:
		k.confirms(s, m)
	case *consensus.InstallSnapshotReply:
		if m.Installed {
			k.hasSnapshot(s, m)
		}
	}
}

// votes: a vote leaves. It is on the disk, and the only one of its voter in its term.
func (k *checker) votes(s *server, term consensus.Term, to consensus.ServerID) {
	hard := &s.disk.image.hard
	if hard.Term < term || hard.Term == term && hard.VotedFor != to {
		k.fail("Promises", "the disk of %s has term %d and vote %q", s.id, hard.Term, hard.VotedFor)("its vote for %s in term %d leaves", to, term)
		return
	}
	vote := &k.reign(uint64(term)).votes[s.slot]
	if candidate := int8(slotOf(to) + 1); *vote != 0 && *vote != candidate {
		k.fail("Election Safety", "%s voted for %s in term %d", s.id, idOf(int(*vote)-1), term)("it votes for %s in that term", to)
	} else {
		*vote = candidate
	}
}

// leads: only who was elected speaks as leader.
func (k *checker) leads(s *server, term consensus.Term) {
	if r := k.reign(uint64(term)); r.leader != s.slot+1 {
		k.fail("Election Safety", "%s was never elected in term %d", s.id, term)("it speaks as its leader")
	}
}

// confirms: a leader tells another server from where to read. Nothing beyond what is committed, or that one would wait for what may never be.
func (k *checker) confirms(s *server, m *consensus.ReadIndexReply) {
	if m.Refused {
		return
	}
	k.leads(s, m.Term)
	if uint64(m.Index) > k.committed() {
		k.fail("Linearizable Reads", "the last committed index is %d", k.committed())("%s tells %s in term %d to read from index %d", s.id, m.To, m.Term, m.Index)
	}
}

// acknowledges: an acknowledgement leaves. The disk has the log of the term's leader up to there. If the disk is in a later term
// already, it was true in between, and what it promised has been kept or given up since by the rules.
func (k *checker) acknowledges(s *server, m *consensus.AppendEntriesReply) {
	d, index := &s.disk.image, uint64(m.MatchIndex)
	if d.hard.Term < m.Term {
		k.fail("Promises", "the disk of %s has term %d", s.id, d.hard.Term)("its acknowledgement in term %d leaves", m.Term)
		return
	}
	if d.hard.Term > m.Term || index <= uint64(d.base.Index) {
		return
	}
	mine, ok := d.at(index)
	if !ok {
		k.fail("Promises", "the log on the disk of %s ends at index %d", s.id, d.last())("it acknowledges index %d in term %d", index, m.Term)
		return
	}
	to := slotOf(m.To)
	if to < 0 || to >= len(k.servers) {
		return
	}
	if v := &k.servers[to].view; v.role == consensus.Leader && v.term == uint64(m.Term) && k.servers[to].up {
		if l, ok := v.log.at(index); ok && l.chain != mine.chain {
			k.fail("Promises", "the log on the disk of %s has term %d at index %d", s.id, mine.term, index)(
				"it acknowledges that to %s, leader of term %d, whose log differs there or before", m.To, m.Term)
		}
	}
}

// hasSnapshot: the disk has everything up to there, be it as snapshot or as log.
func (k *checker) hasSnapshot(s *server, m *consensus.InstallSnapshotReply) {
	d, index := &s.disk.image, uint64(m.LastIncluded.Index)
	if d.snapshot != nil && uint64(d.snapshot.Index) >= index {
		return
	}
	if l, ok := d.at(index); index > k.committed() || !ok || l.chain != k.chainAt(index) {
		k.fail("Promises", "the disk of %s has no snapshot up to index %d, and not the log up to there", s.id, index)("it says that it has")
	}
}

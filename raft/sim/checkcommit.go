package sim

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/raftnode/raft/raft/consensus"
)

// raised: a server is the first to commit up to index. A quorum has it on its disks, and nobody can be elected who does not
// have it.
func (k *checker) raised(s *server, index uint64, before placedVoters) {
	if !k.onQuorum(s, index, before) {
		return
	}
	for i := range k.servers {
		x := &k.servers[i]
		if x.lost || k.has(&x.disk.image, index) {
			continue
		}
		if votes := k.wouldVote(x); x.disk.image.config().agree(votes) && (x.disk.image.config().former | x.disk.image.config().next).has(i) {
			k.fail("Leader Completeness", "%s committed index %d of term %d in term %d", s.id, index, k.commitAt(index).term, s.view.log.hard.Term)(
				"%s, whose disk does not have it, would get the votes of %s, by what is on their disks", x.id, votes)
			return
		}
	}
}

// has tells whether a disk has the committed entry at index, as entry or within a snapshot.
func (k *checker) has(d *image, index uint64) bool {
	if index <= uint64(d.base.Index) {
		return true
	}
	l, ok := d.at(index)
	return ok && l.chain == k.chainAt(index)
}

// wouldVote are those that would vote for x if all crashed now and x stood in a new term.
func (k *checker) wouldVote(x *server) (votes Set) {
	for i := range k.servers {
		if v := &k.servers[i]; !v.lost && x.disk.image.upToDate(&v.disk.image) {
			votes |= 1 << i
		}
	}
	return votes
}

// onQuorum: the quorum is one of the configuration that was in force. If that one was committed in this Flush, it is one of the
// configuration that followed, but for what came before it.
func (k *checker) onQuorum(s *server, index uint64, before placedVoters) bool {
	have := k.holders(index)
	if before.agree(have) {
		return true
	}
	for _, config := range s.view.log.configs {
		if config.index > before.index && config.agree(have) && before.index <= index && before.agree(k.holders(before.index)) {
			return true
		}
	}
	k.fail("Committed on a Quorum", "the disks of %s have index %d", have, index)(
		"%s commits it with voters %s, before %s", s.id, before.next, before.former)
	return false
}

// holders are the servers whose disks have the committed entry at index. What the module has given up already, so that
// its disk will, does not count. A disk that is lost counts as it was: its server does not come back, so it keeps what it promised.
func (k *checker) holders(index uint64) (have Set) {
	for i := range k.servers {
		v := &k.servers[i]
		if k.has(&v.disk.image, index) && (!v.up || k.has(&v.view.log, index)) {
			have |= 1 << i
		}
	}
	return have
}

// onePending: a leader appends a configuration only when the one before it is committed (§6).
func (k *checker) onePending(s *server) {
	configs := s.view.log.configs
	if n := len(configs); n > 1 && configs[n-2].index > k.committed() {
		k.fail("Configuration", "the configuration at index %d is not committed", configs[n-2].index)(
			"%s, leader of term %d, has another one at index %d", s.id, s.view.term, configs[n-1].index)
	}
}

// configuration: a configuration was appended. Any majority of it meets any majority of the one before it (§6).
func (k *checker) configuration(s *server) {
	configs := s.view.log.configs
	now, before := configs[len(configs)-1], configs[len(configs)-2]
	if now.joint() {
		k.cover.saw(JointConfiguration)
	}
	all := now.members | before.members
	for some := all; ; some = (some - 1) & all { // all subsets
		if now.agree(some) && before.agree(all&^some) {
			k.fail("Configuration", "%s can decide in the configuration at index %d", all&^some, before.index)(
				"%s can decide in the next one, at index %d", some, now.index)
			return
		}
		if some == 0 {
			return
		}
	}
}

// quiescence: all is done and everybody agrees. Nothing is counted as under way any more, and the states are equal to the byte.
func (k *checker) quiescence() {
	lead := k.quorumLeader()
	snapshot := lead.machine.Snapshot()
	k.end.quorum.each(func(slot int) {
		s := &k.servers[slot]
		if !s.up || k.failure != nil || !k.config.members.has(slot) {
			return
		}
		if err := s.module.CheckInvariants(); err != nil {
			k.fail("Module", "%s is asked to check itself", s.id)("%v", err)
		}
		if !bytes.Equal(s.machine.Snapshot(), snapshot) {
			k.fail("State Machine Safety", "%s and %s have applied index %d", lead.id, s.id, s.applied)("their snapshots differ")
		}
		if n := len(s.backlog); n > 0 {
			k.fail("Quiescence", "%s has applied everything", s.id)("%d pieces of work are left", n)
		}
	})
}

// describe lists the servers, for a failure.
func (c *cluster) describe() string {
	var text strings.Builder
	fmt.Fprintf(&text, "; committed %d, voters %s, before %s", c.check.committed(), c.check.config.next, c.check.config.former)
	for i := range c.servers {
		s := &c.servers[i]
		state := "up"
		switch {
		case s.lost:
			state = "lost"
		case !s.up:
			state = "down"
		case s.paused > 0:
			state = "paused"
		}
		fmt.Fprintf(&text, "; %s %s", s.id, state)
		if s.up {
			st := s.module.Status()
			fmt.Fprintf(&text, " %s term %d log %d..%d:%d commit %d applied %d voters %s", st.Role, st.Term, st.FirstLogIndex, st.LastLogIndex,
				st.LastLogTerm, st.CommitIndex, s.applied, votersOf(st.Config).next)
			if st.Role == consensus.Leader {
				for _, m := range st.Members {
					fmt.Fprintf(&text, " [%s match %d next %d snapshot %t]", m.ID, m.MatchIndex, m.NextIndex, m.SendingSnapshot)
				}
			}
		}
	}
	return text.String()
}

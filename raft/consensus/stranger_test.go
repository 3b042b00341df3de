package consensus

import "testing"

// Whoever is no member moves no term while a leader is heard, whatever it sends: it may be one that was removed, or was never added.
func TestStrangersMoveNoTerm(t *testing.T) {
	for _, role := range []Role{Leader, Follower} {
		m := changing(t) // leads term 1
		if role == Follower {
			m.Step(m.now, &AppendEntries{Header: Header{"n2", "n1", 2}})
		}
		term, deadline, quietUntil := m.currentTerm, m.electionDeadline, m.quietUntil
		for _, msg := range []Message{
			&TimeoutNow{Header: Header{"n9", "n1", 1000}},
			&AppendEntries{Header: Header{"n9", "n1", 1000}},
			&InstallSnapshot{Header: Header{"n9", "n1", 1000}, LastIncluded: Position{9, 9}, Config: m.config},
			&RequestVote{Header: Header{"n9", "n1", 1000}},
			&RequestVote{Header: Header{"n9", "n1", 1000}, Transfer: true}, // nobody that this server knows gave it leave
			&RequestPreVote{Header: Header{"n9", "n1", 1000}, NextTerm: 1001},
			&AppendEntriesReply{Header: Header{"n9", "n1", 1000}},
		} {
			m.Step(m.now+1, msg) // a timer that began again would end later
			if m.electionDeadline != deadline || m.quietUntil != quietUntil || m.votedFor == "n9" {
				t.Fatalf("%T moves the timers of a %v, or gets its vote", msg, role)
			}
			if m.currentTerm != term || m.role != role {
				t.Fatalf("%T moves a %v of term %d to term %d as %v", msg, role, term, m.currentTerm, m.role)
			}
		}
		// Nor does a member's word to stand, of a term that this server does not know.
		m.Step(m.now, &TimeoutNow{Header: Header{"n2", "n1", 1000}})
		if m.currentTerm != term {
			t.Errorf("TimeoutNow moves the term to %d", m.currentTerm)
		}
		if role == Leader {
			continue
		}
		m.advanceClock(m.quietUntil) // the leader is silent: this may be the new one
		m.Step(m.now, &AppendEntries{Header: Header{"n9", "n1", 1000}})
		if m.currentTerm != 1000 || m.leader != "n9" {
			t.Errorf("a leader that is not known yet is not followed: term %d, leader %q", m.currentTerm, m.leader)
		}
	}
}

package sim

import (
	"fmt"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Note is something that happened, for people.
type Note struct {
	At     time.Duration
	Server int // slot: 0 is n1; -1: the whole cluster
	Text   string
}

func (c *cluster) note(server int, format string, args ...any) {
	if c.trace != nil {
		c.trace(Note{At: time.Duration(c.now), Server: server, Text: fmt.Sprintf(format, args...)})
	}
}

func (c *cluster) noteMessage(s *server, msg consensus.Message) {
	h := msg.Head()
	text := ""
	switch m := msg.(type) {
	case *consensus.AppendEntries:
		text = fmt.Sprintf("append %d:%d +%d commit %d", m.PrevLogIndex, m.PrevLogTerm, len(m.Entries), m.LeaderCommit)
	case *consensus.AppendEntriesReply:
		text = fmt.Sprintf("refuses %d, conflict %d:%d", m.PrevLogIndex, m.ConflictIndex, m.ConflictTerm)
		if m.Success {
			text = fmt.Sprintf("has %d", m.MatchIndex)
		}
	case *consensus.RequestVote:
		text = fmt.Sprintf("vote for me, log %d:%d", m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestVoteReply:
		text = fmt.Sprintf("vote %t", m.VoteGranted)
	case *consensus.RequestPreVote:
		text = fmt.Sprintf("would you, in term %d, log %d:%d", m.NextTerm, m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestPreVoteReply:
		text = fmt.Sprintf("would %t", m.VoteGranted)
	case *consensus.InstallSnapshot:
		text = fmt.Sprintf("snapshot %d at %d +%d", m.LastIncluded.Index, m.Offset, len(m.Data))
	case *consensus.InstallSnapshotReply:
		text = fmt.Sprintf("snapshot %d has %d installed %t", m.LastIncluded.Index, m.Offset, m.Installed)
	case *consensus.TimeoutNow:
		text = "stand now"
	}
	c.note(s.slot, "%s/%d: %s", h.From, h.Term, text)
}

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
	Kind   NoteKind
	Text   string

	// Of the server, when it happened.
	Role   consensus.Role
	Term   consensus.Term
	Down   bool // it has crashed, or lost its disk
	Paused bool
}

// NoteKind tells apart what happens, for those who draw it.
type NoteKind int

// The kinds of notes.
const (
	NoteFault   NoteKind = iota // something is done to the cluster, or ends
	NoteFact                    // a module says what happened in it
	NoteServer                  // a process starts, crashes, stops for a while
	NoteCommit                  // something is committed for the first time anywhere
	NoteMessage                 // a message arrives or is lost, entries are appended
	NoteFailure                 // a promise is found broken
)

// note tells whoever looks. Its callers need not ask whether anybody does, unless they do it often.
func (c *cluster) note(server int, kind NoteKind, format string, args ...any) {
	if c.trace == nil {
		return
	}
	n := Note{At: time.Duration(c.now), Server: server, Kind: kind, Text: fmt.Sprintf(format, args...)}
	if server >= 0 {
		s := &c.servers[server]
		n.Role, n.Down, n.Paused = s.view.role, !s.up, s.paused > 0
		if s.up {
			n.Term = s.module.Status().Term
		}
	}
	c.trace(n)
}

// say says a fact in few words. Role and term stand beside it.
func say(f consensus.Fact) string {
	switch f := f.(type) {
	case consensus.BecamePreCandidate:
		return fmt.Sprintf("would I win T%d?", f.NextTerm)
	case consensus.BecameCandidate:
		return "stands for election"
	case consensus.BecameLeader:
		return "LEADS"
	case consensus.BecameFollower:
		switch {
		case f.Leader != "":
			return fmt.Sprintf("follows %s", f.Leader)
		case f.Was == consensus.Leader:
			return "steps down"
		}
		return "goes to a new term"
	case consensus.SteppedDown:
		return "gives up: " + f.Reason
	case consensus.VoteGranted:
		return fmt.Sprintf("votes for %s", f.To)
	case consensus.Truncated:
		return fmt.Sprintf("deletes %d to %d for %s's", f.From, f.To, f.Leader)
	case consensus.ConfigurationChanged:
		kind := "members"
		if f.Config.Joint() {
			kind = "joint members"
		}
		return fmt.Sprintf("%s at %d: %s", kind, f.Index, f.Config)
	case consensus.SnapshotTaken:
		return fmt.Sprintf("snapshot at %d, log from %d", f.Snapshot.Index, f.First)
	case consensus.SnapshotInstalled:
		return fmt.Sprintf("installs %s's snapshot at %d", f.Leader, f.Snapshot.Index)
	case consensus.SnapshotSending:
		return fmt.Sprintf("sends %s the snapshot at %d", f.To, f.Snapshot.Index)
	}
	return f.String()
}

// describe says in a few words what a message says. Positions in a log are index:term.
func describe(msg consensus.Message) string {
	yes := func(granted bool) string {
		if granted {
			return "yes"
		}
		return "no"
	}
	switch m := msg.(type) {
	case *consensus.RequestVote:
		return fmt.Sprintf("T%d vote? my log ends %d:%d", m.Term, m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestVoteReply:
		return fmt.Sprintf("T%d vote: %s", m.Term, yes(m.VoteGranted))
	case *consensus.RequestPreVote:
		return fmt.Sprintf("T%d would you, in T%d? my log ends %d:%d", m.Term, m.NextTerm, m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestPreVoteReply:
		return fmt.Sprintf("T%d would, in T%d: %s", m.Term, m.NextTerm, yes(m.VoteGranted))
	case *consensus.AppendEntries:
		if len(m.Entries) == 0 {
			return fmt.Sprintf("T%d heartbeat %d:%d, commit %d", m.Term, m.PrevLogIndex, m.PrevLogTerm, m.LeaderCommit)
		}
		return fmt.Sprintf("T%d append %d entries after %d:%d, commit %d", m.Term, len(m.Entries), m.PrevLogIndex, m.PrevLogTerm, m.LeaderCommit)
	case *consensus.AppendEntriesReply:
		if m.Success {
			return fmt.Sprintf("T%d have up to %d", m.Term, m.MatchIndex)
		}
		return fmt.Sprintf("T%d no %d, try %d:%d", m.Term, m.PrevLogIndex, m.ConflictIndex, m.ConflictTerm)
	case *consensus.ReadIndex:
		return fmt.Sprintf("T%d index to read from? #%d", m.Term, m.ID)
	case *consensus.ReadIndexReply:
		if m.Refused {
			return fmt.Sprintf("T%d no index to read from #%d", m.Term, m.ID)
		}
		return fmt.Sprintf("T%d read from %d #%d", m.Term, m.Index, m.ID)
	case *consensus.TimeoutNow:
		return fmt.Sprintf("T%d stand now", m.Term)
	case *consensus.InstallSnapshot:
		return fmt.Sprintf("T%d snapshot %d:%d, %d bytes from %d", m.Term, m.LastIncluded.Index, m.LastIncluded.Term, len(m.Data), m.Offset)
	case *consensus.InstallSnapshotReply:
		if m.Installed {
			return fmt.Sprintf("T%d installed %d", m.Term, m.LastIncluded.Index)
		}
		return fmt.Sprintf("T%d snapshot: go on at %d", m.Term, m.Offset)
	}
	return fmt.Sprintf("%T", msg)
}

package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Note is something that happened, for people.
type Note struct {
	At      time.Duration
	Server  int // slot: 0 is n1; -1: the whole cluster
	Message bool
	Text    string
}

func (c *cluster) note(server int, format string, args ...any) {
	if c.trace != nil {
		c.trace(Note{At: time.Duration(c.now), Server: server, Text: fmt.Sprintf(format, args...)})
	}
}

// noteMessage notes a message that arrives.
func (c *cluster) noteMessage(s *server, msg consensus.Message) {
	h := msg.Head()
	c.trace(Note{
		At: time.Duration(c.now), Server: s.slot, Message: true,
		Text: fmt.Sprintf("%s> %s (term %d)", h.From, describeMessage(msg), h.Term),
	})
}

func describeMessage(msg consensus.Message) string {
	switch m := msg.(type) {
	case *consensus.AppendEntries:
		return fmt.Sprintf("append %d behind %d:%d, commit %d", len(m.Entries), m.PrevLogIndex, m.PrevLogTerm, m.LeaderCommit)
	case *consensus.AppendEntriesReply:
		if m.Success {
			return fmt.Sprintf("has %d", m.MatchIndex)
		}
		return fmt.Sprintf("refuses %d, conflict %d:%d", m.PrevLogIndex, m.ConflictIndex, m.ConflictTerm)
	case *consensus.RequestVote:
		return fmt.Sprintf("vote? log %d:%d", m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestVoteReply:
		return fmt.Sprintf("vote: %t", m.VoteGranted)
	case *consensus.RequestPreVote:
		return fmt.Sprintf("pre-vote for term %d? log %d:%d", m.NextTerm, m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestPreVoteReply:
		return fmt.Sprintf("pre-vote: %t", m.VoteGranted)
	case *consensus.InstallSnapshot:
		return fmt.Sprintf("snapshot %d, %d bytes at %d", m.LastIncluded.Index, len(m.Data), m.Offset)
	case *consensus.InstallSnapshotReply:
		if m.Installed {
			return fmt.Sprintf("has snapshot %d", m.LastIncluded.Index)
		}
		return fmt.Sprintf("has %d bytes of snapshot %d", m.Offset, m.LastIncluded.Index)
	case *consensus.TimeoutNow:
		return "stand now"
	}
	return fmt.Sprintf("%T", msg)
}

// Timeline writes notes as a table that a person can follow: the time, and a column for each server. What concerns all stands
// across.
type Timeline struct {
	Messages bool // show the messages that arrive, too

	out     io.Writer
	columns int
	width   int
	err     error
}

// NewTimeline makes one for so many servers; those that join later share the last column.
func NewTimeline(out io.Writer, servers int) *Timeline {
	l := &Timeline{out: out, columns: servers + 1, width: min(max(120/(servers+1), 18), 40)}
	l.print("%12s", "")
	for i := range servers {
		l.print(" | %-*s", l.width, idOf(i))
	}
	l.print(" | later ones\n")
	return l
}

// Note writes one note. It fits RunOptions.Trace.
func (l *Timeline) Note(n Note) {
	if n.Message && !l.Messages {
		return
	}
	at := n.At.Round(time.Microsecond).String()
	if n.Server < 0 {
		l.print("%12s === %s\n", at, n.Text)
		return
	}
	column := min(n.Server, l.columns-1)
	text := n.Text
	if column == l.columns-1 {
		text = name(n.Server+1) + ": " + text
	}
	for _, line := range wrap(text, l.width) {
		l.print("%12s%s | %s\n", at, strings.Repeat(" | "+strings.Repeat(" ", l.width), column), line)
		at = ""
	}
}

// Err gives the first error of writing.
func (l *Timeline) Err() error { return l.err }

func (l *Timeline) print(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.out, format, args...)
	}
}

// wrap breaks a text into lines of at most width, between words where it can.
func wrap(text string, width int) (lines []string) {
	for len(text) > width {
		cut := strings.LastIndexByte(text[:width+1], ' ')
		if cut <= 0 {
			cut = width
		}
		lines = append(lines, text[:cut])
		text = strings.TrimPrefix(text[cut:], " ")
	}
	return append(lines, text)
}

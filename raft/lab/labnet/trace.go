package labnet

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// columnWidth is how wide a server's column is, in characters.
const columnWidth = 34

// Trace writes one timeline of a cluster, a column per server: what it became, what it sent, what was lost. A nil
// Trace writes nothing.
type Trace struct {
	mu      sync.Mutex
	out     io.Writer
	servers int
	began   time.Time
}

// NewTrace begins a timeline.
func NewTrace(out io.Writer, servers int) *Trace {
	t := &Trace{out: out, servers: servers, began: time.Now()}
	header := make([]string, servers)
	for i := range header {
		header[i] = pad(fmt.Sprintf("n%d", i))
	}
	_, _ = fmt.Fprintf(out, "%10s | %s\n", "seconds", strings.Join(header, "| "))
	return t
}

func pad(text string) string {
	if n := utf8.RuneCountInString(text); n < columnWidth {
		return text + strings.Repeat(" ", columnWidth-n)
	}
	return string([]rune(text)[:columnWidth-1]) + "…"
}

// note writes what server i did into its column.
func (t *Trace) note(i int, text string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	columns := make([]string, t.servers)
	for j := range columns {
		columns[j] = pad("")
	}
	columns[i] = pad(text)
	_, _ = fmt.Fprintf(t.out, "%10.4f | %s\n", time.Since(t.began).Seconds(), strings.TrimRight(strings.Join(columns, "| "), " |"))
}

// message writes what server from sent to server to; lost says why it will not arrive.
func (t *Trace) message(from, to int, msg raft.Message, lost string) {
	if t == nil {
		return
	}
	arrow := "→"
	if lost != "" {
		arrow = "✗ " + lost + " →"
	}
	t.note(from, fmt.Sprintf("%s n%d %s", arrow, to, describe(msg)))
}

// fact writes what the algorithm did.
func (t *Trace) fact(i int, f consensus.Fact) {
	switch f := f.(type) {
	case consensus.BecameCandidate:
		t.note(i, fmt.Sprintf("CANDIDATE in T%d", f.Term))
	case consensus.BecameLeader:
		t.note(i, fmt.Sprintf("LEADER of T%d", f.Term))
	case consensus.BecameFollower:
		switch {
		case f.Leader != "":
			t.note(i, fmt.Sprintf("follows %s in T%d", f.Leader, f.Term))
		case f.Was != consensus.Follower:
			t.note(i, fmt.Sprintf("steps down: T%d", f.Term))
		default:
			t.note(i, fmt.Sprintf("follower in T%d", f.Term))
		}
	case consensus.VoteGranted:
		t.note(i, fmt.Sprintf("votes for %s in T%d", f.To, f.Term))
	case consensus.Truncated:
		t.note(i, fmt.Sprintf("deletes %d to %d", f.From, f.To))
	default:
		t.note(i, f.String())
	}
}

// describe says in a few words what a message says.
func describe(msg raft.Message) string {
	switch m := msg.(type) {
	case *consensus.RequestVote:
		return fmt.Sprintf("T%d vote? last %d:%d", m.Term, m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestVoteReply:
		if m.VoteGranted {
			return fmt.Sprintf("T%d vote: yes", m.Term)
		}
		return fmt.Sprintf("T%d vote: no", m.Term)
	case *consensus.AppendEntries:
		if len(m.Entries) == 0 {
			return fmt.Sprintf("T%d heartbeat %d:%d c%d", m.Term, m.PrevLogIndex, m.PrevLogTerm, m.LeaderCommit)
		}
		return fmt.Sprintf("T%d append %d:%d +%d c%d", m.Term, m.PrevLogIndex, m.PrevLogTerm, len(m.Entries), m.LeaderCommit)
	case *consensus.AppendEntriesReply:
		if m.Success {
			return fmt.Sprintf("T%d has %d", m.Term, m.MatchIndex)
		}
		return fmt.Sprintf("T%d no: lacks %d, try %d:%d", m.Term, m.PrevLogIndex, m.ConflictIndex, m.ConflictTerm)
	case *consensus.RequestPreVote:
		return fmt.Sprintf("T%d would you, in T%d? last %d:%d", m.Term, m.NextTerm, m.LastLogIndex, m.LastLogTerm)
	case *consensus.RequestPreVoteReply:
		if m.VoteGranted {
			return fmt.Sprintf("T%d would, in T%d", m.Term, m.NextTerm)
		}
		return fmt.Sprintf("T%d would not, in T%d", m.Term, m.NextTerm)
	case *consensus.InstallSnapshot:
		return fmt.Sprintf("T%d snapshot %d:%d from %d +%d", m.Term, m.LastIncluded.Index, m.LastIncluded.Term, m.Offset, len(m.Data))
	case *consensus.InstallSnapshotReply:
		if m.Installed {
			return fmt.Sprintf("T%d has snapshot %d:%d", m.Term, m.LastIncluded.Index, m.LastIncluded.Term)
		}
		return fmt.Sprintf("T%d has %d bytes of snapshot %d:%d", m.Term, m.Offset, m.LastIncluded.Index, m.LastIncluded.Term)
	case *consensus.ReadIndex:
		return fmt.Sprintf("T%d read from where? #%d", m.Term, m.ID)
	case *consensus.ReadIndexReply:
		if m.Refused {
			return fmt.Sprintf("T%d do not read #%d", m.Term, m.ID)
		}
		return fmt.Sprintf("T%d read from %d #%d", m.Term, m.Index, m.ID)
	case *consensus.TimeoutNow:
		return fmt.Sprintf("T%d stand now", m.Term)
	}
	return "?"
}

package consensus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	testHeartbeat = 50 * time.Millisecond
	testTimeout   = 300 * time.Millisecond
)

// cluster is a few modules, their disks and the network between them, moved by hand: nothing happens that the
// test does not ask for. The checker looks on.
type cluster struct {
	now     time.Duration
	ids     []ServerID
	servers map[ServerID]*server
	network []Message // sent, not yet delivered; in order of sending
	check   *checker
	noop    bool
	// newcomers are no founders: they wait to be added.
	newcomers []ServerID
	stuck     ServerID // its disk does nothing
	rand      func() uint64
	limits    func(*Config) // changes the Config of each server
	trace     func(format string, args ...any)
}

// server is one module with its disk. A crash takes the module and what is still pending.
type server struct {
	id      ServerID
	module  *Module // nil: crashed
	disk    Saved   // what a crash leaves
	pending []write // handed to the disk, oldest first, not yet done
	applied []Entry
	reads   []Read
	machine string // the state machine: all commands that it applied, one after the other
}

type write struct {
	save  Save
	after []Message
}

func newCluster(t testing.TB, n int, configure ...func(*cluster)) *cluster {
	c := &cluster{servers: map[ServerID]*server{}, trace: func(string, ...any) {}}
	for i := range n {
		c.ids = append(c.ids, ServerID(fmt.Sprintf("n%d", i+1)))
	}
	// Without a source of its own, each timeout is exactly T: tests choose who stands.
	c.rand = func() uint64 { return 0 }
	for _, f := range configure {
		f(c)
	}
	c.check = newChecker(t, c)
	for _, id := range c.ids {
		c.servers[id] = &server{id: id}
		c.start(id)
	}
	return c
}

func (c *cluster) founders() []ServerID {
	return slices.DeleteFunc(slices.Clone(c.ids), func(id ServerID) bool { return slices.Contains(c.newcomers, id) })
}

// compact takes a snapshot of a server's state machine as it is.
func (c *cluster) compact(id ServerID) error {
	s := c.servers[id]
	var err error
	c.do(id, func(m *Module) {
		var snapshot *Snapshot
		if snapshot, err = m.Snapshot(m.lastApplied, []byte(s.machine)); err == nil {
			err = m.Compact(snapshot)
		}
	})
	return err
}

// start makes a server's module anew from its disk.
func (c *cluster) start(id ServerID) {
	s := c.servers[id]
	cfg := Config{
		ID: id, Founders: Voters(c.founders()...), HeartbeatInterval: testHeartbeat, ElectionTimeout: testTimeout,
		Rand: c.rand, Noop: c.noop,
	}
	if c.limits != nil {
		c.limits(&cfg)
	}
	if slices.Contains(c.newcomers, id) {
		cfg.Founders = nil
	}
	saved := s.disk
	saved.Entries = slices.Clone(saved.Entries)
	m, err := Restart(c.now, cfg, saved)
	if err != nil {
		c.check.t.Fatalf("restart %s: %v", id, err)
	}
	s.module, s.pending, s.applied, s.machine = m, nil, nil, ""
	c.flush(id)
}

// crash takes the module; of the pending writes the disk keeps the first whole ones, and of the next one a part.
// parts counts hard states and entries.
func (c *cluster) crash(id ServerID, whole, parts int) {
	s := c.servers[id]
	for i, w := range s.pending {
		switch {
		case i < whole:
			s.disk.Add(w.save)
		case i == whole:
			s.disk.Add(w.save.prefix(parts))
		}
	}
	s.module, s.pending = nil, nil
	c.check.crashed(id)
}

// prefix gives the first parts of a save: the hard state is one, the snapshot is one, each entry is one.
func (s Save) prefix(parts int) Save {
	if s.HardState != nil {
		if parts == 0 {
			return Save{}
		}
		parts--
	}
	if s.Snapshot != nil {
		if parts == 0 {
			return Save{HardState: s.HardState}
		}
		parts--
	}
	if parts < len(s.Entries) {
		s.Entries, s.Commit = s.Entries[:parts], 0 // it may be of what was cut off
	}
	return s
}

// do calls f on a server's module, if it lives, checks it, and carries out the effects.
func (c *cluster) do(id ServerID, f func(*Module)) {
	if m := c.servers[id].module; m != nil {
		f(m)
		c.check.module(id, m)
		c.flush(id)
	}
}

func (c *cluster) flush(id ServerID) {
	s := c.servers[id]
	e := s.module.Flush()
	for _, f := range e.Facts {
		c.trace("%s %v", id, f)
		c.check.fact(id, f)
	}
	for _, msg := range e.Send {
		c.send(msg)
	}
	if !e.Save.Empty() || len(e.AfterSave) > 0 {
		s.pending = append(s.pending, write{e.Save, e.AfterSave})
	}
	if e.Restore != nil {
		c.trace("%s restores its state machine from the snapshot at index %d", id, e.Restore.Index)
		s.machine = string(e.Restore.Data)
		c.check.restored(id, e.Restore)
	}
	s.applied = append(s.applied, e.Apply...)
	for _, entry := range e.Apply {
		if entry.Kind == EntryCommand {
			s.machine += string(entry.Data) + " "
		}
	}
	s.reads = append(s.reads, e.Reads...)
	c.check.applied(id, e.Apply)
	c.check.reads(id, e.Reads)
	c.check.module(id, s.module)
}

// save completes a server's oldest pending write; it tells whether there was one.
func (c *cluster) save(id ServerID) bool {
	s := c.servers[id]
	if len(s.pending) == 0 || id == c.stuck {
		return false
	}
	w := s.pending[0]
	s.pending = s.pending[1:]
	s.disk.Add(w.save)
	if !w.save.Empty() {
		c.trace("%s saved %s", id, describeSave(w.save))
	}
	for _, msg := range w.after {
		c.check.promise(msg)
		if msg.Head().To == id {
			c.do(id, func(m *Module) { m.Step(c.now, msg) })
		} else {
			c.send(msg)
		}
	}
	return true
}

func (c *cluster) send(msg Message) {
	c.trace("%s", describeMessage("sends", msg))
	c.network = append(c.network, msg)
}

// deliver takes the i-th message off the network and into its receiver.
func (c *cluster) deliver(i int) {
	msg := c.network[i]
	c.network = slices.Delete(c.network, i, i+1)
	c.do(msg.Head().To, func(m *Module) { m.Step(c.now, msg) })
}

// settle saves and delivers, in order, until nothing is under way. Messages for which lost says true are lost.
func (c *cluster) settle(lost func(from, to ServerID) bool) {
	for range 100000 {
		busy := false
		for _, id := range c.ids {
			for c.save(id) {
				busy = true
			}
		}
		if len(c.network) > 0 {
			busy = true
			head := c.network[0].Head()
			if lost != nil && lost(head.From, head.To) {
				c.network = c.network[1:]
			} else {
				c.deliver(0)
			}
		}
		if !busy {
			return
		}
	}
	c.check.t.Fatal("the cluster does not settle: messages go round for ever")
}

// timeout lets a server's election timeout elapse.
func (c *cluster) timeout(id ServerID) { c.tick(id) }

// tick moves the clock to where the server has something to do, and lets it.
func (c *cluster) tick(id ServerID) {
	c.do(id, func(m *Module) {
		c.now = max(c.now, m.Deadline())
		m.Tick(c.now)
	})
}

func (c *cluster) module(id ServerID) *Module { return c.servers[id].module }

func describeSave(s Save) string {
	var parts []string
	if s.HardState != nil {
		parts = append(parts, fmt.Sprintf("term %d", s.HardState.Term))
		if s.HardState.VotedFor != "" {
			parts = append(parts, fmt.Sprintf("vote for %s", s.HardState.VotedFor))
		}
	}
	if s.Snapshot != nil {
		parts = append(parts, fmt.Sprintf("snapshot %d:%d", s.Snapshot.Index, s.Snapshot.Term), fmt.Sprintf("log from %d", s.Base.Index+1))
	}
	if len(s.Entries) > 0 {
		parts = append(parts, "entries "+describeEntries(s.Entries))
	}
	return strings.Join(parts, ", ")
}

// describeEntries writes entries as index:term.
func describeEntries(entries []Entry) string {
	text := ""
	for i, e := range entries {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("%d:%d", e.Index, e.Term)
	}
	return text
}

func describeMessage(verb string, msg Message) string {
	h := msg.Head()
	head := fmt.Sprintf("%s %s %s", h.From, verb, h.To)
	switch m := msg.(type) {
	case *RequestVote:
		text := fmt.Sprintf("%s RequestVote term=%d lastLog=%d:%d", head, m.Term, m.LastLogIndex, m.LastLogTerm)
		if m.Transfer {
			text += " transfer"
		}
		return text
	case *RequestVoteReply:
		return fmt.Sprintf("%s RequestVoteReply term=%d voteGranted=%t", head, m.Term, m.VoteGranted)
	case *AppendEntries:
		text := fmt.Sprintf("%s AppendEntries term=%d prevLog=%d:%d leaderCommit=%d", head, m.Term, m.PrevLogIndex, m.PrevLogTerm, m.LeaderCommit)
		if m.Round > 0 {
			text += fmt.Sprintf(" round=%d", m.Round)
		}
		return text + fmt.Sprintf(" entries=[%s]", describeEntries(m.Entries))
	case *AppendEntriesReply:
		if m.Success {
			return fmt.Sprintf("%s AppendEntriesReply term=%d success matchIndex=%d", head, m.Term, m.MatchIndex) + space(m.NoSpace)
		}
		return fmt.Sprintf("%s AppendEntriesReply term=%d refused prevLogIndex=%d conflict=%d:%d",
			head, m.Term, m.PrevLogIndex, m.ConflictIndex, m.ConflictTerm) + space(m.NoSpace)
	case *RequestPreVote:
		return fmt.Sprintf("%s RequestPreVote term=%d nextTerm=%d lastLog=%d:%d", head, m.Term, m.NextTerm, m.LastLogIndex, m.LastLogTerm)
	case *RequestPreVoteReply:
		return fmt.Sprintf("%s RequestPreVoteReply term=%d nextTerm=%d voteGranted=%t", head, m.Term, m.NextTerm, m.VoteGranted)
	case *InstallSnapshot:
		done := ""
		if m.Done {
			done = " done"
		}
		return fmt.Sprintf("%s InstallSnapshot term=%d lastIncluded=%d:%d offset=%d data=%q%s", head, m.Term, m.LastIncluded.Index, m.LastIncluded.Term, m.Offset, m.Data, done)
	case *InstallSnapshotReply:
		if m.Installed {
			return fmt.Sprintf("%s InstallSnapshotReply term=%d lastIncluded=%d:%d installed", head, m.Term, m.LastIncluded.Index, m.LastIncluded.Term) + space(m.NoSpace)
		}
		return fmt.Sprintf("%s InstallSnapshotReply term=%d lastIncluded=%d:%d offset=%d",
			head, m.Term, m.LastIncluded.Index, m.LastIncluded.Term, m.Offset) + space(m.NoSpace)
	case *ReadIndex:
		return fmt.Sprintf("%s ReadIndex term=%d id=%d", head, m.Term, m.ID)
	case *ReadIndexReply:
		if m.Refused {
			return fmt.Sprintf("%s ReadIndexReply term=%d id=%d refused", head, m.Term, m.ID)
		}
		return fmt.Sprintf("%s ReadIndexReply term=%d id=%d index=%d", head, m.Term, m.ID, m.Index)
	case *TimeoutNow:
		return fmt.Sprintf("%s TimeoutNow term=%d", head, m.Term)
	}
	return head
}

func space(noSpace bool) string {
	if noSpace {
		return " noSpace"
	}
	return ""
}

// pass lets time pass: whoever has something to do does it, when it is due, and disks and network complete everything, but for
// messages for which lost says true.
func (c *cluster) pass(d time.Duration, lost func(from, to ServerID) bool) {
	end := c.now + d
	for range 10000 {
		var next ServerID
		for _, id := range c.ids {
			if m := c.module(id); m != nil && (next == "" || m.Deadline() < c.module(next).Deadline()) {
				next = id
			}
		}
		if next == "" || c.module(next).Deadline() > end {
			c.now = end
			return
		}
		c.tick(next)
		c.settle(lost)
	}
	c.check.t.Fatal("time does not pass: somebody is due again and again")
}

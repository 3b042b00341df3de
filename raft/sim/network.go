package sim

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// wire is the way from one server to another.
type wire struct {
	stream  stream
	cut     int   // how many actions cut it
	clogged int   // how many hold what is sent
	lastAt  int64 // when the last message arrives
	held    []uint32
}

// send puts a message on its way. One draw decides all that happens to it, so that what happens to the n-th message of a link does not
// depend on any other link.
func (c *cluster) send(s *server, msg consensus.Message) {
	c.check.leaves(s, msg)
	to := slotOf(msg.Head().To)
	if to < 0 || to >= len(c.servers) || to == s.slot {
		return
	}
	n := &c.plan.Network
	w := &c.links[s.slot*maxServers+to]
	chance := w.stream.next()
	if w.cut > 0 || int(chance>>10&1023) < (n.Loss+c.lossy)*1024/1000 {
		if c.trace != nil {
			c.note(s.slot, NoteMessage, "✗→ %s %s", msg.Head().To, describe(msg))
		}
		return
	}
	if w.clogged > 0 {
		w.held = append(w.held, c.messages.put(msg))
		return
	}
	c.travel(w, to, msg, chance)
	if int(chance>>20&1023) < n.Duplicate*1024/1000 {
		c.travel(w, to, msg, mix(chance, 1))
	}
}

func (c *cluster) travel(w *wire, to int, msg consensus.Message, chance uint64) {
	n := &c.plan.Network
	took := exponential(chance, n.Delay)
	if int(chance>>30&1023) < n.Spike*1024/1000 {
		took *= 1 + time.Duration(int64(n.SpikeFactor)*exponentials[chance>>40&1023]>>10)
	}
	at := c.now + int64(took+n.MinDelay)
	if n.Ordered {
		at = max(at, w.lastAt+1)
	}
	w.lastAt = max(w.lastAt, at)
	c.plan1(event{at: at, kind: evDeliver, server: uint8(to), arg: c.messages.put(msg)})
}

// release lets go what was held on a link.
func (c *cluster) release(w *wire, to int) {
	for _, arg := range w.held {
		c.travel(w, to, c.messages.take(arg), w.stream.next())
	}
	w.held = nil
}

// deliver hands a message to its receiver.
func (c *cluster) deliver(e *event) {
	s := &c.servers[e.server]
	if s.holds() {
		s.held = append(s.held, *e)
		return
	}
	msg := c.messages.take(e.arg)
	if !s.up || c.end.separates(slotOf(msg.Head().From), s.slot) {
		return
	}
	c.hash = mix(c.hash, messageHash(msg))
	if answer, ok := msg.(*consensus.ReadIndexReply); ok && uint64(answer.Index) > s.applied {
		c.cover.saw(ReadAheadOfFollower)
	}
	if c.trace != nil {
		c.note(s.slot, NoteMessage, "← %s %s", msg.Head().From, describe(msg))
	}
	s.module.Step(s.clock.local(c.now), msg)
	c.input(s)
}

// messageHash sums up a message for the hash of the run.
func messageHash(msg consensus.Message) uint64 {
	h := msg.Head()
	a, b, kind := uint64(0), uint64(0), uint64(0)
	switch m := msg.(type) {
	case *consensus.AppendEntries:
		kind, a, b = 1, uint64(m.PrevLogIndex), uint64(m.LeaderCommit)<<20|uint64(len(m.Entries))
	case *consensus.AppendEntriesReply:
		kind, a, b = 2, uint64(m.MatchIndex), uint64(m.PrevLogIndex)
	case *consensus.RequestVote:
		kind, a, b = 3, uint64(m.LastLogIndex), uint64(m.LastLogTerm)
	case *consensus.RequestVoteReply:
		kind = 4
		if m.VoteGranted {
			a = 1
		}
	case *consensus.RequestPreVote:
		kind, a = 5, uint64(m.LastLogIndex)
	case *consensus.RequestPreVoteReply:
		kind, a = 6, uint64(m.NextTerm)
	case *consensus.InstallSnapshot:
		kind, a, b = 7, uint64(m.LastIncluded.Index), m.Offset
	case *consensus.InstallSnapshotReply:
		kind, a, b = 8, uint64(m.LastIncluded.Index), m.Offset
	case *consensus.ReadIndex:
		kind, a = 9, m.ID
	case *consensus.ReadIndexReply:
		kind, a, b = 10, m.ID, uint64(m.Index)
	}
	return mix(uint64(h.Term)<<8|kind, mix(a, b)+uint64(len(h.From)))
}

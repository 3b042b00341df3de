package sim

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// wish is a change of membership that somebody wants, and asks the leader for again and again: an accepted change may be lost with
// its leader.
type wish struct {
	changes []consensus.Change
	until   int64
}

// changeMembers begins what an action wants of the membership.
func (c *cluster) changeMembers(a *Action) {
	switch a.Kind {
	case AddLearner, AddVoter:
		if len(c.servers) < maxServers {
			s := c.join()
			op := consensus.AddVoter
			if a.Kind == AddLearner {
				op = consensus.AddLearner
			}
			c.want(consensus.Change{Op: op, ID: s.id})
		}
	case Replace:
		c.replace(a)
	default:
		s := c.target(a)
		if s == nil {
			return
		}
		op := consensus.Promote
		switch a.Kind {
		case Demote:
			op = consensus.Demote
		case Remove:
			op = consensus.Remove
		}
		c.want(consensus.Change{Op: op, ID: s.id})
	}
}

// join starts a server that knows nobody and waits to be added.
func (c *cluster) join() *server {
	s := c.addServer(nil)
	c.start(s)
	return s
}

// replace finds a server's disk corrupt. The server stops; its disk is wiped; in its place comes one with a new ID, because what the old
// one promised is forgotten. That is done only as long as what is committed stays on a quorum: of every configuration that may be
// in force, a majority must still have its disk.
func (c *cluster) replace(a *Action) {
	s := c.target(a)
	if s == nil || len(c.servers) == maxServers || !c.canLose(s) {
		return
	}
	c.cover.saw(DiskWiped)
	c.crash(s, a.Chance)
	s.lost = true
	c.note(s.slot, NoteServer, "loses its disk")
	changes := []consensus.Change{{Op: consensus.AddVoter, ID: c.join().id}, {Op: consensus.Remove, ID: s.id}}
	if a.Chance>>30&1 == 0 { // both at once
		c.want(changes...)
		return
	}
	c.want(changes[0])
	c.want(changes[1])
}

// canLose tells whether all configurations that may be in force have a majority without s and those that are lost already.
func (c *cluster) canLose(s *server) bool {
	have := Set(0)
	for i := range c.servers {
		if t := &c.servers[i]; !t.lost && t != s {
			have |= 1 << i
		}
	}
	return c.allAgree(have)
}

// allAgree tells whether servers are a majority of every configuration that is in force somewhere: of what is committed, and of
// what is in the logs beyond.
func (c *cluster) allAgree(servers Set) bool {
	if !c.check.config.stay(servers) {
		return false
	}
	for i := range c.servers {
		s := &c.servers[i]
		if s.lost {
			continue
		}
		if s.up { // it may have what it has not yet given away
			if st := s.module.Status(); uint64(st.ConfigIndex) > c.check.config.index && !votersOf(st.Config).stay(servers) {
				return false
			}
		}
		for _, d := range [2]*image{&s.disk.image, &s.view.log} {
			for _, config := range d.configs {
				if config.index > c.check.config.index && !config.stay(servers) {
					return false
				}
			}
		}
	}
	return true
}

func (c *cluster) want(changes ...consensus.Change) {
	if c.plan.Raft.PreVote && c.plan.Raft.CheckQuorum { // else the module refuses them all
		c.wishes = append(c.wishes, wish{changes: changes, until: c.now + int64(20*c.plan.Raft.ElectionTimeout)})
		c.wakeOperator()
	}
}

func (c *cluster) wakeOperator() {
	if !c.operator {
		c.operator = true
		c.plan1(event{at: c.now + int64(c.plan.Raft.ElectionTimeout/3), kind: evOperator})
	}
}

// operate asks the leader for the first wish that is not yet fulfilled.
func (c *cluster) operate() {
	c.operator = false
	for len(c.wishes) > 0 && (c.now > c.wishes[0].until || c.fulfilled(&c.wishes[0])) {
		c.wishes = c.wishes[1:]
	}
	if len(c.wishes) == 0 || c.end.begun {
		return
	}
	c.wakeOperator()
	s := c.leader()
	if s == nil || s.paused > 0 {
		return
	}
	if c.harmful(&c.wishes[0]) {
		c.wishes = c.wishes[1:]
		return
	}
	if _, _, err := s.module.ChangeMembership(c.wishes[0].changes...); err == nil {
		c.note(s.slot, NoteServer, "is asked for %v", c.wishes[0].changes)
		c.input(s)
	}
}

// fulfilled tells whether the committed configuration is as wished.
func (c *cluster) fulfilled(w *wish) bool {
	config := &c.check.config
	for _, change := range w.changes {
		slot := slotOf(change.ID)
		member, voter := config.members.has(slot), config.next.has(slot)
		ok := voter
		switch change.Op {
		case consensus.AddLearner:
			ok = member
		case consensus.Demote:
			ok = !voter
		case consensus.Remove:
			ok = !member
		}
		if !ok {
			return false
		}
	}
	return !config.joint()
}

// harmful tells whether without these members too few of those that are left have a disk, or are left at all.
func (c *cluster) harmful(w *wish) bool {
	next := c.check.config.next
	for _, change := range w.changes {
		slot := slotOf(change.ID)
		switch change.Op {
		case consensus.Remove, consensus.Demote:
			next &^= 1 << slot
		case consensus.AddVoter, consensus.Promote:
			next |= 1 << slot
		}
	}
	have := Set(0)
	for i := range c.servers {
		if s := &c.servers[i]; !s.lost {
			have |= 1 << i
		}
	}
	return next == 0 || !(voters{former: next, next: next}).agree(have)
}

// patience is how long the cluster has at the end for what it must do: elections, the longest time a clock went back, and a snapshot in small
// chunks.
func (c *cluster) patience() time.Duration {
	longest := time.Duration(0)
	for i := range c.plan.Actions {
		if a := &c.plan.Actions[i]; a.Kind == ClockJump && a.Value < 0 {
			longest += time.Duration(-a.Value) * time.Millisecond
		}
	}
	bytes := 0
	c.end.quorum.each(func(slot int) { bytes = max(bytes, len(c.servers[slot].machine.Snapshot())) })
	for i := range c.servers { // what is sent may be older, and larger
		if snapshot := c.servers[i].disk.image.snapshot; snapshot != nil {
			bytes = max(bytes, len(snapshot.Data))
		}
	}
	chunk := c.plan.Raft.MaxChunkBytes
	if chunk == 0 {
		chunk = 256 << 10
	}
	turn := 2 * (c.plan.Network.Delay + c.plan.Network.MinDelay + c.plan.Disk.Delay + c.plan.Host.Batch) // there and back
	entries := 0
	if r := &c.plan.Raft; r.MaxBatchBytes+r.MaxInflightMessages+r.MaxInflightBytes > 0 { // the log may go over one by one
		entries = len(c.check.commits)
	}
	return 100*c.plan.Raft.ElectionTimeout + 2*longest + time.Duration(entries)*turn + time.Duration(10*bytes/chunk)*turn
}

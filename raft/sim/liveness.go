package sim

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// ending is the last phase: a quorum that is fully connected is healed, all others stay as they are, crashed, paused, cut off as it
// happens. The quorum must elect a leader, commit ten writes and ten reads and agree, in bounded time. Then the others are
// cut off, too, and those in the quorum must become equal to the byte.
type ending struct {
	begun, over   bool
	quorum        Set
	writes, reads int    // completed since
	asked         [2]int // and begun: writes, reads
	cutOff        bool
	deadline      int64
	next          int
}

const (
	endWrites = 10
	endReads  = 10
)

// beginEnd chooses the quorum.
func (c *cluster) beginEnd() {
	end := &c.end
	end.begun = true
	chance := newStream(c.plan.Seed, forEnd, 0)
	if c.plan.Quorum != 0 {
		end.quorum = c.plan.Quorum & (1<<len(c.servers) - 1)
	}
	for _, slot := range shuffled(&chance, len(c.servers)) {
		if c.allAgree(end.quorum) {
			break
		}
		// Who is not known to all that may decide is left out: it may be a server that was removed.
		if s := &c.servers[slot]; s.lost || !c.check.config.members.has(slot) {
			continue
		}
		end.quorum |= 1 << slot
	}
	if !c.allAgree(end.quorum) {
		for i := range c.servers { // members of configurations that are not committed, too
			if !c.servers[i].lost {
				end.quorum |= 1 << i
			}
		}
	}
	if !c.allAgree(end.quorum) {
		end.over = true // too much is lost, and no server is to blame
		c.cover.saw(NoQuorumLeft)
		return
	}
	c.note(-1, NoteFault, "the faults end: %s are healed and must show that they live", end.quorum)
	for i := range c.clients {
		if k := &c.clients[i]; k.busy {
			end.ask(k.op)
		}
	}
	c.heal()
	end.deadline = c.now + int64(c.patience())
	c.plan1(event{at: c.now + int64(c.plan.Raft.ElectionTimeout), kind: evWatch})
}

func shuffled(chance *stream, n int) []int {
	order := make([]int, n)
	for i := range order {
		j := chance.below(i + 1)
		order[i], order[j] = order[j], i
	}
	return order
}

// heal repairs what belongs to the quorum. Without PreVote and CheckQuorum the algorithm does not promise to be left in peace by the others, so
// they are cut off at once.
func (c *cluster) heal() {
	c.lossy, c.quiet, c.burst, c.big = 0, 0, 0, 0
	quiet := c.plan.Network
	quiet.Loss, quiet.Spike, quiet.Duplicate = 0, 0, 0
	quiet.Delay = min(quiet.Delay, c.plan.Raft.ElectionTimeout/20)
	quiet.MinDelay = min(quiet.MinDelay, quiet.Delay)
	disk := c.plan.Disk
	disk.Spike, disk.Delay = 0, min(disk.Delay, c.plan.Raft.ElectionTimeout/20)
	healed := *c.plan
	healed.Network, healed.Disk = quiet, disk
	k := &healed.Clients
	k.Timeout, k.Think = min(k.Timeout, 2*c.plan.Raft.ElectionTimeout), min(k.Think, c.plan.Raft.ElectionTimeout/10)
	if k.Reads > 0 {
		k.Reads = 500 // this phase waits for writes and for reads
	}
	c.plan = &healed
	c.end.quorum.each(func(slot int) {
		s := &c.servers[slot]
		c.healDisk(s)
		s.full = 0
		c.tellSpace(s)
		for s.paused > 0 {
			c.resume(s)
		}
		if !s.up && c.failure == nil {
			c.start(s)
		}
		c.end.quorum.each(func(to int) {
			w := &c.links[slot*maxServers+to]
			w.cut, w.clogged, w.lastAt = 0, 0, 0 // a new connection does not wait for what is under way on the old one
			c.release(w, to)
		})
	})
	if !c.plan.Raft.PreVote || !c.plan.Raft.CheckQuorum {
		c.cutOff()
	}
}

// cutOff separates the quorum from all others.
func (c *cluster) cutOff() {
	c.end.cutOff = true
	for from := range maxServers {
		for to := range maxServers {
			if c.end.quorum.has(from) != c.end.quorum.has(to) {
				c.links[from*maxServers+to].cut++
			}
		}
	}
}

// separates tells whether nothing arrives any more: also what was under way when the quorum was separated is lost, or heartbeats of a leader
// outside could keep its followers in the quorum content for as long as messages may be late.
func (end *ending) separates(from, to int) bool {
	return end.cutOff && end.quorum.has(from) != end.quorum.has(to)
}

// target is whom a client asks in the last phase: one of the quorum after the other.
func (end *ending) target() int {
	slot := -1
	end.next++
	n := end.next % end.quorum.size()
	end.quorum.each(func(s int) {
		if n == 0 {
			slot = s
		}
		n--
	})
	return slot
}

// ask notes what clients want in the last phase.
func (end *ending) ask(op Operation) {
	if op.Read {
		end.asked[1]++
	} else {
		end.asked[0]++
	}
}

// completed counts what clients get done in the last phase. When it is enough they stop.
func (end *ending) completed(c *cluster) {
	if !end.begun {
		return
	}
	if c.history[len(c.history)-1].op.Read {
		end.reads++
	} else {
		end.writes++
	}
	if !end.enough() {
		return
	}
	for i := range c.clients {
		c.dismiss(&c.clients[i])
	}
	if !end.cutOff {
		c.cutOff()
	}
}

// dismiss ends a client's work. If it has asked something, it will never know.
func (c *cluster) dismiss(k *client) {
	if k.busy {
		c.forget(k)
		c.rename(k) // it may be called back: see watch
	}
	k.busy, k.gone = false, true
}

// enough: ten writes and ten reads; or more of the one if the clients never ask for the other.
func (end *ending) enough() bool {
	const most = 5 * (endWrites + endReads)
	return (end.writes >= endWrites || end.asked[0] == 0 && end.reads >= most) &&
		(end.reads >= endReads || end.asked[1] == 0 && end.writes >= most)
}

// watch looks from time to time whether the cluster has done what it must.
func (c *cluster) watch() {
	end := &c.end
	if end.enough() && c.converged() {
		c.check.quiescence()
		end.over = true
		return
	}
	if c.now > end.deadline {
		c.fail("Liveness", "%s are fully connected since %v and a quorum of every configuration", end.quorum, c.plan.Duration)(
			"in %v they completed %d writes and %d reads%s", time.Duration(c.now)-c.plan.Duration, end.writes, end.reads, c.describe())
		return
	}
	if k := &c.clients[len(c.clients)-1]; end.enough() && !c.plan.Raft.Noop && !k.busy {
		k.gone = false // a new leader without a no-op commits what is left only with another command
		c.begin(k)
	}
	c.plan1(event{at: c.now + int64(c.plan.Raft.ElectionTimeout), kind: evWatch})
}

// converged tells whether all of the quorum have applied everything and answered all reads, and nothing is under way among them.
func (c *cluster) converged() bool {
	lead := c.quorumLeader()
	if lead == nil {
		return false
	}
	last := lead.view.log.last()
	same := c.check.committed() == last
	c.end.quorum.each(func(slot int) {
		s := &c.servers[slot]
		if !c.check.config.members.has(slot) {
			return // it was removed since: nobody tells it any more
		}
		same = same && s.up && s.applied == last && s.disk.image.last() == last && len(s.disk.queue) == 0 && s.snapshot == nil &&
			len(s.reads) == 0
	})
	return same && c.acknowledged(lead, last)
}

// acknowledged tells whether the leader knows that all of the quorum have everything, and counts nothing as under way to them.
func (c *cluster) acknowledged(lead *server, last uint64) bool {
	for _, m := range lead.module.Status().Members {
		slot := slotOf(m.ID)
		if c.end.quorum.has(slot) && slot != lead.slot &&
			(uint64(m.MatchIndex) != last || m.NextIndex != m.MatchIndex+1 || m.SendingSnapshot) {
			return false
		}
	}
	return true
}

// quorumLeader is who leads the highest term within the quorum.
func (c *cluster) quorumLeader() (best *server) {
	c.end.quorum.each(func(slot int) {
		s := &c.servers[slot]
		if s.up && s.view.role == consensus.Leader && (best == nil || s.view.term > best.view.term) {
			best = s
		}
	})
	return best
}

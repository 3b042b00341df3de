package sim

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// act does one action of the plan. What cannot be done, to a server that is not there, is not done.
func (c *cluster) act(i int) {
	a := &c.plan.Actions[i]
	if c.end.begun {
		return
	}
	c.note(-1, NoteFault, "%s", a.What(len(c.servers)))
	switch a.Kind {
	case Cut, Clog:
		c.eachLink(i, a, func(w *wire, _ int) {
			if a.Kind == Cut {
				w.cut++
			} else {
				w.clogged++
			}
		})
	case Lossy:
		c.lossy += a.Value
	case Quiet:
		c.quiet++
	case Burst:
		c.burst++
	case Big:
		c.big += a.Value
	case ClientCrash:
		if a.Value < len(c.clients) {
			c.giveUp(&c.clients[a.Value])
		}
	case AddLearner, AddVoter, Promote, Demote, Remove, Replace:
		c.changeMembers(a)
	default:
		if s := c.target(a); s != nil {
			c.actOn(s, i, a)
		}
		return
	}
	if a.For > 0 {
		c.plan1(event{at: c.now + int64(a.For), kind: evActionEnd, arg: uint32(i)})
	}
}

// target is the server that an action means: the one with that number, or the leader; if it is not up, one that is.
func (c *cluster) target(a *Action) *server {
	if a.Server > 0 && a.Server <= len(c.servers) && c.servers[a.Server-1].up {
		return &c.servers[a.Server-1]
	}
	if a.Server == 0 {
		if s := c.leader(); s != nil {
			return s
		}
	}
	n := int(a.Chance % uint64(len(c.servers)))
	for i := range c.servers {
		if s := &c.servers[(n+i)%len(c.servers)]; s.up {
			return s
		}
	}
	return nil
}

// leader is the server that leads the highest term.
func (c *cluster) leader() *server {
	var best *server
	for i := range c.servers {
		if s := &c.servers[i]; s.up && s.view.role == consensus.Leader && (best == nil || s.view.term > best.view.term) {
			best = s
		}
	}
	return best
}

func (c *cluster) actOn(s *server, i int, a *Action) {
	if told := toldOf[a.Kind]; told != "" {
		defer c.note(s.slot, NoteServer, "%s", told)
	}
	switch a.Kind {
	case Crash:
		if a.Value == 1 && s.view.role == consensus.Leader {
			return
		}
		c.crash(s, a.Chance)
		c.after(a.For, s, evRestart, 0)
	case Pause:
		s.paused++
		c.ends(s, i, a)
	case SlowDisk:
		s.disk.slow = int64(a.Value)
		c.ends(s, i, a)
	case HangDisk:
		s.disk.hungUntil = max(s.disk.hungUntil, c.now+int64(a.For))
	case FullDisk:
		s.full++
		c.tellSpace(s)
		c.ends(s, i, a)
	case ClockRate:
		s.clock.change(c.now, int64(a.Value), 0)
		c.resetTimer(s)
	case ClockJump:
		s.clock.change(c.now, s.clock.rate, time.Duration(a.Value)*time.Millisecond)
		c.resetTimer(s)
	case Transfer:
		c.transfer(s, a)
	case Compact:
		c.compact(s)
	}
}

// toldOf is what a server is said to do when an action meets it.
var toldOf = map[Kind]string{
	Pause: "pauses", SlowDisk: "disk is slow", HangDisk: "disk hangs", FullDisk: "disk is nearly full", ClockRate: "clock changes", ClockJump: "clock jumps",
	Compact: "takes a snapshot",
}

// ends plans the end of an action for the server that it met, whoever leads by then.
func (c *cluster) ends(s *server, i int, a *Action) {
	c.plan1(event{at: c.now + int64(a.For), kind: evActionEnd, server: uint8(s.slot), arg: uint32(i)})
}

func (c *cluster) resetTimer(s *server) {
	s.timerAt = 0
	if s.up {
		c.setTimer(s)
	}
}

func (c *cluster) transfer(s *server, a *Action) {
	to := consensus.ServerID("")
	if a.Value > 0 && a.Value <= len(c.servers) {
		to = c.servers[a.Value-1].id
	}
	if s.paused == 0 && s.module.TransferLeadership(to) == nil { // refused by all but a leader, and to strangers
		c.input(s)
	}
}

// actEnd ends an action. At the end of the run those that are still in force stay so, for the servers that are left as they are.
func (c *cluster) actEnd(e *event) {
	i := int(e.arg)
	a := &c.plan.Actions[i]
	s := &c.servers[e.server]
	switch a.Kind {
	case Pause:
		if !c.end.begun {
			c.resume(s)
		}
	case SlowDisk:
		s.disk.slow = 1
	case FullDisk:
		if s.full > 0 { // nobody healed it
			s.full--
			c.tellSpace(s)
		}
	case Cut, Clog:
		if !c.end.begun {
			c.endLinks(i, a)
		}
	case Lossy:
		if !c.end.begun {
			c.lossy -= a.Value
		}
	case Quiet:
		c.quiet--
	case Burst:
		c.burst--
	case Big:
		c.big -= a.Value
	}
}

// resume lets a paused server go on: it takes in what came meanwhile, then sees what time it is.
func (c *cluster) resume(s *server) {
	if s.paused--; s.paused > 0 || !s.up {
		return
	}
	c.note(s.slot, NoteServer, "goes on")
	held := s.held
	s.held = nil
	for i := range held {
		held[i].at = c.now
		c.dispatch(&held[i])
	}
	if s.up && c.failure == nil {
		s.module.SetNoSpace(s.full > 0)
		c.flush(s)
	}
}

// tellSpace tells a server what its disk is like.
func (c *cluster) tellSpace(s *server) {
	if s.up && s.paused == 0 {
		s.module.SetNoSpace(s.full > 0)
		c.input(s)
	}
}

// eachLink calls f for the links that an action means. An action on the leader's links means whoever leads when it begins: it is
// remembered until it ends.
func (c *cluster) eachLink(i int, a *Action, f func(w *wire, to int)) {
	if a.From != 0 {
		a.From.each(func(from int) { (a.To &^ (1 << from)).each(func(to int) { f(&c.links[from*maxServers+to], to) }) })
		return
	}
	if c.isolated[i] == 0 {
		c.isolated[i] = -1
		if s := c.target(a); s != nil {
			c.isolated[i] = s.slot + 1
			c.note(s.slot, NoteServer, "is cut off")
		}
	}
	slot := c.isolated[i] - 1
	if slot < 0 {
		return
	}
	for other := range maxServers {
		if a.Value != 2 {
			f(&c.links[slot*maxServers+other], other)
		}
		if a.Value != 1 {
			f(&c.links[other*maxServers+slot], slot)
		}
	}
}

func (c *cluster) endLinks(i int, a *Action) {
	c.note(-1, NoteFault, "over: %s", a.What(len(c.servers)))
	c.eachLink(i, a, func(w *wire, to int) {
		if a.Kind == Cut {
			w.cut--
			return
		}
		if w.clogged--; w.clogged == 0 {
			c.release(w, to)
		}
	})
}

package sim

import (
	"errors"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// server is one member with its process, disk and clock, and what is known of it from outside.
type server struct {
	slot     int
	id       consensus.ServerID
	founders consensus.Configuration
	rand     stream // the module's
	chance   stream // of its process
	clock    clock

	up     bool
	lost   bool   // its disk is gone, and with it the server, for good
	life   uint32 // counts its starts: events of an earlier life are void
	module *consensus.Module

	timer    uint32 // counts timers that were replaced
	timerAt  int64  // 0: none
	flushDue bool
	paused   int     // how many actions hold it
	full     int     // how many actions have filled its disk
	held     []event // while it is paused

	disk    disk
	machine Machine
	backlog []work // for the machine, oldest first
	applied uint64 // the machine has applied this

	snapshot *consensus.Snapshot // taken, not yet handed to Compact
	waiters  []waiter            // clients that wait for an index; in order
	reads    []asked             // reads that the module has
	asked    uint64              // by its latest ReadIndex

	view view // what the checks know
}

// work is something for the state machine.
type work struct {
	restore *consensus.Snapshot
	entries []consensus.Entry
	reads   []consensus.Read
}

// holds tells whether an event must wait until the server goes on.
func (s *server) holds() bool { return s.paused > 0 && s.up && len(s.held) < 20_000 }

func (c *cluster) addServer(founders consensus.Configuration) *server {
	slot := len(c.servers)
	c.servers = append(c.servers, server{
		slot: slot, id: idOf(slot), founders: founders,
		rand: newStream(c.plan.Seed, forCore, slot), chance: newStream(c.plan.Seed, forHost, slot),
		clock: clock{rate: 1000},
	})
	s := &c.servers[slot]
	if slot < len(c.plan.Clocks) {
		s.clock = clock{rate: int64(c.plan.Clocks[slot].Rate), shown: c.plan.Clocks[slot].Offset}
	}
	s.disk.stream = newStream(c.plan.Seed, forDisk, slot)
	s.disk.slow = 1
	s.disk.image = newImage(founders, true)
	s.view.log = newImage(founders, false)
	return s
}

// start begins a server's life, or the next one, from what its disk has.
func (c *cluster) start(s *server) {
	r := &c.plan.Raft
	saved := s.disk.image.saved()
	module, err := consensus.Restart(s.clock.local(c.now), consensus.Config{
		ID: s.id, Founders: s.founders, Rand: s.rand.next, RequestBase: uint64(s.life+1) << 32,
		HeartbeatInterval: r.HeartbeatInterval, ElectionTimeout: r.ElectionTimeout, LeaseDuration: r.LeaseDuration,
		Noop: r.Noop, PreVote: r.PreVote, CheckQuorum: r.CheckQuorum,
		MaxBatchBytes: r.MaxBatchBytes, MaxInflightMessages: r.MaxInflightMessages, MaxInflightBytes: r.MaxInflightBytes,
		MaxUncommittedBytes: r.MaxUncommittedBytes, MaxLogBytes: r.MaxLogBytes,
		TrailingBytes: r.TrailingBytes, MaxChunkBytes: r.MaxChunkBytes,
	}, saved)
	if err != nil {
		c.fail("Recovery", "%s had saved what its module gave it", s.id)("Restart refuses it: %v", err)
		return
	}
	s.up, s.life = true, s.life+1
	s.module, s.machine, s.applied = module, c.system.Machine(), 0
	s.timerAt, s.flushDue, s.backlog, s.snapshot = 0, false, nil, nil
	s.timer++
	s.waiters, s.reads, s.held = s.waiters[:0], s.reads[:0], nil
	c.check.started(s)
	c.note(s.slot, NoteServer, "starts")
	module.SetNoSpace(s.full > 0)
	c.flush(s)
}

// crash ends a server's life. Of what its disk was writing any prefix stays.
func (c *cluster) crash(s *server, chance uint64) {
	if !s.up {
		return
	}
	c.check.crashes(s)
	c.tear(s, chance)
	s.up, s.module, s.machine, s.backlog = false, nil, nil, nil
	s.life++
	for i := range s.held {
		switch s.held[i].kind {
		case evDeliver:
			c.messages.take(s.held[i].arg)
		case evRequest:
			c.requests.take(s.held[i].arg)
		}
	}
	s.held = nil
	c.note(s.slot, NoteServer, "crashes")
}

// input follows each call that took something into the module: sooner or later a Flush.
func (c *cluster) input(s *server) {
	if c.plan.Host.Batch == 0 {
		c.flush(s)
		return
	}
	if !s.flushDue {
		s.flushDue = true
		c.after(c.plan.Host.Batch+time.Duration(s.chance.below(int(c.plan.Host.Batch))), s, evFlush, 0)
	}
}

// flush lets time pass for the module, takes what it wants, checks it and does it.
func (c *cluster) flush(s *server) {
	s.module.Tick(s.clock.local(c.now))
	e := s.module.Flush()
	c.check.effects(s, &e)
	if c.failure != nil {
		return
	}
	for _, msg := range e.Send {
		c.send(s, msg)
	}
	if !e.Save.Empty() || len(e.AfterSave) > 0 {
		c.write(s, write{save: e.Save, after: e.AfterSave, links: s.view.log.linksOf(e.Save.Entries)})
	}
	if e.Restore != nil || len(e.Apply) > 0 || len(e.Reads) > 0 {
		c.hand(s, work{restore: e.Restore, entries: e.Apply, reads: e.Reads})
	}
	c.setTimer(s)
}

// setTimer plans the module's next Tick. A timer that is too early stays: it finds nothing to do and plans the next.
func (c *cluster) setTimer(s *server) {
	at := max(s.clock.when(s.module.Deadline()), c.now+1)
	if s.timerAt != 0 && s.timerAt <= at {
		return
	}
	s.timer++
	s.timerAt = at
	c.plan1(event{at: at, kind: evTimer, server: uint8(s.slot), gen: s.timer})
}

// hand gives the state machine work.
func (c *cluster) hand(s *server, w work) {
	if c.plan.Host.Apply == 0 {
		c.work(s, w)
		return
	}
	s.backlog = append(s.backlog, w)
	if len(s.backlog) == 1 {
		c.after(s.chance.around(c.plan.Host.Apply), s, evApply, 0)
	}
}

func (c *cluster) applyNext(s *server) {
	w := s.backlog[0]
	s.backlog = s.backlog[1:]
	c.work(s, w)
	if len(s.backlog) > 0 && s.up {
		c.after(s.chance.around(c.plan.Host.Apply), s, evApply, 0)
	}
}

func (c *cluster) work(s *server, w work) {
	if w.restore != nil {
		c.restore(s, w.restore)
	}
	for i := range w.entries {
		c.apply(s, &w.entries[i])
	}
	for _, r := range w.reads {
		c.serve(s, r)
	}
	every := uint64(c.plan.Host.CompactEvery)
	if every > 0 && s.snapshot == nil && s.applied >= s.view.compacted+every {
		c.compact(s)
	}
}

func (c *cluster) restore(s *server, snapshot *consensus.Snapshot) {
	if err := s.machine.Restore(snapshot.Data); err != nil {
		c.fail("State Machine Safety", "the snapshot at index %d was taken by a state machine", snapshot.Index)(
			"%s cannot restore it: %v", s.id, err)
		return
	}
	s.applied = uint64(snapshot.Index)
	s.view.compacted = s.applied
	c.check.restored(s)
	c.answerUpTo(s, s.applied)
}

func (c *cluster) apply(s *server, e *consensus.Entry) {
	var result []byte
	if e.Kind == consensus.EntryCommand {
		result = s.machine.Apply(uint64(e.Index), e.Data)
	}
	s.applied = uint64(e.Index)
	c.check.appliedOne(s, e, result)
	c.answerWaiter(s, e, result)
}

// compact takes a snapshot. The module learns of it when it is written.
func (c *cluster) compact(s *server) {
	if s.applied == 0 || s.snapshot != nil {
		return
	}
	snapshot, err := s.module.Snapshot(consensus.Index(s.applied), s.machine.Snapshot())
	if err != nil {
		if !errors.Is(err, consensus.ErrCompacted) && !errors.Is(err, consensus.ErrNoConfiguration) {
			c.fail("Snapshot", "%s has applied index %d", s.id, s.applied)("its module refuses a snapshot there: %v", err)
		}
		return
	}
	s.snapshot, s.view.compacted = snapshot, s.applied
	delay := c.plan.Host.SnapshotDelay
	if delay > 0 {
		delay = s.chance.around(delay)
	}
	c.after(delay, s, evCompact, 0)
}

func (c *cluster) compactNow(s *server) {
	snapshot := s.snapshot
	s.snapshot = nil
	if snapshot != nil && s.module.Compact(snapshot) == nil {
		c.input(s)
	}
}

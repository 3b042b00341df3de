package sim

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// disk is a server's: what is on it, and what is on its way there.
type disk struct {
	stream    stream
	image     image
	queue     []write // oldest first; the first busy ones are being written
	whole     []write // the array of queue from its beginning, to be used again
	busy      int
	turn      uint32 // counts writes that were planned: what was planned differently is void
	slow      int64  // so many times as long as usual
	hungUntil int64
}

// write is one Save, and what waits for it.
type write struct {
	save  consensus.Save
	links []link // of its entries
	after []consensus.Message
}

// write puts a Save behind all others.
func (c *cluster) write(s *server, w write) {
	d := &s.disk
	if d.queue = append(d.queue, w); len(d.queue) == 1 {
		d.whole = d.queue
	}
	c.writeNext(s)
}

// mostUngrouped is how many Saves a disk takes at once that does not take all that wait.
const mostUngrouped = 3

// writeNext begins with what waits, if the disk is free.
func (c *cluster) writeNext(s *server) {
	d := &s.disk
	if d.busy > 0 || len(d.queue) == 0 {
		return
	}
	d.busy = min(len(d.queue), mostUngrouped)
	if c.plan.Disk.Group {
		d.busy = len(d.queue)
	}
	took := time.Duration(0)
	for i := range d.queue[:d.busy] {
		if !d.queue[i].save.Empty() {
			took = c.writeTime(d)
			break
		}
	}
	if behind := time.Duration(d.hungUntil - c.now); behind > 0 {
		took += behind
	}
	c.writtenIn(took, s)
}

// writtenIn plans the end of what is being written.
func (c *cluster) writtenIn(took time.Duration, s *server) {
	s.disk.turn++
	c.after(took, s, evDisk, s.disk.turn)
}

// healDisk lets a disk work as it should, on what it is writing too.
func (c *cluster) healDisk(s *server) {
	d := &s.disk
	d.hungUntil, d.slow = c.now, 1
	if d.busy > 0 {
		c.writtenIn(c.writeTime(d), s)
	}
}

func (c *cluster) writeTime(d *disk) time.Duration {
	k := &c.plan.Disk
	chance := d.stream.next()
	took := exponential(chance, k.Delay) * time.Duration(d.slow)
	if int(chance>>10%1000) < k.Spike {
		took *= time.Duration(k.SpikeFactor)
	}
	// What is slower still is a disk that hangs, which is an action of its own, and which the last phase can end.
	return min(took, 60*c.plan.Raft.ElectionTimeout)
}

// written: what was being written is on the disk. What waited for it may leave.
func (c *cluster) written(s *server) {
	d := &s.disk
	n := d.busy
	// A disk that hung while this was under way is done when it no longer hangs.
	if behind := d.hungUntil - c.now; behind > 0 {
		c.writtenIn(time.Duration(behind), s)
		return
	}
	own := false
	for i := range d.queue[:n] {
		w := &d.queue[i]
		c.check.keep(s, w)
		for _, msg := range w.after {
			if msg.Head().To != s.id {
				c.send(s, msg)
				continue
			}
			c.check.leaves(s, msg)
			s.module.Step(s.clock.local(c.now), msg)
			own = true
		}
		if c.failure != nil {
			return
		}
	}
	clear(d.queue[:n])
	if d.queue = d.queue[n:]; len(d.queue) == 0 {
		d.queue = d.whole[:0]
	}
	d.busy = 0
	c.writeNext(s)
	if own {
		c.input(s)
	}
}

// tear is what a crash leaves of what the disk was writing: some Saves whole, and of the next one a part. What was half written is
// told by its checksum, so it is gone. In one of four cases nothing is left at all, and in another everything.
func (c *cluster) tear(s *server, chance uint64) {
	d := &s.disk
	whole := int(chance>>2) % (len(d.queue) + 1)
	switch chance & 3 {
	case 0:
		whole = 0
	case 1:
		whole = len(d.queue)
	}
	for i := range d.queue[:whole] {
		c.check.keep(s, &d.queue[i])
	}
	if whole < len(d.queue) {
		c.cover.saw(CrashBeforeSync)
		part := d.queue[whole]
		part.save = partOf(part.save, int(chance>>20%(1<<30))%(2+len(part.save.Entries)+1))
		c.check.keep(s, &part)
	}
	d.queue, d.whole, d.busy = nil, nil, 0
}

// partOf is what is left of a Save after so many of its parts: the hard state is one, the snapshot is one, each entry is one.
func partOf(save consensus.Save, parts int) consensus.Save {
	if save.HardState != nil {
		if parts == 0 {
			return consensus.Save{}
		}
		parts--
	}
	if save.Snapshot != nil {
		if parts == 0 {
			return consensus.Save{HardState: save.HardState}
		}
		parts--
	}
	save.Entries = save.Entries[:min(parts, len(save.Entries))]
	save.Commit = 0
	return save
}

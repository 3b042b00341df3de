package consensus

import "errors"

// ErrNoSpace: this leader's disk is nearly full, or so many others' are that no majority has room for more. What was accepted before is
// still committed, reads go on, and members can be changed: new ones may be the way out. Nothing was done.
var ErrNoSpace = errors.New("consensus: no majority has room on its disks")

// SetNoSpace tells that this server's disk is nearly full, or that it has room again. It tells its leader with each reply. A server without
// space votes, and takes what it is sent; but a leader without space takes no commands, and hands leadership over
// to one who has space. Whoever leads spares those without: see spares.
func (m *Module) SetNoSpace(noSpace bool) {
	m.noSpace = noSpace
	m.handOverForSpace()
}

// noteSpace remembers what a member said of its disk.
func (m *Module) noteSpace(f *progress, noSpace bool) {
	if f.id != m.cfg.ID && f.noSpace != noSpace {
		f.noSpace = noSpace
		m.fact(SpaceChanged{Member: f.id, NoSpace: noSpace})
	}
}

// outOfSpace tells whether this leader must not take more. Members that are silent count as having no space only when another is known to
// have none: those that have not answered yet have not said so.
func (m *Module) outOfSpace() bool {
	return m.noSpace || m.anyWithoutSpace() && !m.majorityHasSpace()
}

func (m *Module) anyWithoutSpace() bool {
	for i := range m.followers { // each proposal asks: no copies
		if m.followers[i].noSpace {
			return true
		}
	}
	return false
}

// majorityHasSpace tells whether a majority that answers has room on its disks.
func (m *Module) majorityHasSpace() bool {
	return m.config.agreed(func(i int) uint64 {
		if m.config[i].ID == m.cfg.ID {
			return one(!m.noSpace)
		}
		return one(m.hasSpace(&m.followers[i]))
	}) == 1
}

// hasSpace tells whether another member answers, and has room on its disk.
func (m *Module) hasSpace(f *progress) bool { return !f.noSpace && m.heardOf(f) }

// spares tells whether a member gets no entries, and no snapshots, because its disk is nearly full and a majority does without it. It
// gets heartbeats, so it follows, and says when it has room. If it is needed, it gets what the log has: that is bounded, since
// nothing is added to it then, and what was accepted is to be committed. Who is to lead needs all of it, too.
func (m *Module) spares(f *progress) bool {
	return f.noSpace && f.id != m.transfer.to && m.majorityHasSpace()
}

// restartSpared makes the members that are spared begin with the newest snapshot once they have room: what they got of an older one
// must not keep the log behind it, or one full disk fills the others.
func (m *Module) restartSpared() {
	for i := range m.followers {
		if f := &m.followers[i]; m.spares(f) {
			f.sending = nil
		}
	}
}

// handOverPause is for how many election timeouts a leader without space waits after an attempt to hand over that failed: membership cannot change
// while one is under way.
const handOverPause = 4

// handOverForSpace begins to hand leadership over if this leader's disk is nearly full and another voter's is not.
func (m *Module) handOverForSpace() {
	if m.role != Leader || !m.noSpace || m.transfer.to != "" || m.now < m.handOverAfter {
		return
	}
	if to := m.furthest(m.hasSpace); to != "" {
		_ = m.TransferLeadership(to) // it is a voter, and nothing else is under way
	}
}

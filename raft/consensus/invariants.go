package consensus

import "fmt"

// Violation is what the module panics with when one of the algorithm's promises was found broken: by a
// disk that forgot, a server that lies, or a bug. To go on would make it worse. It holds the two facts that contradict each other.
type Violation struct {
	Property     string // which promise, by its name in Figure 3
	Fact, Versus string
}

// Error puts the two facts side by side.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s is violated: %s, but %s; this server must stop: compare the logs of all servers", v.Property, v.Fact, v.Versus)
}

// violated reads as a sentence at the place of use: violated(property, fact)(contradicting fact). It panics.
func violated(property, format string, args ...any) func(format string, args ...any) {
	v := &Violation{Property: property, Fact: fmt.Sprintf(format, args...)}
	return func(format string, args ...any) {
		v.Versus = fmt.Sprintf(format, args...)
		panic(v)
	}
}

// CheckInvariants compares the module's state with what must always hold of one server, and gives the first
// contradiction. It walks the log: it is for tests and simulators, after every step.
func (m *Module) CheckInvariants() error {
	if err := m.checkLog(); err != nil {
		return err
	}
	last := m.log.lastIndex()
	switch {
	case m.commitIndex > last:
		return fmt.Errorf("commitIndex is %d, but the log ends at %d", m.commitIndex, last)
	case m.snapshotIndex() > m.lastApplied || m.log.base.Index > m.snapshotIndex():
		return fmt.Errorf("the log begins behind %d and the snapshot ends at %d, but lastApplied is %d", m.log.base.Index, m.snapshotIndex(), m.lastApplied)
	case m.lastApplied > m.commitIndex:
		return fmt.Errorf("lastApplied is %d, but commitIndex is %d", m.lastApplied, m.commitIndex)
	case m.role == Leader && (m.leader != m.cfg.ID || m.votedFor != m.cfg.ID):
		return fmt.Errorf("the role is leader, but the leader of term %d is %q and the vote went to %q", m.currentTerm, m.leader, m.votedFor)
	case m.role == Candidate && m.votedFor != m.cfg.ID:
		return fmt.Errorf("the role is candidate, but the vote of term %d went to %q", m.currentTerm, m.votedFor)
	case m.role != Leader && len(m.reads.pending)+len(m.reads.waiting) > 0:
		return fmt.Errorf("reads wait to be confirmed, but the role is %s", m.role)
	case (m.role != Follower || m.leader == "") && len(m.asking.waiting)+len(m.asking.underWay.reads)+len(m.asking.answered) > 0:
		return fmt.Errorf("reads wait for an answer, but the role is %s and the leader %q", m.role, m.leader)
	case m.role != Leader:
		return nil
	}
	return m.checkLeader()
}

func (m *Module) checkLog() error {
	bytes := 0
	last := m.log.base
	for i := range m.log.chunks {
		c := &m.log.chunks[i]
		if c.bytes != sumBytes(c.entries) || c.first != last.Index+1 || len(c.entries) == 0 {
			return fmt.Errorf("the chunk from %d on has %d entries and counts %d bytes, behind entry %d", c.first, len(c.entries), c.bytes, last.Index)
		}
		bytes += c.bytes
		for i := range c.entries {
			e := &c.entries[i]
			switch {
			case e.Index != last.Index+1:
				return fmt.Errorf("entry %d stands at place %d", e.Index, last.Index+1)
			case e.Term < last.Term:
				return fmt.Errorf("entry %d has term %d, but the one before has term %d", e.Index, e.Term, last.Term)
			case e.Term > m.currentTerm:
				return fmt.Errorf("entry %d has term %d, but currentTerm is %d", e.Index, e.Term, m.currentTerm)
			}
			last = Position{Index: e.Index, Term: e.Term}
		}
	}
	if bytes != m.log.bytes {
		return fmt.Errorf("the log has %d bytes, but %d are counted", bytes, m.log.bytes)
	}
	return m.checkConfigs()
}

// checkConfigs: the configurations that are kept are the snapshot's, or Founders, and those of the entries behind it.
func (m *Module) checkConfigs() error {
	n := 1
	for _, e := range m.log.slice(max(m.snapshotIndex(), m.log.base.Index)+1, m.log.lastIndex()) {
		if e.Kind != EntryConfiguration {
			continue
		}
		if n == len(m.configs) || m.configs[n].index != e.Index {
			return fmt.Errorf("entry %d is a configuration, but those that are kept are %v", e.Index, m.configs)
		}
		n++
	}
	latest := m.configs[len(m.configs)-1]
	if n != len(m.configs) || latest.index != m.configIndex {
		return fmt.Errorf("the configuration of index %d is in force, but those that are kept are %v, and the log has %d", m.configIndex, m.configs, n-1)
	}
	return nil
}

func (m *Module) checkLeader() error {
	if want := m.log.bytesIn(m.commitIndex+1, m.log.lastIndex()); m.uncommittedBytes != want {
		return fmt.Errorf("%d bytes are uncommitted, but %d are counted", want, m.uncommittedBytes)
	}
	for i, f := range m.followers {
		bytes := 0
		for _, in := range f.inflight {
			bytes += in.bytes
		}
		switch {
		case f.id != m.config[i].ID:
			return fmt.Errorf("the progress of %s stands at the place of %s", f.id, m.config[i].ID)
		case f.sending != nil && !f.probing:
			return fmt.Errorf("%s gets a snapshot, and entries from %d on as well", f.id, f.nextIndex)
		case f.nextIndex <= f.matchIndex:
			return fmt.Errorf("nextIndex of %s is %d, but its matchIndex is %d", f.id, f.nextIndex, f.matchIndex)
		case f.matchIndex > m.log.lastIndex():
			return fmt.Errorf("matchIndex of %s is %d, but the log ends at %d", f.id, f.matchIndex, m.log.lastIndex())
		case f.probing && len(f.inflight) > 0:
			return fmt.Errorf("%s is probed, but %d requests count as under way", f.id, len(f.inflight))
		case bytes != f.inflightBytes:
			return fmt.Errorf("%d bytes are under way to %s, but %d are counted", bytes, f.id, f.inflightBytes)
		}
	}
	return nil
}

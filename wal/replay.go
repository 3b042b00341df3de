package wal

import (
	"fmt"
	"slices"

	"github.com/raftnode/raft/raft/consensus"
)

// replay applies r to the state. An entry at an index that is already there takes the place of it and
// of all behind it: the records' order is the order of time.
func (s *scanner) replay(r *record) error {
	switch r.kind {
	case recordHard:
		return s.state.setHard(r.hard)
	case recordMark:
		return s.state.setCommit(r.commit)
	case recordSnapshot:
		if err := s.state.setSnapshot(&r.marker); err != nil {
			return err
		}
		s.dropEntries(&r.marker)
		return nil
	case recordStart:
		return s.begin(r)
	}
	return s.replayEntries(r.entries)
}

func (s *scanner) replayEntries(list []consensus.Entry) error {
	for i := range list {
		if err := s.state.append(&list[i]); err != nil {
			return err
		}
	}
	first := list[0].Index
	s.spans.add(first, s.state.last)
	// Behind a gap, it may replace what is missing.
	s.from = min(s.from, first)
	if s.keep {
		s.entries = s.entries[:first-s.from]
		if len(s.entries)+len(list) > cap(s.entries) {
			// append alone would grow by a quarter, and copy a long log several times.
			s.entries = slices.Grow(s.entries, len(s.entries)+len(list))
		}
		s.entries = append(s.entries, list...)
	}
	return nil
}

// begin takes the first record of a segment: after a gap it is all that is known, else it must agree.
func (s *scanner) begin(r *record) error {
	s.spans.begin(r.seq)
	if !s.started {
		s.state, s.started, s.from = stateAt(&r.start), true, r.start.last.Index+1
		return r.start.check()
	}
	if now := s.state.start(); now != r.start {
		return fmt.Errorf("it begins with (%s), but the records before it add up to (%s)", r.start, now)
	}
	return nil
}

// dropEntries forgets the entries up to a new base.
func (s *scanner) dropEntries(m *marker) {
	if m.installed {
		s.spans.drop()
		s.from, s.entries = m.Index+1, nil
		return
	}
	if m.base.Index < s.from {
		return
	}
	if s.keep {
		// Copied, so that the memory of the others can go.
		s.entries = append([]consensus.Entry(nil), s.entries[m.base.Index-s.from+1:]...)
	}
	s.from = m.base.Index + 1
}

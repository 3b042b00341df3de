package wal

import (
	"fmt"
	"slices"

	"github.com/raftnode/raft/raft/consensus"
)

// state is what must hold of the records so far. Save checks it before it writes, and
// recovery while it reads, so what cannot be read back is never written.
type state struct {
	hard   consensus.HardState
	last   consensus.Index // of the log
	commit consensus.Index // highest commitIndex heard of; never above last, never below the snapshot
	// snapshot is the newest; zero if there is none. Its base is the place before the first entry.
	snapshot marker
	// terms are the log's terms as runs: ascending in both fields, so that the
	// term before an overwritten index is known without keeping the entries.
	terms []termRun
}

// stateAt is the state at the start of a segment. Of the terms it knows the last only.
func stateAt(s *start) state {
	at := state{hard: s.hard, last: s.last.Index, commit: s.commit, snapshot: s.snapshot}
	if s.last.Index > 0 {
		at.terms = []termRun{{first: s.last.Index, term: s.last.Term}}
	}
	return at
}

// start is the inverse of stateAt.
func (s *state) start() start {
	return start{hard: s.hard, last: consensus.Position{Index: s.last, Term: s.lastTerm()}, commit: s.commit, snapshot: s.snapshot}
}

type termRun struct {
	first consensus.Index
	term  consensus.Term
}

// setHard takes a new (currentTerm, votedFor). §5.2: a server votes at most once in
// a term, so within a term only "nobody yet" may change.
func (s *state) setHard(h consensus.HardState) error {
	switch {
	case h.Term < s.hard.Term:
		return fmt.Errorf("term %d after term %d", h.Term, s.hard.Term)
	case h.Term == 0 && h.VotedFor != "":
		return fmt.Errorf("a vote for %q in term 0, which does not exist", h.VotedFor)
	case h.Term == s.hard.Term && s.hard.VotedFor != "" && h.VotedFor != s.hard.VotedFor:
		return fmt.Errorf("a vote for %q in term %d after the vote for %q in the same term", h.VotedFor, h.Term, s.hard.VotedFor)
	case len(h.VotedFor) > maxIDBytes:
		return fmt.Errorf("a vote for a name of %d bytes, more than %d", len(h.VotedFor), maxIDBytes)
	}
	s.hard = h
	return nil
}

// append takes an entry at the end of the log, or in place of everything from its index on (§5.3).
func (s *state) append(e *consensus.Entry) error {
	switch {
	case e.Index == 0 || e.Index > s.last+1:
		return fmt.Errorf("entry %d does not follow the last entry, %d", e.Index, s.last)
	case e.Index <= s.commit:
		return fmt.Errorf("entry %d of term %d would overwrite a committed one: commitIndex is %d", e.Index, e.Term, s.commit)
	case e.Term == 0 || e.Term > s.hard.Term:
		return fmt.Errorf("entry %d of term %d, but the saved currentTerm is %d", e.Index, e.Term, s.hard.Term)
	case e.Kind > consensus.EntryConfiguration:
		return fmt.Errorf("entry %d is of unknown kind %d: it needs a newer version of this program", e.Index, e.Kind)
	case len(e.Data) > MaxEntryBytes:
		return fmt.Errorf("entry %d has %d bytes, more than %d", e.Index, len(e.Data), MaxEntryBytes)
	}
	n := len(s.terms)
	for n > 0 && s.terms[n-1].first >= e.Index {
		n--
	}
	if n > 0 && s.terms[n-1].term > e.Term {
		return fmt.Errorf("entry %d of term %d behind an entry of term %d", e.Index, e.Term, s.terms[n-1].term)
	}
	s.terms = s.terms[:n]
	if n == 0 || s.terms[n-1].term != e.Term {
		s.terms = append(s.terms, termRun{first: e.Index, term: e.Term})
	}
	s.last = e.Index
	return nil
}

// setCommit takes a commitIndex. It is volatile in Raft, so after a restart it may well be lower than before.
func (s *state) setCommit(commit consensus.Index) error {
	if commit > s.last {
		return fmt.Errorf("commitIndex %d is behind the last entry, %d", commit, s.last)
	}
	s.commit = max(s.commit, commit)
	return nil
}

// setSnapshot takes a newer snapshot, and its base.
func (s *state) setSnapshot(m *marker) error {
	switch {
	case m.Index <= s.snapshot.Index:
		return fmt.Errorf("a snapshot at %d, and there is one at %d", m.Index, s.snapshot.Index)
	case m.Term == 0 || m.Term > s.hard.Term:
		return fmt.Errorf("a snapshot at an entry of term %d, but the saved currentTerm is %d", m.Term, s.hard.Term)
	case m.base.Index > m.Index || m.base.Index < s.snapshot.base.Index:
		return fmt.Errorf("a base at %d, which is not between the one before, %d, and the snapshot, %d", m.base.Index, s.snapshot.base.Index, m.Index)
	case m.installed && m.base != m.Position:
		return fmt.Errorf("an installed snapshot at %d with a base at %d", m.Index, m.base.Index)
	case m.installed && m.Index < s.commit:
		return fmt.Errorf("an installed snapshot at %d would throw away committed entries: commitIndex is %d", m.Index, s.commit)
	case !m.installed && m.Index > s.last:
		return fmt.Errorf("a snapshot at %d of a log that ends at %d", m.Index, s.last)
	}
	for _, p := range []consensus.Position{m.Position, m.base} {
		if term, known := s.term(p.Index); known && term != p.Term && !m.installed {
			return fmt.Errorf("a snapshot or base at entry %d of term %d, whose term is %d", p.Index, p.Term, term)
		}
	}
	s.snapshot, s.commit = *m, max(s.commit, m.Index)
	if m.installed {
		s.last, s.terms = m.Index, append(s.terms[:0], termRun{first: m.Index, term: m.Term})
		return nil
	}
	dead := 0
	for dead+1 < len(s.terms) && s.terms[dead+1].first <= m.base.Index {
		dead++
	}
	s.terms = slices.Delete(s.terms, 0, dead)
	return nil
}

// term gives the term of the entry at i, if it is known.
func (s *state) term(i consensus.Index) (consensus.Term, bool) {
	if i == 0 {
		return 0, true
	}
	for n := len(s.terms) - 1; n >= 0 && i <= s.last; n-- {
		if s.terms[n].first <= i {
			return s.terms[n].term, true
		}
	}
	return 0, false
}

// markerOf is the record for a Save's snapshot.
func markerOf(save *consensus.Save, file fileSum) marker {
	return marker{Position: save.Snapshot.Position, base: save.Base, installed: save.Installed, file: file}
}

// save takes one Save, in the order in which its records are written.
func (s *state) save(save *consensus.Save) error {
	if save.HardState != nil {
		if err := s.setHard(*save.HardState); err != nil {
			return err
		}
	}
	if save.Snapshot != nil {
		m := markerOf(save, fileSum{})
		if err := s.setSnapshot(&m); err != nil {
			return err
		}
	}
	for i := range save.Entries {
		if i > 0 && save.Entries[i].Index != save.Entries[i-1].Index+1 {
			return fmt.Errorf("entry %d behind entry %d in one Save", save.Entries[i].Index, save.Entries[i-1].Index)
		}
		if err := s.append(&save.Entries[i]); err != nil {
			return err
		}
	}
	return s.setCommit(save.Commit)
}

// lastTerm is the term of the last entry, 0 if there is none.
func (s *state) lastTerm() consensus.Term {
	if len(s.terms) == 0 {
		return 0
	}
	return s.terms[len(s.terms)-1].term
}

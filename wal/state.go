package wal

import (
	"fmt"

	"github.com/raftnode/raft/raft/consensus"
)

// state is what must hold of the records so far. Save checks it before it writes, and
// recovery while it reads, so what cannot be read back is never written.
type state struct {
	hard   consensus.HardState
	last   consensus.Index // of the log
	commit consensus.Index // highest commitIndex heard of; never above last
	// terms are the log's terms as runs: ascending in both fields, so that the
	// term before an overwritten index is known without keeping the entries.
	terms []termRun
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
	case e.Kind > consensus.EntryValue:
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

// save takes one Save, in the order in which its records are written.
func (s *state) save(save *consensus.Save) error {
	if save.HardState != nil {
		if err := s.setHard(*save.HardState); err != nil {
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

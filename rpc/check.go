package rpc

import (
	"errors"
	"fmt"
	"math"

	"github.com/raftnode/raft/raft/consensus"
)

// check refuses a message that no correct server sends. It stands at both doors: what
// it lets through may be wrong in substance, but has the shape that the
// algorithm builds on.
func check(m consensus.Message) error {
	if KindOf(m) == 0 {
		return fmt.Errorf("cannot carry a %T", m)
	}
	switch m := m.(type) { // a server asks for its first election in term 0
	case *consensus.RequestPreVote:
		if m.NextTerm == 0 || m.NextTerm-1 != m.Term {
			return fmt.Errorf("it asks for term %d in term %d", m.NextTerm, m.Term)
		}
		return checkPlace("last log", m.LastLogIndex, m.LastLogTerm, m.Term)
	case *consensus.RequestPreVoteReply:
		if m.NextTerm == 0 {
			return errors.New("it answers for term 0")
		}
		return nil
	}
	if m.Head().Term == 0 {
		return errors.New("its term is 0")
	}
	switch m := m.(type) {
	case *consensus.RequestVote:
		return checkPlace("last log", m.LastLogIndex, m.LastLogTerm, m.Term)
	case *consensus.AppendEntries:
		if err := checkPlace("previous log", m.PrevLogIndex, m.PrevLogTerm, m.Term); err != nil {
			return err
		}
		return checkEntries(m)
	case *consensus.InstallSnapshot:
		return checkChunk(m)
	case *consensus.InstallSnapshotReply:
		return checkLastIncluded(m.LastIncluded, m.Term)
	case *consensus.ReadIndexReply:
		if (m.Index == 0) != m.Refused {
			return fmt.Errorf("it says to read from index %d, and refused is %t", m.Index, m.Refused)
		}
	}
	return nil
}

// checkLastIncluded checks where a snapshot ends, in a message of a server that is in term current.
func checkLastIncluded(p consensus.Position, current consensus.Term) error {
	if p.Index == 0 {
		return errors.New("a snapshot that ends before the first entry")
	}
	return checkPlace("last included", p.Index, p.Term, current)
}

// checkChunk checks one chunk of a snapshot (Figure 13). One without data asks how much the receiver has.
func checkChunk(m *consensus.InstallSnapshot) error {
	if m.Offset > math.MaxUint64-uint64(len(m.Data)) {
		return fmt.Errorf("offset %d leaves no room for a chunk of %d bytes", m.Offset, len(m.Data))
	}
	if err := m.Config.Validate(); err != nil {
		return fmt.Errorf("the snapshot's configuration: %w", err)
	}
	return checkLastIncluded(m.LastIncluded, m.Term)
}

// checkPlace checks the index and term of an entry in the log of a server that is in term
// current. Index 0 is before the first entry, and only it has term 0.
func checkPlace(what string, index consensus.Index, term, current consensus.Term) error {
	if (index == 0) != (term == 0) {
		return fmt.Errorf("%s index %d cannot have term %d", what, index, term)
	}
	if term > current {
		return fmt.Errorf("%s term %d is above the message's term %d", what, term, current)
	}
	return nil
}

// checkEntries checks that the entries follow each other (§5.3): their indices without a
// gap, since the wire carries only the first; their terms never falling, known kinds only.
func checkEntries(m *consensus.AppendEntries) error {
	if uint64(m.PrevLogIndex) > math.MaxUint64-uint64(len(m.Entries)) {
		return fmt.Errorf("previous log index %d leaves no room for %d entries", m.PrevLogIndex, len(m.Entries))
	}
	term := m.PrevLogTerm
	for i := range m.Entries {
		e := &m.Entries[i]
		switch want := m.PrevLogIndex + 1 + consensus.Index(i); {
		case e.Index != want:
			return fmt.Errorf("entry %d stands where entry %d should", e.Index, want)
		case e.Term == 0 || e.Term < term || e.Term > m.Term:
			return fmt.Errorf("entry %d has term %d behind term %d, in a message of term %d", e.Index, e.Term, term, m.Term)
		case e.Kind > consensus.EntryConfiguration:
			return fmt.Errorf("entry %d has unknown kind %d", e.Index, e.Kind)
		case e.Kind == consensus.EntryConfiguration:
			if _, err := consensus.DecodeConfiguration(e.Data); err != nil {
				return fmt.Errorf("entry %d is not a configuration: %w", e.Index, err)
			}
		}
		term = e.Term
	}
	return nil
}

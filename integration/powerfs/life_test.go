//go:build linux

package powerfs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/raftnode/raft/raft/consensus"
)

// life makes Saves that a correct server could make, from a state on.
type life struct {
	random *rand.Rand
	sum    consensus.Saved // of what was acknowledged, and then of what is made
	commit consensus.Index
}

func (m *life) last() consensus.Index {
	return m.sum.Base.Index + consensus.Index(len(m.sum.Entries))
}

func (m *life) floor() consensus.Index {
	if m.sum.Snapshot == nil {
		return m.commit
	}
	return max(m.commit, m.sum.Snapshot.Index)
}

func (m *life) at(i consensus.Index) consensus.Position {
	if i == m.sum.Base.Index {
		return m.sum.Base
	}
	return consensus.Position{Index: i, Term: m.sum.Entries[i-m.sum.Base.Index-1].Term}
}

// batch is what one Save is given, and what it is the sum of, step by step.
func (m *life) batch() []consensus.Save {
	var batch []consensus.Save
	for range 1 + m.random.IntN(2) {
		save := m.save()
		m.sum.Add(save)
		m.commit = max(m.floor(), save.Commit)
		batch = append(batch, save)
	}
	return batch
}

func (m *life) save() consensus.Save {
	var save consensus.Save
	term := m.sum.HardState.Term
	switch {
	case term == 0 || m.random.IntN(6) == 0: // a vote
		term += 1 + consensus.Term(m.random.IntN(2))
		save.HardState = &consensus.HardState{Term: term, VotedFor: consensus.ServerID(fmt.Sprint("n", m.random.IntN(3)))}
	case m.random.IntN(5) == 0 && m.last() > m.floor():
		at := m.at(m.floor() + 1 + consensus.Index(m.random.IntN(int(m.last()-m.floor()))))
		base := m.at(m.sum.Base.Index + consensus.Index(m.random.IntN(int(at.Index-m.sum.Base.Index)+1)))
		save.Snapshot, save.Base, save.Commit = snapshotAt(at), base, at.Index
		return save
	case m.random.IntN(25) == 0: // from a leader that is ahead
		at := consensus.Position{Index: m.last() + 5, Term: term}
		return consensus.Save{Snapshot: snapshotAt(at), Base: at, Installed: true, Commit: at.Index}
	}
	first := m.last() + 1
	if m.random.IntN(3) == 0 && m.last() > m.floor() { // a conflict
		first = m.floor() + 1 + consensus.Index(m.random.IntN(int(m.last()-m.floor())))
	}
	for i := range consensus.Index(m.random.IntN(6)) {
		data := fmt.Appendf(nil, "entry %d of term %d ", first+i, term)
		switch m.random.IntN(4) {
		case 0:
			data = bytes.Repeat(data, m.random.IntN(60))
		case 1:
			data = make([]byte, m.random.IntN(1500)) // zeros: the hard case for repairs
		}
		save.Entries = append(save.Entries, consensus.Entry{Index: first + i, Term: term, Kind: consensus.EntryCommand, Data: data})
	}
	return save
}

// snapshotAt depends on the place alone.
func snapshotAt(at consensus.Position) *consensus.Snapshot {
	data := bytes.Repeat(fmt.Appendf(nil, "state at %v. ", at), 1+int(at.Index*at.Index)%9000)
	return &consensus.Snapshot{Position: at, Config: consensus.Voters("n1", "n2", "n3"), Data: data}
}

// isPrefix tells whether got is state with the first records of these Saves.
func isPrefix(got, state consensus.Saved, saves []consensus.Save) bool {
	if same(got, state) {
		return true
	}
	for _, save := range saves {
		parts := []consensus.Save{{HardState: save.HardState}}
		if save.Snapshot != nil {
			parts = append(parts, consensus.Save{Snapshot: save.Snapshot, Base: save.Base, Installed: save.Installed})
		}
		for i := range save.Entries {
			parts = append(parts, consensus.Save{Entries: save.Entries[i : i+1]})
		}
		for _, part := range parts {
			if state.Add(part); same(got, state) {
				return true
			}
		}
	}
	return false
}

func same(a, b consensus.Saved) bool {
	if (a.Snapshot == nil) != (b.Snapshot == nil) || a.HardState != b.HardState || a.Base != b.Base {
		return false
	}
	if s, u := a.Snapshot, b.Snapshot; s != nil && (s.Position != u.Position || !slices.Equal(s.Config, u.Config) || !bytes.Equal(s.Data, u.Data)) {
		return false
	}
	return slices.EqualFunc(a.Entries, b.Entries, func(x, y consensus.Entry) bool {
		return x.Index == y.Index && x.Term == y.Term && x.Kind == y.Kind && bytes.Equal(x.Data, y.Data)
	})
}

func brief(s consensus.Saved) string {
	text := fmt.Sprintf("%+v, %d entries behind %v", s.HardState, len(s.Entries), s.Base)
	if s.Snapshot != nil {
		text += fmt.Sprintf(", a snapshot at %v", s.Snapshot.Position)
	}
	return text
}

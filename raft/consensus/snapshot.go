package consensus

import "errors"

// The reasons for which Snapshot and Compact refuse. In each case nothing was done.
var (
	// ErrCompacted: there is a snapshot already that goes as far or further, taken here or installed by a leader.
	ErrCompacted = errors.New("consensus: a snapshot already reaches that far")
	// ErrNotApplied: the index was not handed out to the state machine yet, so it cannot be a snapshot of it.
	ErrNotApplied = errors.New("consensus: a snapshot cannot reach further than what was applied")
	// ErrSnapshotTooLarge: it exceeds Config.MaxSnapshotBytes, so no follower would take it.
	ErrSnapshotTooLarge = errors.New("consensus: the snapshot is larger than MaxSnapshotBytes")
	// ErrNoConfiguration: a server that was added has not come to the entry yet that says who takes part, and a snapshot
	// has to say it. Try again when more is applied.
	ErrNoConfiguration = errors.New("consensus: this server does not know yet who takes part at that index")
)

// Snapshot gives the snapshot whose state machine, after applying upTo, has the state data. It changes nothing: Compact, with what
// it gave, does. In between it may be written to stable storage. The module keeps data: it must not be written to any more.
func (m *Module) Snapshot(upTo Index, data []byte) (*Snapshot, error) {
	switch {
	case len(data) > m.cfg.MaxSnapshotBytes:
		return nil, ErrSnapshotTooLarge
	case upTo > m.lastApplied:
		return nil, ErrNotApplied
	case upTo <= m.snapshotIndex():
		return nil, ErrCompacted
	case len(m.configAt(upTo)) == 0:
		return nil, ErrNoConfiguration
	}
	term, _ := m.log.term(upTo) // base <= snapshotIndex < upTo <= lastIndex
	return &Snapshot{Position: Position{Index: upTo, Term: term}, Config: m.configAt(upTo), Data: data}, nil
}

// Compact puts a snapshot in place of the log up to there (§7), but for Config.TrailingBytes and what a follower needs that is being
// sent an older snapshot. It refuses with ErrCompacted if a leader's snapshot came in between.
func (m *Module) Compact(snapshot *Snapshot) error {
	if snapshot.Index <= m.snapshotIndex() {
		return ErrCompacted
	}
	m.snapshot, m.snapshotUnsaved = snapshot, true
	m.restartSpared()
	m.log.compact(m.position(m.keepFrom(snapshot.Index)))
	m.forgetConfigs()
	m.fact(SnapshotTaken{Snapshot: snapshot.Position, Bytes: len(snapshot.Data), First: m.log.base.Index + 1})
	return nil
}

func (m *Module) snapshotIndex() Index {
	if m.snapshot == nil {
		return 0
	}
	return m.snapshot.Index
}

// position is the place of an entry that is in the log, or of its base.
func (m *Module) position(i Index) Position {
	term, _ := m.log.term(i)
	return Position{Index: i, Term: term}
}

// keepFrom gives the place behind which the log stays when a snapshot reaches up to upTo. A follower that is
// getting an older snapshot finds the log behind it when it is done, or it would need another snapshot, and again: but only while it
// answers, and while the log is not half full because of it.
func (m *Module) keepFrom(upTo Index) Index {
	keep := m.log.trailing(upTo, m.cfg.TrailingBytes)
	for i := range m.followers {
		f := &m.followers[i]
		if f.sending == nil || !m.heardOf(f) || f.sending.snapshot.Index >= keep {
			continue
		}
		at := max(f.sending.snapshot.Index, m.log.base.Index)
		if m.log.bytesIn(at+1, m.log.lastIndex()) <= m.cfg.MaxLogBytes/2 {
			keep = at
		}
	}
	return keep
}

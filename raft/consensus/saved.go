package consensus

import "fmt"

// validateSaved tells in what way saved cannot be the sum of Saves.
func validateSaved(saved Saved) error {
	if err := validateSnapshot(saved); err != nil {
		return err
	}
	lastTerm := saved.Base.Term
	for i := range saved.Entries {
		e := &saved.Entries[i]
		switch {
		case e.Index != saved.Base.Index+Index(i)+1:
			return fmt.Errorf("entry %d stands where entry %d belongs", e.Index, saved.Base.Index+Index(i)+1)
		case e.Term < lastTerm || e.Term == 0:
			return fmt.Errorf("entry %d has term %d, behind an entry of term %d", e.Index, e.Term, lastTerm)
		case e.Term > saved.HardState.Term:
			return fmt.Errorf("entry %d has term %d, but the current term is %d", e.Index, e.Term, saved.HardState.Term)
		case !wellFormedConfig(e):
			return fmt.Errorf("entry %d is a configuration that cannot be used", e.Index)
		}
		lastTerm = e.Term
	}
	if last := saved.Base.Index + Index(len(saved.Entries)); saved.Commit > last {
		return fmt.Errorf("index %d was committed, but the log ends at %d", saved.Commit, last)
	}
	return nil
}

// validateSnapshot tells whether snapshot and log leave a gap or contradict each other.
func validateSnapshot(saved Saved) error {
	if saved.Snapshot == nil {
		if saved.Base != (Position{}) {
			return fmt.Errorf("the log begins behind index %d, but there is no snapshot", saved.Base.Index)
		}
		return nil
	}
	at, last := saved.Snapshot.Position, saved.Base.Index+Index(len(saved.Entries))
	switch {
	case at.Index == 0 || at.Term == 0 || at.Term > saved.HardState.Term:
		return fmt.Errorf("a snapshot at index %d of term %d, in term %d", at.Index, at.Term, saved.HardState.Term)
	case saved.Base.Index > at.Index || at.Index > last:
		return fmt.Errorf("the snapshot ends at index %d, but the log has %d to %d: there is a gap", at.Index, saved.Base.Index+1, last)
	case len(saved.Snapshot.Config) == 0:
		return fmt.Errorf("the snapshot at index %d has no configuration", at.Index)
	}
	term := saved.Base.Term
	if i := at.Index - saved.Base.Index; i > 0 {
		term = saved.Entries[i-1].Term
	}
	if term != at.Term {
		return fmt.Errorf("the snapshot ends at index %d with term %d, but the log has term %d there", at.Index, at.Term, term)
	}
	if err := saved.Snapshot.Config.Validate(); err != nil {
		return fmt.Errorf("the snapshot's configuration: %w", err)
	}
	return nil
}

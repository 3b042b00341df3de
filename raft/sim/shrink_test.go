package sim

import (
	"strings"
	"testing"
)

// sessionless is a store whose snapshots lose the session table.
type sessionless struct{ *Store }

func (s sessionless) Restore(snapshot []byte) error {
	err := s.Store.Restore(snapshot)
	for i := range s.Store.sessions {
		s.Store.digest -= s.Store.sessions[i].digest()
	}
	s.Store.sessions = nil
	return err
}

// A plan that fails is made smaller, and what is left fails in the same way.
func TestShrink(t *testing.T) {
	system := System{
		Machine: func() Machine { return sessionless{NewStore()} }, Workload: StoreWorkload{}, Sessions: true, Once: storeOnce,
	}
	var big *Plan
	var found Result
	Search(1, 500, RunOptions{System: system}, func(plan *Plan, r Result) bool {
		if r.Failure != nil && len(plan.Actions) > 10 {
			big, found = plan, r
		}
		return big == nil
	})
	if big == nil {
		t.Fatal("no seed finds that the session table is lost")
	}
	small, r := Shrink(big, RunOptions{System: system}, 300)
	if r.Failure == nil || r.Failure.Invariant != found.Failure.Invariant {
		t.Fatalf("the smaller plan fails with %v, the larger one with %v", r.Failure, found.Failure)
	}
	if len(small.Actions) > 5 || len(small.Encode()) >= len(big.Encode()) {
		t.Errorf("%d actions are left of %d:\n%s", len(small.Actions), len(big.Actions), small.Encode())
	}
	if !strings.Contains(r.Failure.Error(), "seed") {
		t.Errorf("the failure does not name its seed: %v", r.Failure)
	}
	if same, _ := Shrink(calm(3), RunOptions{}, 10); same.Encode() == nil || len(same.Actions) != 0 {
		t.Error("a plan that does not fail is changed")
	}
}

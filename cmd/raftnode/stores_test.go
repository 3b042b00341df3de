package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft"
)

func TestAMemberIsBoundToTheStoreThatItShowedFirst(t *testing.T) {
	dir := t.TempDir()
	s, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		store, says string
	}{
		{"", "does not say in which store"},
		{"first", ""},
		{"first", ""},
		{"second", `comes with store second, but it had store first`},
	} {
		check := func(s *stores) {
			t.Helper()
			s.enter("n2")
			err := s.admit("n2", c.store)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("store %q: got %v, want %q", c.store, err, c.says)
			}
		}
		check(s)
		again, err := openStores(dir) // after a restart
		if err != nil {
			t.Fatal(err)
		}
		check(again)
	}
	s.enter("n3")
	if err := s.admit("n3", "third"); err != nil {
		t.Errorf("another member: %v", err)
	}
}

// Until it is a member a server has promised nothing; from then on it is bound to the store that it showed last, also if it came before.
func TestAServerIsBoundWhenItBecomesAMember(t *testing.T) {
	dir := t.TempDir()
	s, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"first", "second"} {
		if err := errors.Join(s.admit("n4", store), s.settle()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, storesName)); !os.IsNotExist(err) {
		t.Errorf("a server that is no member was written down: %v", err)
	}
	s.enter("n4")
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	again, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*stores{s, again} { // again knows of no members yet, or any more
		if err := s.admit("n4", "third"); err == nil || !strings.Contains(err.Error(), "comes with store third, but it had store second") {
			t.Errorf("got %v", err)
		}
		if err := s.admit("n4", "second"); err != nil {
			t.Error(err)
		}
	}
}

func TestStrangersDoNotFillTheMemory(t *testing.T) {
	s, err := openStores(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 * maxSeen {
		if err := s.admit(raft.ServerID(fmt.Sprint("x", i)), "store"); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.seen) > maxSeen {
		t.Errorf("%d are remembered", len(s.seen))
	}
}

func TestADamagedListOfStoresIsNotTakenForNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, storesName), []byte(`{"n2":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStores(dir); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("got %v", err)
	}
}

// What cannot be remembered is not admitted: after a restart it would not be known.
func TestAStoreThatCannotBeRememberedIsNotAdmitted(t *testing.T) {
	dir := t.TempDir()
	s, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, storesName+".tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.enter("n2")
	for range 2 {
		if err := s.admit("n2", "x"); err == nil || !strings.Contains(err.Error(), "cannot be remembered") {
			t.Errorf("got %v", err)
		}
	}
}

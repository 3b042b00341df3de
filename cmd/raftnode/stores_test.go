package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	if err := s.admit("n3", "third"); err != nil {
		t.Errorf("another member: %v", err)
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
	for range 2 {
		if err := s.admit("n2", "x"); err == nil || !strings.Contains(err.Error(), "cannot be remembered") {
			t.Errorf("got %v", err)
		}
	}
}

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

const firstStart = "1:0000000a"

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
			err := s.admit("n2", c.store, firstStart)
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
	if err := s.admit("n3", "third", firstStart); err != nil {
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
		if err := errors.Join(s.admit("n4", store, firstStart), s.settle()); err != nil {
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
		if err := s.admit("n4", "third", firstStart); err == nil || !strings.Contains(err.Error(), "comes with store third, but it had store second") {
			t.Errorf("got %v", err)
		}
		if err := s.admit("n4", "second", firstStart); err != nil {
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
		if err := s.admit(raft.ServerID(fmt.Sprint("x", i)), "store", firstStart); err != nil {
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
		if err := s.admit("n2", "x", firstStart); err == nil || !strings.Contains(err.Error(), "cannot be remembered") {
			t.Errorf("got %v", err)
		}
	}
}

// Who knows a start on a directory lets in only those that come from it: an older copy does not, however often it is started.
func TestAnOlderCopyOfADirectoryIsNotLetIn(t *testing.T) {
	dir := t.TempDir()
	s, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.enter("n2")
	older := strings.Repeat("0000000b", 99)
	for _, c := range []struct{ start, says string }{
		{"5:0000000a0000000b", ""},
		{"5:0000000a0000000b", ""},
		{"7:0000000a0000000b0000000c0000000d", ""}, // nobody here saw start 6
		{"8:0000000c0000000d0000000e", ""},
		{"7:0000000a0000000b0000000c0000000d", "comes with start 7 on its data directory, but it had another start 8: this is an older copy"},
		{"8:0000000c0000000d0000000f", "this is an older copy"},
		{"9:0000000c0000000d0000000f00000010", "this is an older copy"},
		{"200:0000000e" + older, "start 8 is the newest known here: it shows no more than its last 100"},
		{"", "does not say which start"},
		{"9:zzzzzzzz", "does not say which start"},
		{"9:0000000d0000000e00000011", ""},
	} {
		again, err := openStores(dir) // after a restart
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*stores{s, again} {
			s.enter("n2")
			err := s.admit("n2", "its store", c.start)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Fatalf("start %s: got %v, want %q", c.start, err, c.says)
			}
		}
	}
}

// A member that starts again while this node's disk is full is let in, and remembered when there is room.
func TestALaterStartIsLetInOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.enter("n2")
	if err := s.admit("n2", "x", firstStart); err != nil {
		t.Fatal(err)
	}
	obstacle := filepath.Join(dir, storesName+".tmp")
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.admit("n2", "x", "2:0000000a0000000b"); err != nil {
		t.Error(err)
	}
	if err := s.admit("n2", "x", firstStart); err == nil {
		t.Error("what could not be written down is forgotten")
	}
	if err := s.settle(); err == nil {
		t.Error("it settles, although nothing can be written")
	}
	if err := errors.Join(os.Remove(obstacle), s.settle()); err != nil {
		t.Fatal(err)
	}
	again, err := openStores(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.admit("n2", "x", firstStart); err == nil {
		t.Error("after a restart the older start is let in")
	}
}

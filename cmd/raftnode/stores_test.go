package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/raftnode/raft/cmd/internal/storefile"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/wal"
)

const firstStart = "1:0000000a"

// directory is a new one.
var directory = wal.Recovery{Store: "own", NewDirectory: true}

func noAnchor(raft.ServerID) error { return nil }

func TestAMemberIsBoundToTheStoreThatItShowedFirst(t *testing.T) {
	dir := t.TempDir()
	s, _, err := openStores(dir, directory, noAnchor)
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
		again, _, err := openStores(dir, directory, noAnchor) // after a restart
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
	s, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"first", "second"} {
		if err := errors.Join(s.admit("n4", store, firstStart), s.settle()); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := storefile.Read(dir, "own"); err != nil || len(written) > 0 {
		t.Errorf("a server that is no member was written down: %v, %v", written, err)
	}
	s.enter("n4")
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	again, _, err := openStores(dir, directory, noAnchor)
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
	s, _, err := openStores(t.TempDir(), directory, noAnchor)
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
	if err := os.WriteFile(filepath.Join(dir, storefile.Name), []byte(`{"n2":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openStores(dir, directory, noAnchor); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("got %v", err)
	}
}

// What cannot be remembered is not admitted: after a restart it would not be known.
func TestAStoreThatCannotBeRememberedIsNotAdmitted(t *testing.T) {
	dir := t.TempDir()
	s, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, storefile.Name+".tmp"), 0o700); err != nil {
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
	s, _, err := openStores(dir, directory, noAnchor)
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
		{"200:0000000e" + older + ",8:0000000f", "this is an older copy"},
		{"200:0000000e" + older, "start 8 is the newest known here: it shows no more than its last 100"},
		{"", "does not say which start"},
		{"9:zzzzzzzz", "does not say which start"},
		{"9:0000000d0000000e00000011", ""},
		{"300:0000000e" + older + ",9:00000011", ""}, // it was started often, and nobody here saw it; but it knows what was seen here
	} {
		again, _, err := openStores(dir, directory, noAnchor) // after a restart
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
	s, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	s.enter("n2")
	if err := s.admit("n2", "x", firstStart); err != nil {
		t.Fatal(err)
	}
	obstacle := filepath.Join(dir, storefile.Name+".tmp")
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
	again, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.admit("n2", "x", firstStart); err == nil {
		t.Error("after a restart the older start is let in")
	}
}

// A node that lost what it remembers of the others says so; a new directory remembers from its first start on that it knows nobody.
func TestALostListOfStoresIsNoticed(t *testing.T) {
	dir := t.TempDir()
	if _, lost, err := openStores(dir, directory, noAnchor); err != nil || lost {
		t.Fatal(lost, err)
	}
	used := wal.Recovery{Store: "own"}
	if _, lost, err := openStores(dir, used, noAnchor); err != nil || lost {
		t.Errorf("it is there: %t, %v", lost, err)
	}
	if err := os.Remove(filepath.Join(dir, storefile.Name)); err != nil {
		t.Fatal(err)
	}
	if _, lost, err := openStores(dir, used, noAnchor); err != nil || !lost {
		t.Errorf("it is gone: %t, %v", lost, err)
	}
	if _, _, err := openStores(dir, wal.Recovery{Store: "other"}, noAnchor); err == nil || !strings.Contains(err.Error(), "not of this directory") {
		t.Errorf("another store's: %v", err)
	}
}

// Peers that let this node in are anchored, and again if that could not be written.
func TestPeersThatLetUsInAreAnchored(t *testing.T) {
	full, anchored := true, []raft.ServerID(nil)
	s, _, err := openStores(t.TempDir(), directory, func(peer raft.ServerID) error {
		if full {
			return errors.New("no room")
		}
		anchored = append(anchored, peer)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.note("n2")
	if err := s.settle(); err == nil {
		t.Error("nobody heard that it failed")
	}
	full = false
	if err := errors.Join(s.settle(), s.settle()); err != nil || len(anchored) != 1 {
		t.Errorf("anchored %v, %v", anchored, err)
	}
}

// Members are entered by the goroutine that drives the algorithm: a disk that hangs must not hold it up.
func TestEnterDoesNotWaitForTheDisk(t *testing.T) {
	s, _, err := openStores(t.TempDir(), directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	s.file.Lock() // as while it is written
	defer s.file.Unlock()
	s.enter("n2")
	s.note("n2")
}

// Many come at once: all are remembered.
func TestManyMembersAtOnce(t *testing.T) {
	dir := t.TempDir()
	s, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	var coming sync.WaitGroup
	for i := range 20 {
		peer := raft.ServerID(fmt.Sprint("n", i))
		s.enter(peer)
		for range 2 { // each from two connections
			coming.Go(func() {
				if err := s.admit(peer, "store of "+string(peer), firstStart); err != nil {
					t.Error(err)
				}
			})
		}
	}
	coming.Wait()
	if written, err := storefile.Read(dir, "own"); err != nil || len(written) != 20 {
		t.Errorf("%d are remembered, %v", len(written), err)
	}
}

// Without room for the file a node starts, and binds nobody before there is.
func TestStoresOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, storefile.Name+".tmp")); err != nil {
		t.Fatal(err)
	}
	s, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	s.enter("n2")
	if err := s.admit("n2", "x", firstStart); err == nil || !strings.Contains(err.Error(), "cannot be remembered") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(filepath.Join(dir, storefile.Name+".tmp")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.admit("n2", "x", firstStart), s.settle()); err != nil {
		t.Error(err)
	}
}

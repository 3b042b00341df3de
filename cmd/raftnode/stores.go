package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/wal"
)

// storesName is the file in the data directory that remembers the other members' stores.
const storesName = "stores.json"

// stores remembers in which store each other member keeps its votes and its log, the first one that it showed as a member; and the newest
// start on it. A member that comes with another store has lost what it promised, and one whose start does not come from that one has an
// older copy of it. It is not let in: it could vote twice in a term, or help to elect a leader that lacks what was acknowledged. A member that
// is removed stays remembered: an id is never given to another store. A server that is no member has promised nothing, and may come with
// what it likes until it is one.
type stores struct {
	path string

	mu      sync.Mutex // guards what follows, and the file
	bound   map[raft.ServerID]store
	unsaved bool // bound knows of later starts than the file
	members map[raft.ServerID]bool
	seen    map[raft.ServerID]store // of servers that came when they were no members; the last store that they showed
}

// store is a member's data directory, and the newest start on it that is known.
type store struct {
	ID    string `json:"store"`
	Start uint64 `json:"start"`
	Mark  uint32 `json:"mark"` // random, of that start
}

// maxSeen bounds seen: anybody may come.
const maxSeen = 64

func openStores(dataDir string) (*stores, error) {
	s := &stores{
		path: filepath.Join(dataDir, storesName), bound: map[raft.ServerID]store{}, members: map[raft.ServerID]bool{}, seen: map[raft.ServerID]store{},
	}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remember the members' stores: %w", err)
	}
	if err := json.Unmarshal(text, &s.bound); err != nil {
		return nil, fmt.Errorf("remember the members' stores: %s is damaged: %w. Restore it; without it this node would let in "+
			"a member that has lost its log", s.path, err)
	}
	return s, nil
}

// enter says that a server is a member now. It does not wait for the disk.
func (s *stores) enter(peer raft.ServerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[peer] = true
}

// admit lets in a member with the store that it had before, or has first shown, if this start on it comes from the newest one that is known.
func (s *stores) admit(peer raft.ServerID, id, incarnation string) error {
	if id == "" {
		return fmt.Errorf("server %q does not say in which store it keeps its log", peer)
	}
	now, err := wal.ParseIncarnation(incarnation)
	if err != nil {
		return fmt.Errorf("server %q does not say which start on its store this is: %w", peer, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := store{ID: id, Start: now.Number, Mark: now.Newest()}
	switch known := s.bound[peer]; {
	case known == shown:
		return nil
	case known.ID == "" && !s.members[peer]:
		s.see(peer, shown)
		return nil
	case known.ID == "":
		return s.bind(peer, shown)
	case known.ID != id:
		return fmt.Errorf("server %q comes with store %s, but it had store %s: its data directory was lost or exchanged, or two processes "+
			"call themselves %q; it has forgotten its votes and what it acknowledged, so it may not take part. Give it back its data directory, or "+
			"remove it from the cluster and add a node with a new id in its place", peer, id, known.ID, peer)
	default:
		if err := known.precedes(now); err != nil {
			return fmt.Errorf("server %q comes with start %d on its data directory, %w", peer, now.Number, err)
		}
	}
	// If that cannot be written, on a full disk, it is tried again: a quorum must not hang on it.
	s.bound[peer] = shown
	s.unsaved = s.save() != nil
	return nil
}

// precedes tells why a start does not come from the newest one that is known.
func (known store) precedes(now wal.Incarnation) error {
	mark, shown := now.Mark(known.Start)
	switch {
	case shown && mark == known.Mark:
		return nil
	case !shown && now.Number > known.Start:
		return fmt.Errorf("and start %d is the newest known here: it shows no more than its last %d, so nobody can tell whether it is an older copy. "+
			"Remove it from the cluster and add a node with a new id in its place", known.Start, len(now.Marks))
	}
	return fmt.Errorf("but it had another start %d: this is an older copy that was put back, or two processes run on copies of one directory; "+
		"it has forgotten votes and what it acknowledged since, so it may not take part, however often it is started. Give it back its directory as it was last, or "+
		"remove it from the cluster and add a node with a new id in its place", known.Start)
}

// see remembers, while this process runs, which store a server has that is no member. It needs s.mu.
func (s *stores) see(peer raft.ServerID, shown store) {
	for other := range s.seen {
		if len(s.seen) < maxSeen {
			break
		}
		delete(s.seen, other)
	}
	s.seen[peer] = shown
}

// settle binds those who were let in before they were members, and are now, and writes what could not be written.
func (s *stores) settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved {
		if err := s.save(); err != nil {
			return err
		}
		s.unsaved = false
	}
	for peer, shown := range s.seen {
		if !s.members[peer] {
			continue
		}
		if s.bound[peer].ID == "" {
			if err := s.bind(peer, shown); err != nil {
				return err
			}
		}
		delete(s.seen, peer)
	}
	return nil
}

// run settles until ctx ends. What cannot be remembered now is tried again: until then the server's next connection tries too.
func (s *stores) run(ctx context.Context, log hclog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			err := s.settle()
			if err != nil && !told {
				log.Error("a member's directory may be exchanged unnoticed", "error", err)
			}
			told = err != nil
		}
	}
}

// bind remembers a store durably. It needs s.mu.
func (s *stores) bind(peer raft.ServerID, shown store) error {
	s.bound[peer] = shown
	if err := s.save(); err != nil {
		delete(s.bound, peer)
		return fmt.Errorf("the store of server %q cannot be remembered: %w", peer, err)
	}
	return nil
}

// save writes the file anew, so that a crash leaves the old one or the new one, durably. It needs s.mu.
func (s *stores) save() error {
	text, err := json.MarshalIndent(s.bound, "", "  ")
	if err != nil {
		return err
	}
	temporary := s.path + ".tmp"
	if err := writeSynced(temporary, append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(temporary, s.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

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
)

// storesName is the file in the data directory that remembers the other members' stores.
const storesName = "stores.json"

// stores remembers in which store each other member keeps its votes and its log: the first one that it showed as a member. A member that
// comes with another has lost what it promised, and is not let in: it could vote twice in a term, or help to elect a leader
// that lacks what was acknowledged. A member that is removed stays remembered: an id is never given to another store. A server that is no
// member has promised nothing, and may come with what it likes until it is one.
type stores struct {
	path string

	mu      sync.Mutex // guards what follows, and the file
	bound   map[raft.ServerID]string
	members map[raft.ServerID]bool
	seen    map[raft.ServerID]string // of servers that came when they were no members; the last store that they showed
}

// maxSeen bounds seen: anybody may come.
const maxSeen = 64

func openStores(dataDir string) (*stores, error) {
	s := &stores{
		path: filepath.Join(dataDir, storesName), bound: map[raft.ServerID]string{}, members: map[raft.ServerID]bool{}, seen: map[raft.ServerID]string{},
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

// admit lets in a member with the store that it had before, or has first shown.
func (s *stores) admit(peer raft.ServerID, store string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch known := s.bound[peer]; {
	case store == "":
		return fmt.Errorf("server %q does not say in which store it keeps its log", peer)
	case known == store:
		return nil
	case known != "":
		return fmt.Errorf("server %q comes with store %s, but it had store %s: its data directory was lost or exchanged, or two processes "+
			"call themselves %q; it has forgotten its votes and what it acknowledged, so it may not take part. Give it back its data directory, or "+
			"remove it from the cluster and add a node with a new id in its place", peer, store, known, peer)
	case !s.members[peer]:
		s.see(peer, store)
		return nil
	}
	return s.bind(peer, store)
}

// see remembers, while this process runs, which store a server has that is no member. It needs s.mu.
func (s *stores) see(peer raft.ServerID, store string) {
	for other := range s.seen {
		if len(s.seen) < maxSeen {
			break
		}
		delete(s.seen, other)
	}
	s.seen[peer] = store
}

// settle binds those who were let in before they were members, and are now.
func (s *stores) settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for peer, store := range s.seen {
		if !s.members[peer] {
			continue
		}
		if s.bound[peer] == "" {
			if err := s.bind(peer, store); err != nil {
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
				log.Error("a new member's directory may be exchanged unnoticed", "error", err)
			}
			told = err != nil
		}
	}
}

// bind remembers a store durably. It needs s.mu.
func (s *stores) bind(peer raft.ServerID, store string) error {
	s.bound[peer] = store
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

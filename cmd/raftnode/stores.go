package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/raftnode/raft/raft"
)

// storesName is the file in the data directory that remembers the other members' stores.
const storesName = "stores.json"

// stores remembers in which store each other member keeps its votes and its log: the first one that it showed. A member that comes
// with another has lost what it promised, and is not let in: it could vote twice in a term, or help to elect a leader
// that lacks what was acknowledged.
type stores struct {
	path string

	mu    sync.Mutex // guards what follows, and the file
	bound map[raft.ServerID]string
}

func openStores(dataDir string) (*stores, error) {
	s := &stores{path: filepath.Join(dataDir, storesName), bound: map[raft.ServerID]string{}}
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
			"call themselves %q; it has forgotten its votes and what it acknowledged, so it may not take part. Give it back its data directory", peer, store, known, peer)
	}
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

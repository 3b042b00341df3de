package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/cmd/internal/storefile"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/wal"
)

// stores remembers in which store each other member keeps its votes and its log, the first one that it showed as a member; and the newest
// start on it. A member that comes with another store has lost what it promised, and one whose start does not come from that one has an
// older copy of it. It is not let in: it could vote twice in a term, or help to elect a leader that lacks what was acknowledged. A member that
// is removed stays remembered: an id is never given to another store. A server that is no member has promised nothing, and may come with
// what it likes until it is one.
type stores struct {
	dir    string
	own    string                         // this node's store
	anchor func(peer raft.ServerID) error // makes durable that a peer took note of this node's start

	file sync.Mutex // whoever changes bound holds it until that is written; before mu

	mu      sync.Mutex // guards what follows; nobody waits for the disk under it
	bound   map[raft.ServerID]storefile.Member
	unsaved bool // bound knows of more than the file
	members map[raft.ServerID]bool
	seen    map[raft.ServerID]storefile.Member // of servers that came when they were no members; the last that they showed
	noted   map[raft.ServerID]bool             // peers that took note of this start, which is not anchored yet
	wake    chan struct{}                      // one token: somebody was noted
}

// maxSeen bounds seen: anybody may come.
const maxSeen = 64

// openStores reads what is remembered beside the log. On a new directory it makes the file; if that is missing on another, lost tells it: then the
// members' stores are bound anew as they come.
func openStores(dir string, own wal.Recovery, anchor func(raft.ServerID) error) (s *stores, lost bool, err error) {
	s = &stores{
		dir: dir, own: own.Store, anchor: anchor,
		members: map[raft.ServerID]bool{}, seen: map[raft.ServerID]storefile.Member{},
		noted: map[raft.ServerID]bool{}, wake: make(chan struct{}, 1),
	}
	s.bound, err = storefile.Read(dir, own.Store)
	if errors.Is(err, fs.ErrNotExist) {
		s.bound, s.unsaved = map[raft.ServerID]storefile.Member{}, true
		if err := s.settle(); err != nil && !wal.IsNoSpace(err) { // without room it is written later: nobody is bound before that is
			return nil, false, fmt.Errorf("remember the members' stores: %w", err)
		}
		return s, !own.NewDirectory, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("remember the members' stores: %w. `raftctl doctor --data-dir %s` says what to do", err, dir)
	}
	return s, false, nil
}

// was tells that a server was a member once: it is bound to a store.
func (s *stores) was(peer raft.ServerID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound[peer].Store != "" || s.members[peer]
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
	shown := storefile.Member{Store: id, Start: now.Number, Mark: now.Newest().Mark}
	if news, err := s.judge(peer, shown, now); err != nil || !news {
		return err
	}
	s.file.Lock()
	defer s.file.Unlock()
	if news, err := s.judge(peer, shown, now); err != nil || !news { // another connection of it was faster
		return err
	}
	s.mu.Lock()
	members := maps.Clone(s.bound)
	s.mu.Unlock()
	_, known := members[peer]
	members[peer] = shown
	err = storefile.Write(s.dir, s.own, members)
	if err != nil && !known {
		return fmt.Errorf("the store of server %q cannot be remembered: %w", peer, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A later start that cannot be written, on a full disk, is written later: a quorum must not hang on it.
	s.bound[peer], s.unsaved = shown, err != nil
	return nil
}

// admitEmpty tells a server that has no store yet whether it may have one: not if it had one before.
func (s *stores) admitEmpty(peer raft.ServerID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.bound[peer]
	if known.Store == "" {
		return nil
	}
	return fmt.Errorf("server %q comes without a store, but it had store %s: its data directory was lost or exchanged; it has forgotten its votes and "+
		"what it acknowledged, so it must not come back empty. Give it back its data directory, or remove it from the cluster and add a node with a new id in its place",
		peer, known.Store)
}

// judge tells whether a member may come with that start, and whether something new was learned that must be saved.
func (s *stores) judge(peer raft.ServerID, shown storefile.Member, now wal.Incarnation) (news bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch known := s.bound[peer]; {
	case known == shown:
		return false, nil
	case known.Store == "" && !s.members[peer]:
		s.see(peer, shown)
		return false, nil
	case known.Store == "":
		return true, nil
	case known.Store != shown.Store:
		return false, fmt.Errorf("server %q comes with store %s, but it had store %s: its data directory was lost or exchanged, or two processes "+
			"call themselves %q; it has forgotten its votes and what it acknowledged, so it may not take part. Give it back its data directory, or "+
			"remove it from the cluster and add a node with a new id in its place", peer, shown.Store, known.Store, peer)
	default:
		if err := precedes(known, now); err != nil {
			return false, fmt.Errorf("server %q comes with start %d on its data directory, %w", peer, now.Number, err)
		}
		return true, nil
	}
}

// precedes tells why a start does not come from the newest one that is known.
func precedes(known storefile.Member, now wal.Incarnation) error {
	has, sure := now.Has(wal.Start{Number: known.Start, Mark: known.Mark})
	switch {
	case has:
		return nil
	case !sure:
		return fmt.Errorf("and start %d is the newest known here: it shows no more than its last %d, so nobody can tell whether it is an older copy. "+
			"Remove it from the cluster and add a node with a new id in its place", known.Start, len(now.Marks))
	}
	return fmt.Errorf("but it had another start %d: this is an older copy that was put back, or two processes run on copies of one directory; "+
		"it has forgotten votes and what it acknowledged since, so it may not take part, however often it is started. Give it back its directory as it was last, or "+
		"remove it from the cluster and add a node with a new id in its place", known.Start)
}

// see remembers, while this process runs, which store a server has that is no member. It needs s.mu.
func (s *stores) see(peer raft.ServerID, shown storefile.Member) {
	for other := range s.seen {
		if len(s.seen) < maxSeen {
			break
		}
		delete(s.seen, other)
	}
	s.seen[peer] = shown
}

// note says that a peer took note of this node's start: it let this node in. It does not wait for the disk.
func (s *stores) note(peer raft.ServerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted[peer] = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// settle binds those who were let in before they were members, and are now; writes what could not be written; and anchors this start.
func (s *stores) settle() error {
	errs := []error{s.bindNewMembers()}
	s.mu.Lock()
	noted := s.noted
	s.noted = map[raft.ServerID]bool{}
	s.mu.Unlock()
	for peer := range noted {
		if err := s.anchor(peer); err != nil {
			errs = append(errs, err)
			s.mu.Lock()
			s.noted[peer] = true // for the next time, which is not at once
			s.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

func (s *stores) bindNewMembers() error {
	s.file.Lock()
	defer s.file.Unlock()
	s.mu.Lock()
	for peer, shown := range s.seen {
		if !s.members[peer] {
			continue
		}
		if s.bound[peer].Store == "" {
			s.bound[peer], s.unsaved = shown, true
		}
		delete(s.seen, peer)
	}
	unsaved, members := s.unsaved, maps.Clone(s.bound)
	s.mu.Unlock()
	if !unsaved {
		return nil
	}
	if err := storefile.Write(s.dir, s.own, members); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = false
	return nil
}

// run settles until ctx ends, and once more then. What cannot be remembered now is tried again: until then the server's next connection tries too.
func (s *stores) run(ctx context.Context, log hclog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	told := false
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-s.wake:
		case <-ticker.C:
		}
		err := s.settle()
		if err != nil && !told {
			log.Error("a member's directory may be exchanged unnoticed", "error", err)
		}
		told = err != nil
	}
}

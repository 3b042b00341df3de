package kv

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/raftnode/raft/raft"
)

// ResultCode is what became of a command. The numbers are remembered in sessions on all servers.
type ResultCode uint8

// What can become of a command. All but Done mean that no key was changed.
const (
	Done           ResultCode = 0
	ConditionFalse ResultCode = 1 // the Condition did not hold
	ValueTooLarge  ResultCode = 2 // the value would have exceeded MaxValueBytes after the append
	SessionUnknown ResultCode = 3 // the client is not in the session table and Seq is not 1
	SessionStale   ResultCode = 4 // Seq is below the client's last one
	BadCommand     ResultCode = 5 // the bytes are not a command that this program knows
)

// Result is what the Store returns for a command. Index and Term are those of the command in the log; for a
// repeat those of the first time.
type Result struct {
	Code    ResultCode
	Index   raft.Index
	Term    raft.Term
	Version raft.Index // with ConditionFalse: the key's version, 0 if it is not there
}

// Item is the value of a key.
type Item struct {
	Value   []byte     // shared with the Store: not to be written to
	Version raft.Index // the index that last changed the key
}

// Position is how far a Store has applied the log.
type Position struct {
	Index raft.Index
	Term  raft.Term
}

// Entry is one key in a list.
type Entry struct {
	Key     string
	Version raft.Index
	Size    int // of the value, in bytes
}

// Store is the state machine. Apply is for one goroutine, everything else for any.
type Store struct {
	mu       sync.RWMutex // a leaf: nothing is sent or awaited under it
	items    items
	sessions *sessions
	applied  Position
}

var _ raft.Snapshotter = (*Store)(nil)

// NewStore makes an empty Store.
func NewStore() *Store { return newStore(MaxSessions) }

func newStore(maxSessions int) *Store {
	return &Store{sessions: newSessions(maxSessions)}
}

// Apply applies committed commands and returns a *Result for each.
func (s *Store) Apply(commands []raft.Command) []any {
	slab := make([]Result, len(commands)) // one piece of memory for all, to which the answers point
	results := make([]any, len(commands))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range commands {
		slab[i] = s.apply(&commands[i])
		results[i] = &slab[i]
	}
	if n := len(commands); n > 0 {
		s.applied = Position{Index: commands[n-1].Index, Term: commands[n-1].Term}
	}
	return results
}

func (s *Store) apply(command *raft.Command) Result {
	here := Result{Index: command.Index, Term: command.Term}
	encoded, _ := command.Value.([]byte) // anything else is not a command either
	c, err := Parse(encoded)
	if err != nil {
		here.Code = BadCommand
		return here
	}
	if len(c.Client) > 0 {
		if result, known := s.sessions.repeated(c.Client, c.Seq); known {
			if result.Index == 0 { // a refusal of this very command, not an earlier answer
				result.Index, result.Term = here.Index, here.Term
			}
			return result
		}
	}
	here.Code, here.Version = s.do(&c, command.Index)
	if len(c.Client) > 0 {
		s.sessions.remember(c.Client, c.Seq, here)
	}
	return here
}

// do changes the one key, or says why not.
func (s *Store) do(c *View, index raft.Index) (code ResultCode, version raft.Index) {
	at, exists := find(&s.items, c.Key)
	var old Item
	if exists {
		old = s.items.at(at)
	}
	if !c.If.holds(old, exists) {
		return ConditionFalse, old.Version
	}
	item := Item{Version: index}
	switch c.Op {
	case Put:
		// A copy: c.Value is a piece of the log, whose memory is not ours to keep.
		item.Value = slices.Clone(c.Value)
	case Append:
		if len(old.Value)+len(c.Value) > MaxValueBytes {
			return ValueTooLarge, 0
		}
		// Readers may hold old.Value. It is not written to: what append adds in place lies behind its end.
		item.Value = append(old.Value, c.Value...)
	case Delete:
		if exists {
			s.items.removeAt(at)
		}
		return Done, 0
	}
	if exists {
		s.items.setAt(at, item)
	} else {
		s.items.insertAt(at, string(c.Key), item)
	}
	return Done, 0
}

func (c Condition) holds(old Item, exists bool) bool {
	switch c.Kind {
	case Always:
		return true
	case IfVersion:
		return exists && old.Version == c.Version
	case IfExists:
		return exists
	case IfAbsent:
		return !exists
	}
	panic("kv: a condition that Validate let through")
}

// Applied tells how far the log was applied: the last command given to Apply.
func (s *Store) Applied() Position {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.applied
}

// Get gives the key's value, and how far the log was applied when it had it.
func (s *Store) Get(key string) (item Item, at Position, found bool) { return get(s, key) }

// GetBytes is Get for a key that is no string.
func (s *Store) GetBytes(key []byte) (item Item, at Position, found bool) { return get(s, key) }

func get[K string | []byte](s *Store, key K) (item Item, at Position, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	where, found := find(&s.items, key)
	if found {
		item = s.items.at(where)
	}
	item.Value = slices.Clip(item.Value)
	return item, s.applied, found
}

// List gives in order up to limit keys that begin with prefix and come behind after ("": all), whether there
// are more, and how far the log was applied.
func (s *Store) List(prefix, after string, limit int) (entries []Entry, more bool, at Position) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.items.from(max(prefix, after), func(key string, item Item) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		if key == after {
			return true
		}
		if len(entries) == limit {
			more = true
			return false
		}
		entries = append(entries, Entry{Key: key, Version: item.Version, Size: len(item.Value)})
		return true
	})
	return entries, more, s.applied
}

// Digest sums up the whole state: two Stores that applied the same log have the same. It reads
// everything: it is for tests and comparisons, not for every day.
func (s *Store) Digest() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := sha256.New()
	number := func(n uint64) { h.Write(binary.BigEndian.AppendUint64(nil, n)) }
	text := func(b []byte) { number(uint64(len(b))); h.Write(b) }
	s.items.from("", func(key string, item Item) bool {
		text([]byte(key))
		text(item.Value)
		number(uint64(item.Version))
		return true
	})
	number(uint64(s.items.count))
	for e := s.sessions.used.Front(); e != nil; e = e.Next() {
		session := e.Value.(*session)
		text([]byte(session.client))
		number(session.seq)
		text(fmt.Append(nil, session.result))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

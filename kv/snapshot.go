package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/raftnode/raft/raft"
)

// SnapshotVersion is the first byte of every snapshot.
const SnapshotVersion = 1

// frozen is the state of a Store at one moment.
type frozen struct {
	applied  Position
	items    items
	limit    int       // of sessions
	sessions []session // in the order in which they will be forgotten
}

// Snapshot takes the state as it is now. The function encodes it; it may be called later, by another goroutine, while the Store goes on. Two
// Stores that applied the same commands give the same bytes:
//
//	byte     SnapshotVersion
//	uvarint  index and
//	uvarint  term of the last command that was applied; 0 and 0 if there was none
//	uvarint  how many sessions are remembered at most
//	uvarint  number of keys; for each, in their order:
//	           string   key
//	           uvarint  version
//	           string   value
//	uvarint  number of sessions; for each, beginning with the one that will be forgotten first:
//	           string   client
//	           uvarint  sequence number
//	           byte     ResultCode
//	           uvarint  the Result's Index
//	           uvarint  Term
//	           uvarint  Version
//
// where a string is its length as uvarint and then its bytes, and a uvarint has no more bytes than it needs. Nothing follows. There is
// no checksum: whoever keeps a snapshot has one.
func (s *Store) Snapshot() (encode func() ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &frozen{applied: s.applied, items: s.items.freeze(), limit: s.sessions.limit, sessions: s.sessions.copy()}
	return f.encode
}

func (f *frozen) encode() ([]byte, error) {
	b := make([]byte, 0, f.size())
	b = append(b, SnapshotVersion)
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	number(uint64(f.applied.Index))
	number(uint64(f.applied.Term))
	number(uint64(f.limit))
	number(uint64(f.items.count))
	f.items.from("", func(key string, item Item) bool {
		b = appendString(b, key)
		number(uint64(item.Version))
		b = appendString(b, item.Value)
		return true
	})
	number(uint64(len(f.sessions)))
	for i := range f.sessions {
		s := &f.sessions[i]
		b = appendString(b, s.client)
		number(s.seq)
		b = append(b, byte(s.result.Code))
		number(uint64(s.result.Index))
		number(uint64(s.result.Term))
		number(uint64(s.result.Version))
	}
	return b, nil
}

// size is how long the encoding gets, or a little more: growing something that large would take its memory twice.
func (f *frozen) size() int {
	uvarint := func(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }
	size := 1 + 5*binary.MaxVarintLen64
	f.items.from("", func(key string, item Item) bool {
		size += uvarint(uint64(len(key))) + len(key) + uvarint(uint64(item.Version)) + uvarint(uint64(len(item.Value))) + len(item.Value)
		return true
	})
	for i := range f.sessions {
		size += 2 + len(f.sessions[i].client) + 1 + 4*binary.MaxVarintLen64
	}
	return size
}

// Restore makes the Store what it was when the snapshot was taken, which ends at that place of the log. It keeps nothing
// of the snapshot's memory. It refuses what Snapshot would not have written, and then changes nothing.
func (s *Store) Restore(snapshot []byte, at raft.Index, term raft.Term) error {
	f, err := decodeSnapshot(snapshot)
	if err != nil {
		return fmt.Errorf("kv: restore: %w", err)
	}
	if f.applied.Index > at || f.applied.Term > term {
		return fmt.Errorf("kv: restore: the snapshot has applied index %d of term %d, but it should end at index %d of term %d",
			f.applied.Index, f.applied.Term, at, term)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.limit != s.sessions.limit {
		return fmt.Errorf("kv: restore: the snapshot is of a store that remembers %d sessions, and this one remembers %d: "+
			"all servers must run a release with the same limit", f.limit, s.sessions.limit)
	}
	sessions := newSessions(f.limit)
	for i := range f.sessions {
		sessions.add(&f.sessions[i])
	}
	s.items, s.sessions, s.applied = f.items, sessions, f.applied
	return nil
}

var errSnapshot = errors.New("the bytes are not a snapshot of a store, or not all of one")

// decodeSnapshot is the inverse of encode.
func decodeSnapshot(b []byte) (*frozen, error) {
	if len(b) == 0 {
		return nil, errSnapshot
	}
	if b[0] != SnapshotVersion {
		return nil, fmt.Errorf("the snapshot has version %d; this program knows version %d", b[0], SnapshotVersion)
	}
	r := &reader{rest: b[1:], minimal: true}
	f := &frozen{applied: Position{Index: raft.Index(r.uvarint()), Term: raft.Term(r.uvarint())}}
	limit := r.uvarint()
	if r.bad || (f.applied.Index == 0) != (f.applied.Term == 0) || limit > math.MaxInt32 {
		return nil, errSnapshot
	}
	f.limit = int(limit)
	if err := f.decodeItems(r); err != nil {
		return nil, err
	}
	if err := f.decodeSessions(r); err != nil {
		return nil, err
	}
	if len(r.rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow its end", errSnapshot, len(r.rest))
	}
	return f, nil
}

// decodeItems takes the keys as they come. Nothing is made room for because of their number.
func (f *frozen) decodeItems(r *reader) error {
	last := ""
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		key := string(r.bytes(MaxKeyBytes))
		version := raft.Index(r.uvarint())
		value := r.bytes(MaxValueBytes)
		switch {
		case r.bad:
		case key <= last: // a key is not empty, either
			return fmt.Errorf("%w: key %.50q stands behind %.50q", errSnapshot, key, last)
		case version == 0 || version > f.applied.Index:
			return fmt.Errorf("%w: key %.50q has version %d, and index %d was applied last", errSnapshot, key, version, f.applied.Index)
		default:
			f.items.append(key, Item{Value: slices.Clone(value), Version: version})
			last = key
		}
	}
	if r.bad {
		return errSnapshot
	}
	return nil
}

func (f *frozen) decodeSessions(r *reader) error {
	n := r.uvarint()
	if n > uint64(f.limit) {
		return fmt.Errorf("%w: it has %d sessions, and there can be %d", errSnapshot, n, f.limit)
	}
	seen := map[string]bool{}
	for ; n > 0 && !r.bad; n-- {
		s := session{client: string(r.bytes(MaxClientIDBytes)), seq: r.uvarint()}
		s.result = Result{Code: ResultCode(r.byte()), Index: raft.Index(r.uvarint()), Term: raft.Term(r.uvarint()), Version: raft.Index(r.uvarint())}
		switch {
		case r.bad:
		case seen[s.client] || !f.possible(&s):
			return fmt.Errorf("%w: the session of client %q is none", errSnapshot, s.client)
		default:
			seen[s.client] = true
			f.sessions = append(f.sessions, s)
		}
	}
	if r.bad {
		return errSnapshot
	}
	return nil
}

// possible tells whether a Store that applied so much could remember s.
func (f *frozen) possible(s *session) bool {
	if s.client == "" || checkClient(s.client, s.seq) != nil {
		return false
	}
	result := s.result
	if result.Index == 0 || result.Index > f.applied.Index || result.Term == 0 || result.Term > f.applied.Term {
		return false
	}
	switch result.Code {
	case Done, ValueTooLarge:
		return result.Version == 0
	case ConditionFalse:
		return result.Version < result.Index
	}
	return false // such an answer is not remembered
}

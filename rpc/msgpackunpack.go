package rpc

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/raftnode/raft/raft/consensus"
)

// unpacker takes a payload apart. Once something is wrong, err says what, nothing is left, and all that is read is zero.
type unpacker struct {
	payload []byte
	at      int // payload[at:] is left
	err     error
}

// minEntryBytes is the shortest entry: the array's head, term and kind of one byte each, and nil.
const minEntryBytes = 4

var errEndsEarly = errors.New("the payload ends in the middle of a message")

func (u *unpacker) fail(err error) {
	if u.err == nil {
		u.err = err
	}
	u.at = len(u.payload)
}

func (u *unpacker) left() int { return len(u.payload) - u.at }

// end tells what was wrong, bytes behind the message among it.
func (u *unpacker) end() error {
	if u.err == nil && u.left() != 0 {
		u.err = fmt.Errorf("%d bytes are left behind the message", u.left())
	}
	return u.err
}

func (u *unpacker) appendEntries() *consensus.AppendEntries {
	u.array(appendEntriesFields)
	m := &consensus.AppendEntries{
		Header:       consensus.Header{Term: consensus.Term(u.uint())},
		PrevLogIndex: consensus.Index(u.uint()),
		PrevLogTerm:  consensus.Term(u.uint()),
		LeaderCommit: consensus.Index(u.uint()),
		Round:        u.uint(),
	}
	m.Entries = u.entries(m.PrevLogIndex)
	return m
}

// entries gives the entries behind prev, nil if there are none.
func (u *unpacker) entries(prev consensus.Index) []consensus.Entry {
	n := u.arrayLen()
	if n == 0 {
		return nil
	}
	// Before anything is allocated: each takes some bytes of what is there.
	if n > uint64(u.left()/minEntryBytes) {
		u.fail(errEndsEarly)
		return nil
	}
	entries := make([]consensus.Entry, n)
	for i := range entries {
		e := &entries[i]
		u.array(entryFields)
		e.Index = prev + 1 + consensus.Index(i)
		e.Term = consensus.Term(u.uint())
		e.Kind = consensus.EntryKind(u.uintUpTo(math.MaxUint8))
		if e.Data = u.bytes(); u.err != nil {
			return nil
		}
	}
	own(entries)
	return entries
}

func (u *unpacker) appendEntriesReply() *consensus.AppendEntriesReply {
	u.array(appendEntriesReplyFields)
	return &consensus.AppendEntriesReply{
		Header:        consensus.Header{Term: consensus.Term(u.uint())},
		Success:       u.bool(),
		MatchIndex:    consensus.Index(u.uint()),
		PrevLogIndex:  consensus.Index(u.uint()),
		Round:         u.uint(),
		ConflictIndex: consensus.Index(u.uint()),
		ConflictTerm:  consensus.Term(u.uint()),
		NoSpace:       u.bool(),
	}
}

func (u *unpacker) readIndex() *consensus.ReadIndex {
	u.array(readIndexFields)
	return &consensus.ReadIndex{Header: consensus.Header{Term: consensus.Term(u.uint())}, ID: u.uint()}
}

func (u *unpacker) readIndexReply() *consensus.ReadIndexReply {
	u.array(readIndexReplyFields)
	return &consensus.ReadIndexReply{
		Header:  consensus.Header{Term: consensus.Term(u.uint())},
		ID:      u.uint(),
		Index:   consensus.Index(u.uint()),
		Refused: u.bool(),
	}
}

func (u *unpacker) installSnapshot() *consensus.InstallSnapshot {
	u.array(installSnapshotFields)
	m := &consensus.InstallSnapshot{
		Header:       consensus.Header{Term: consensus.Term(u.uint())},
		LastIncluded: consensus.Position{Index: consensus.Index(u.uint()), Term: consensus.Term(u.uint())},
	}
	config := u.bytes()
	m.Offset = u.uint()
	m.Data = u.bytes()
	m.Checksum = uint32(u.uintUpTo(math.MaxUint32))
	m.Done = u.bool()
	m.Round = u.uint()
	if u.err != nil {
		return m
	}
	var err error
	if m.Config, err = consensus.DecodeConfiguration(config); err != nil {
		u.fail(err)
	}
	m.Data = slices.Clone(m.Data)
	return m
}

// take gives the next n bytes, a view into the payload.
func (u *unpacker) take(n uint64) []byte {
	if n > uint64(u.left()) {
		u.fail(errEndsEarly)
		return nil
	}
	end := u.at + int(n)
	b := u.payload[u.at:end:end]
	u.at = end
	return b
}

func (u *unpacker) byte() byte {
	if u.at >= len(u.payload) {
		u.fail(errEndsEarly)
		return 0
	}
	b := u.payload[u.at]
	u.at++
	return b
}

// big gives a number of 1, 2, 4 or 8 bytes, for width 0, 1, 2 and 3. It refuses one that is below least, for which there is a shorter spelling.
func (u *unpacker) big(width byte, least uint64) uint64 {
	var n uint64
	for _, b := range u.take(1 << width) {
		n = n<<8 | uint64(b)
	}
	if n < least {
		u.fail(errNotCanonical)
		return 0
	}
	return n
}

func (u *unpacker) uint() uint64 {
	switch b := u.byte(); b {
	case packUint8:
		return u.big(0, math.MaxInt8+1)
	case packUint8 + 1:
		return u.big(1, math.MaxUint8+1)
	case packUint8 + 2:
		return u.big(2, math.MaxUint16+1)
	case packUint8 + 3:
		return u.big(3, math.MaxUint32+1)
	default:
		if b > math.MaxInt8 {
			u.fail(fmt.Errorf("%#x where a number should begin", b))
			return 0
		}
		return uint64(b)
	}
}

func (u *unpacker) uintUpTo(most uint64) uint64 {
	n := u.uint()
	if n > most {
		u.fail(fmt.Errorf("the number %d is above %d", n, most))
		return 0
	}
	return n
}

func (u *unpacker) bool() bool {
	b := u.byte()
	if b != packFalse && b != packTrue {
		u.fail(fmt.Errorf("%#x where true or false should be", b))
	}
	return b == packTrue
}

// bytes gives bytes or nil, a view into the payload.
func (u *unpacker) bytes() []byte {
	switch b := u.byte(); b {
	case packNil:
		return nil
	case packBin8:
		return u.take(u.big(0, 0))
	case packBin8 + 1:
		return u.take(u.big(1, math.MaxUint8+1))
	case packBin8 + 2:
		return u.take(u.big(2, math.MaxUint16+1))
	default:
		u.fail(fmt.Errorf("%#x where bytes should begin", b))
		return nil
	}
}

// array reads the head of an array of exactly n fields.
func (u *unpacker) array(n byte) {
	if b := u.byte(); b != packFixArray+n {
		u.fail(fmt.Errorf("%#x where an array of %d should begin", b, n))
	}
}

// arrayLen reads the head of an array of any length.
func (u *unpacker) arrayLen() uint64 {
	switch b := u.byte(); b {
	case packArray16:
		return u.big(1, 16)
	case packArray32:
		return u.big(2, math.MaxUint16+1)
	default:
		if b < packFixArray || b > packFixArray+15 {
			u.fail(fmt.Errorf("%#x where an array should begin", b))
			return 0
		}
		return uint64(b - packFixArray)
	}
}

package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/raftnode/raft/raft/consensus"
)

// MaxEntryBytes is the largest Data of an entry that Save accepts, and that
// recovery believes in.
const MaxEntryBytes = 64 << 20

const (
	maxIDBytes       = 1024 // of a cluster's or node's name
	checksumBytes    = 4
	minPayloadBytes  = checksumBytes + 1 + 1 + 1
	maxOverheadBytes = maxRunHead + maxEntryHead
	maxPayloadBytes  = MaxEntryBytes + maxOverheadBytes
)

// recordType tells what a record's body is. The numbers are on disk.
type recordType uint8

const (
	recordHard    recordType = 1 // term, vote
	recordEntries recordType = 2 // consecutive entries: see run
	recordMark    recordType = 3 // commit; written behind an fsync, so that Back says what it made durable
	// recordSnapshot makes a snapshot count whose file is on stable storage, and moves the base.
	recordSnapshot recordType = 4
	recordStart    recordType = 5 // the first of each segment: what all records before it add up to
)

func (t recordType) String() string {
	switch t {
	case recordHard:
		return "hard"
	case recordEntries:
		return "entries"
	case recordMark:
		return "mark"
	case recordSnapshot:
		return "snapshot"
	case recordStart:
		return "start"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// record is one record: checksum, type, seq, back, body.
type record struct {
	kind recordType
	seq  uint64 // the place in the log of records, from 1, never reused
	// back is how far behind seq the last record lies that was known to be fsynced
	// when this one was written: it tells a torn write from rot.
	back    uint64
	hard    consensus.HardState // of recordHard
	entries []consensus.Entry   // of recordEntries: at least one
	commit  consensus.Index     // of recordMark
	marker  marker              // of recordSnapshot
	start   start               // of recordStart
}

// marker says that a snapshot counts: its file is whole and durable.
type marker struct {
	consensus.Position                    // of the snapshot
	base               consensus.Position // the place before the first entry of the log
	installed          bool               // nothing remains of the log before
	file               fileSum
}

// start is where a segment begins: with it, replay needs nothing of the segments before but the entries behind the base.
type start struct {
	hard     consensus.HardState
	last     consensus.Position // of the log
	commit   consensus.Index    // highest that is on record
	snapshot marker             // the newest; zero if there is none
}

// add makes r, which is no entries, a part of the sum.
func (s *start) add(r *record) {
	switch r.kind {
	case recordHard:
		s.hard = r.hard
	case recordMark:
		s.commit = max(s.commit, r.commit)
	case recordSnapshot:
		s.snapshot = r.marker
		s.commit = max(s.commit, r.marker.Index)
		if r.marker.installed {
			s.last = r.marker.Position
		}
	}
}

// String is for who reads an error.
func (s start) String() string {
	return fmt.Sprintf("term %d, vote for %q, last entry %d of term %d, commitIndex %d, snapshot at %d of term %d with base %d",
		s.hard.Term, s.hard.VotedFor, s.last.Index, s.last.Term, s.commit, s.snapshot.Index, s.snapshot.Term, s.snapshot.base.Index)
}

// check tells whether the parts fit together.
func (s *start) check() error {
	m := &s.snapshot
	if m.base.Index > m.Index || m.Index > s.last.Index || s.commit > s.last.Index || s.last.Term > s.hard.Term {
		return fmt.Errorf("a segment that begins with an impossible state: %s", s)
	}
	return nil
}

// synced is the last record that was known to be on stable storage when r was written.
func (r *record) synced() uint64 { return r.seq - r.back }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// salt is what a store mixes into the checksum of each of its records, so that a record of another
// store does not verify. XOR keeps it recognisable: see impliedSalt.
type salt uint32

// appendRecord encodes r behind dst. For entries there is run.
func (s salt) appendRecord(dst []byte, r *record) []byte {
	start := len(dst)
	dst = appendHead(dst, r.kind, r.seq, r.back)
	switch r.kind {
	case recordHard:
		dst = binary.AppendUvarint(dst, uint64(r.hard.Term))
		dst = append(dst, r.hard.VotedFor...)
	case recordMark:
		dst = binary.AppendUvarint(dst, uint64(r.commit))
	case recordSnapshot:
		dst = appendMarker(dst, &r.marker)
	case recordStart:
		dst = binary.AppendUvarint(dst, uint64(r.start.hard.Term))
		dst = appendPosition(dst, r.start.last)
		dst = binary.AppendUvarint(dst, uint64(r.start.commit))
		dst = appendMarker(dst, &r.start.snapshot)
		dst = append(dst, r.start.hard.VotedFor...)
	}
	s.seal(dst[start:])
	return dst
}

// appendHead begins a record, with room for its checksum.
func appendHead(dst []byte, kind recordType, seq, back uint64) []byte {
	dst = append(dst, 0, 0, 0, 0, byte(kind))
	return binary.AppendUvarint(binary.AppendUvarint(dst, seq), back)
}

// seal puts the checksum into its room.
func (s salt) seal(payload []byte) {
	binary.LittleEndian.PutUint32(payload, crc32.Checksum(payload[checksumBytes:], castagnoli)^uint32(s))
}

func appendPosition(dst []byte, p consensus.Position) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p.Index)), uint64(p.Term))
}

func appendMarker(dst []byte, m *marker) []byte {
	installed := byte(0)
	if m.installed {
		installed = 1
	}
	dst = append(appendPosition(appendPosition(dst, m.Position), m.base), installed)
	return binary.AppendUvarint(binary.AppendUvarint(dst, m.file.bytes), uint64(m.file.checksum))
}

// impliedSalt is the salt with which payload's checksum is right. It holds at least minPayloadBytes.
func impliedSalt(payload []byte) salt {
	return salt(binary.LittleEndian.Uint32(payload) ^ crc32.Checksum(payload[checksumBytes:], castagnoli))
}

// verify tells whether payload is as this store wrote it.
func (s salt) verify(payload []byte) bool {
	return len(payload) >= minPayloadBytes && impliedSalt(payload) == s
}

// decodeRecord decodes a payload whose checksum was verified. Entries are put into spare, which is empty, as far as it has room. Their Data are parts of
// payload, which must not be changed any more. An error means that another program version wrote this.
func decodeRecord(payload []byte, spare []consensus.Entry) (record, error) {
	d := decoder{rest: payload[checksumBytes:]}
	r := record{kind: recordType(d.byte()), seq: d.uvarint(), back: d.uvarint()}
	switch r.kind {
	case recordHard:
		r.hard.Term = consensus.Term(d.uvarint())
		r.hard.VotedFor = consensus.ServerID(d.rest)
		d.rest = nil
	case recordEntries:
		r.entries = d.entries(spare)
	case recordMark:
		r.commit = consensus.Index(d.uvarint())
	case recordSnapshot:
		r.marker = d.marker()
	case recordStart:
		r.start.hard.Term = consensus.Term(d.uvarint())
		r.start.last, r.start.commit, r.start.snapshot = d.position(), consensus.Index(d.uvarint()), d.marker()
		r.start.hard.VotedFor = consensus.ServerID(d.rest)
		d.rest = nil
	default:
		return record{}, fmt.Errorf("a record of unknown type %d: it needs a newer version of this program", r.kind)
	}
	switch {
	case d.bad || len(d.rest) > 0:
		return record{}, errors.New("a record whose checksum is right but whose fields do not fit it")
	case r.seq == 0 || r.back == 0 || r.back > r.seq:
		return record{}, fmt.Errorf("a record numbered %d that says %d records were not yet synced", r.seq, r.back)
	}
	return r, nil
}

// decoder takes fields from the front of rest. After the first that does not fit, bad is set.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.bad = true
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	// The shortest form only, so that each record has one encoding.
	if n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) position() consensus.Position {
	return consensus.Position{Index: consensus.Index(d.uvarint()), Term: consensus.Term(d.uvarint())}
}

func (d *decoder) marker() marker {
	m := marker{Position: d.position(), base: d.position()}
	installed := d.byte()
	m.installed = installed == 1
	bytes, checksum := d.uvarint(), d.uvarint()
	m.file = fileSum{bytes: bytes, checksum: uint32(checksum)}
	d.bad = d.bad || installed > 1 || checksum > math.MaxUint32
	return m
}

// frameBytes is what a payload of n bytes takes in a segment file: tidwall/wal puts the
// length before it, as a uvarint.
func frameBytes(n int) int64 {
	var buf [binary.MaxVarintLen64]byte
	return int64(binary.PutUvarint(buf[:], uint64(n)) + n)
}

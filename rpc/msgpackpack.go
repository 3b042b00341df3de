package rpc

import (
	"encoding/binary"
	"math"

	"github.com/raftnode/raft/raft/consensus"
)

// The messages that are sent all the time, straight from and to msgpack. Each is the array of the fields of its wire struct, and what is
// written is, byte for byte, what go-msgpack writes for that struct: a test compares them, and a fuzzer what they read.
//
// msgpack has several spellings for most values. Only the shortest is written, and no other is read.

// The first bytes of the values that messages are made of.
const (
	packFixArray = 0x90 // + length, up to 15
	packNil      = 0xc0
	packFalse    = 0xc2
	packTrue     = 0xc3
	packBin8     = 0xc4 // and for 2 and 4 bytes of length the two behind it
	packUint8    = 0xcc // and for 2, 4 and 8 bytes the three behind it
	packArray16  = 0xdc
	packArray32  = 0xdd
)

// How many fields the structs have.
const (
	appendEntriesFields      = 6
	entryFields              = 3
	appendEntriesReplyFields = 8
	installSnapshotFields    = 9
	readIndexFields          = 2
	readIndexReplyFields     = 4
)

func packAppendEntries(dst []byte, m *consensus.AppendEntries) []byte {
	dst = append(dst, packFixArray+appendEntriesFields)
	dst = packUint(dst, uint64(m.Term))
	dst = packUint(dst, uint64(m.PrevLogIndex))
	dst = packUint(dst, uint64(m.PrevLogTerm))
	dst = packUint(dst, uint64(m.LeaderCommit))
	dst = packUint(dst, m.Round)
	dst = packArray(dst, len(m.Entries))
	for i := range m.Entries {
		e := &m.Entries[i]
		dst = append(dst, packFixArray+entryFields)
		dst = packUint(dst, uint64(e.Term))
		dst = packUint(dst, uint64(e.Kind))
		dst = packBytes(dst, e.Data)
	}
	return dst
}

func packAppendEntriesReply(dst []byte, m *consensus.AppendEntriesReply) []byte {
	dst = append(dst, packFixArray+appendEntriesReplyFields)
	dst = packUint(dst, uint64(m.Term))
	dst = packBool(dst, m.Success)
	dst = packUint(dst, uint64(m.MatchIndex))
	dst = packUint(dst, uint64(m.PrevLogIndex))
	dst = packUint(dst, m.Round)
	dst = packUint(dst, uint64(m.ConflictIndex))
	dst = packUint(dst, uint64(m.ConflictTerm))
	return packBool(dst, m.NoSpace)
}

func packInstallSnapshot(dst []byte, m *consensus.InstallSnapshot) []byte {
	dst = append(dst, packFixArray+installSnapshotFields)
	dst = packUint(dst, uint64(m.Term))
	dst = packUint(dst, uint64(m.LastIncluded.Index))
	dst = packUint(dst, uint64(m.LastIncluded.Term))
	dst = packBytes(dst, m.Config.Encode())
	dst = packUint(dst, m.Offset)
	dst = packBytes(dst, m.Data)
	dst = packUint(dst, uint64(m.Checksum))
	dst = packBool(dst, m.Done)
	return packUint(dst, m.Round)
}

func packReadIndex(dst []byte, m *consensus.ReadIndex) []byte {
	dst = append(dst, packFixArray+readIndexFields)
	dst = packUint(dst, uint64(m.Term))
	return packUint(dst, m.ID)
}

func packReadIndexReply(dst []byte, m *consensus.ReadIndexReply) []byte {
	dst = append(dst, packFixArray+readIndexReplyFields)
	dst = packUint(dst, uint64(m.Term))
	dst = packUint(dst, m.ID)
	dst = packUint(dst, uint64(m.Index))
	return packBool(dst, m.Refused)
}

func packUint(dst []byte, n uint64) []byte {
	switch {
	case n <= math.MaxInt8:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, packUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, packUint8+1), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, packUint8+2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packUint8+3), n)
}

func packBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, packTrue)
	}
	return append(dst, packFalse)
}

// packBytes appends bytes, or nil. More than 4 GiB cannot be written; they would be over the limit of a frame by far.
func packBytes(dst, b []byte) []byte {
	switch n := len(b); {
	case b == nil:
		return append(dst, packNil)
	case n <= math.MaxUint8:
		dst = append(dst, packBin8, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, packBin8+1), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, packBin8+2), uint32(n))
	}
	return append(dst, b...)
}

func packArray(dst []byte, n int) []byte {
	switch {
	case n <= 15:
		return append(dst, packFixArray+byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, packArray16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, packArray32), uint32(n))
}

package rpc

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/raftnode/raft/raft/consensus"
)

// The message in protobuf's wire format, by hand: what generated code would write for
//
//	message Entry { uint64 term = 1; uint32 kind = 2; bytes data = 3; }
//	message AppendEntries {
//	  uint64 term = 1; uint64 prev_log_index = 2; uint64 prev_log_term = 3; uint64 leader_commit = 4; uint64 round = 5;
//	  repeated Entry entries = 6;
//	}

func overProtobuf() rival {
	m := batch()
	return rival{
		name: "protobuf by hand", want: m,
		encode: func(dst []byte) []byte { return appendProto(dst, m) },
		decode: func(payload []byte) any { return readProto(payload) },
	}
}

func appendField(dst []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), v)
}

func sizeField(number protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(number) + protowire.SizeVarint(v)
}

func appendProto(dst []byte, m *consensus.AppendEntries) []byte {
	dst = appendField(dst, 1, uint64(m.Term))
	dst = appendField(dst, 2, uint64(m.PrevLogIndex))
	dst = appendField(dst, 3, uint64(m.PrevLogTerm))
	dst = appendField(dst, 4, uint64(m.LeaderCommit))
	dst = appendField(dst, 5, m.Round)
	for i := range m.Entries {
		e := &m.Entries[i]
		size := sizeField(1, uint64(e.Term)) + sizeField(2, uint64(e.Kind)) + protowire.SizeTag(3) + protowire.SizeBytes(len(e.Data))
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 6, protowire.BytesType), uint64(size))
		dst = appendField(dst, 1, uint64(e.Term))
		dst = appendField(dst, 2, uint64(e.Kind))
		dst = protowire.AppendBytes(protowire.AppendTag(dst, 3, protowire.BytesType), e.Data)
	}
	return dst
}

// fields calls one of the functions for each field.
func fields(b []byte, number func(protowire.Number, uint64), bytes func(protowire.Number, []byte)) {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		must(protowire.ParseError(min(n, 0)))
		b = b[n:]
		if kind == protowire.VarintType {
			v, n := protowire.ConsumeVarint(b)
			must(protowire.ParseError(min(n, 0)))
			number(num, v)
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		must(protowire.ParseError(min(n, 0)))
		bytes(num, v)
		b = b[n:]
	}
}

func readProto(b []byte) *consensus.AppendEntries {
	m := new(consensus.AppendEntries)
	fields(b, func(number protowire.Number, v uint64) {
		switch number {
		case 1:
			m.Term = consensus.Term(v)
		case 2:
			m.PrevLogIndex = consensus.Index(v)
		case 3:
			m.PrevLogTerm = consensus.Term(v)
		case 4:
			m.LeaderCommit = consensus.Index(v)
		case 5:
			m.Round = v
		}
	}, func(_ protowire.Number, v []byte) {
		e := consensus.Entry{Index: m.PrevLogIndex + 1 + consensus.Index(len(m.Entries))}
		fields(v, func(number protowire.Number, v uint64) {
			switch number {
			case 1:
				e.Term = consensus.Term(v)
			case 2:
				e.Kind = consensus.EntryKind(v)
			}
		}, func(_ protowire.Number, v []byte) { e.Data = append([]byte{}, v...) })
		m.Entries = append(m.Entries, e)
	})
	return m
}

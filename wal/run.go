package wal

import (
	"encoding/binary"

	"github.com/raftnode/raft/raft/consensus"
)

// maxRunBytes is how long the entries of one record can be, unless it is one entry. It bounds what one torn or
// rotten record takes with it, what an entry that is kept in memory keeps besides, and what recovery has to believe of a number of entries. It is as
// large as a large Save: tidwall/wal's copy of a segment grows at each record that it has no room for, and copies all before, so that short ones cost more.
const maxRunBytes = 1 << 20

const (
	maxEntryHead = 2*binary.MaxVarintLen64 + 1                 // term, kind and length of an entry, at their longest
	maxRunHead   = checksumBytes + 1 + 4*binary.MaxVarintLen64 // what stands before the first entry, at its longest
)

// run gathers consecutive entries for one record of type entries. Its zero value is ready for the first.
type run struct {
	// buf has room for maxRunHead and then the entries as they are on disk: what stands before them is
	// known only when the last one is there.
	buf   []byte
	first consensus.Index
	last  consensus.Position
	count uint64
}

// takes tells whether e can stand in the same record as what is there.
func (r *run) takes(e *consensus.Entry) bool {
	return r.count == 0 || e.Index == r.last.Index+1 && r.bytes()+maxEntryHead+len(e.Data) <= maxRunBytes
}

// bytes is what the entries take.
func (r *run) bytes() int { return max(0, len(r.buf)-maxRunHead) }

func (r *run) add(e *consensus.Entry) {
	if r.count == 0 {
		r.buf = append(r.buf[:0], make([]byte, maxRunHead)...)
		r.first = e.Index
	}
	b := binary.AppendUvarint(r.buf, uint64(e.Term))
	b = append(b, byte(e.Kind))
	b = binary.AppendUvarint(b, uint64(len(e.Data)))
	r.buf = append(b, e.Data...)
	r.last = consensus.Position{Index: e.Index, Term: e.Term}
	r.count++
}

// payload gives the record, and begins anew. It is a part of the buffer: the next add overwrites it.
func (r *run) payload(s salt, seq, back uint64) []byte {
	var room [maxRunHead]byte
	head := appendHead(room[:0], recordEntries, seq, back)
	head = binary.AppendUvarint(binary.AppendUvarint(head, uint64(r.first)), r.count)
	payload := r.buf[maxRunHead-len(head):]
	copy(payload, head)
	s.seal(payload)
	r.buf, r.count = r.buf[:0], 0
	return payload
}

// entries takes the body of a record of type entries, and puts them behind into, which is empty. It takes memory for those that
// are there, whatever their count says, and they cannot be many: a record of more than one is short.
func (d *decoder) entries(into []consensus.Entry) []consensus.Entry {
	first, count := d.uvarint(), d.uvarint()
	if count == 0 || count > 1 && len(d.rest) > maxRunBytes || first+count-1 < first {
		d.bad = true
		return nil
	}
	for i := range count {
		e := consensus.Entry{Index: consensus.Index(first + i), Term: consensus.Term(d.uvarint()), Kind: consensus.EntryKind(d.byte())}
		n := d.uvarint()
		if d.bad || n > uint64(len(d.rest)) {
			d.bad = true
			return nil
		}
		e.Data, d.rest = d.rest[:n:n], d.rest[n:]
		into = append(into, e)
	}
	return into
}

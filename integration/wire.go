package integration

import "encoding/binary"

// wire follows the bytes that one side of a peer connection sends, and counts the frames in them: a handshake block, then
// frames. It knows of the protocol only where things begin and end. It is for one goroutine.
type wire struct {
	head    []byte // of the block or frame that is under way, as far as its length needs
	skip    int    // bytes of it that are still to come
	greeted bool   // the handshake is over
	lost    bool   // this is no peer connection, or bytes are missing: nothing is counted any more
}

// The layouts that package rpc documents: a handshake is magic (8), two versions, u16 length, that many bytes, a checksum (4); a
// frame is u32 length, u8 kind, 12 bytes more, that many bytes.
const (
	greetingHead = 12
	greetingTail = 4
	frameHead    = 17
	maxFrame     = 64 << 20
)

// The kinds of frames, as on the wire.
const (
	kindRequestVote         = 1
	kindRequestVoteReply    = 2
	kindAppendEntries       = 3
	kindAppendEntriesReply  = 4
	kindRequestPreVote      = 5
	kindRequestPreVoteReply = 6
	kindTimeoutNow          = 7
)

// feed takes the next bytes in, and gives the kinds of the frames whose heads are complete with them.
func (w *wire) feed(chunk []byte) (kinds []byte) {
	for len(chunk) > 0 && !w.lost {
		if w.skip > 0 {
			n := min(w.skip, len(chunk))
			w.skip -= n
			chunk = chunk[n:]
			continue
		}
		need := greetingHead
		if w.greeted {
			need = frameHead
		}
		n := min(need-len(w.head), len(chunk))
		w.head = append(w.head, chunk[:n]...)
		chunk = chunk[n:]
		if len(w.head) == need {
			kinds = w.complete(kinds)
		}
	}
	return kinds
}

// complete takes the head of a block or frame, and knows then how long it is.
func (w *wire) complete(kinds []byte) []byte {
	if !w.greeted {
		w.greeted = true
		w.skip = int(binary.BigEndian.Uint16(w.head[10:])) + greetingTail
		w.lost = string(w.head[1:5]) != "raft"
	} else {
		w.skip = int(binary.BigEndian.Uint32(w.head))
		w.lost = w.skip > maxFrame
		kinds = append(kinds, w.head[4])
	}
	w.head = w.head[:0]
	return kinds
}

func isRequest(kind byte) bool {
	return kind == kindRequestVote || kind == kindAppendEntries || kind == kindRequestPreVote || kind == kindTimeoutNow
}

func isReply(kind byte) bool {
	return kind == kindRequestVoteReply || kind == kindAppendEntriesReply || kind == kindRequestPreVoteReply
}

package rpc

import (
	"slices"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// queue holds the messages that wait on one link, in order, within bounds. What it does when it is
// full rests on what the messages are worth.
//
// While the link is up, a full queue drops the new message. In a stream of AppendEntries the ones in
// front are of use to a follower without those behind, and not the other way round.
//
// While the link is down, the queue keeps only the newest message of each kind: a request for
// votes made while the peer was coming up is not lost, and a peer that comes back is not met with
// the heartbeats of its whole absence.
type queue struct {
	maxMessages, maxBytes int

	mu      sync.Mutex
	items   []consensus.Message // items[head:] wait
	head    int
	bytes   int // of the waiting; over maxBytes only by a single message
	up      bool
	dropped uint64 // ever
}

// put adds m, and tells whether it waits now.
func (q *queue) put(m consensus.Message) bool {
	size := messageBytes(m)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.up {
		q.removeKind(KindOf(m))
	}
	waiting := len(q.items) - q.head
	if waiting >= q.maxMessages || waiting > 0 && q.bytes+size > q.maxBytes {
		q.dropped++
		return false
	}
	q.items = append(q.items, m)
	q.bytes += size
	return true
}

// take removes the first message, if there is one.
func (q *queue) take() (m consensus.Message, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		return nil, false
	}
	m = q.items[q.head]
	q.items[q.head] = nil
	q.bytes -= messageBytes(m)
	// Move what is left to the front now and then, or a queue that is never quite empty would
	// grow for ever.
	if q.head++; q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return m, true
}

// setUp tells the queue that the link came up, or that it went down: then what waits is
// dropped, since it was meant for the peer as it was.
func (q *queue) setUp(up bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.up = up; !up {
		q.dropped += uint64(len(q.items) - q.head)
		q.items, q.head, q.bytes = nil, 0, 0
	}
}

// drop counts a message that was taken but could not be sent.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped++
}

// drops gives the number of messages dropped ever.
func (q *queue) drops() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// removeKind drops the messages of that kind. Call it under mu, while the link is down: then
// there is one of each kind at the most, and none was taken.
func (q *queue) removeKind(kind Kind) {
	q.items = slices.DeleteFunc(q.items, func(m consensus.Message) bool {
		if KindOf(m) != kind {
			return false
		}
		q.bytes -= messageBytes(m)
		q.dropped++
		return true
	})
}

// messageBytes is about what m holds in memory.
func messageBytes(m consensus.Message) int {
	size := 128
	if a, ok := m.(*consensus.AppendEntries); ok {
		for i := range a.Entries {
			size += 64 + len(a.Entries[i].Data)
		}
	}
	return size
}

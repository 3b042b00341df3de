package rpc

import (
	"slices"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// queue holds the messages that wait on one link, within bounds. What it does when it is full rests on what the
// messages are worth.
//
// Chunks of snapshots wait apart: all other messages overtake them, so that nobody stands for election because a heartbeat
// waited behind a snapshot. Whatever there is no room for drives out the chunks that wait: Raft sends them again, and the
// newest is from where the follower is.
//
// While the link is up, a full queue otherwise drops the new message. In a stream of AppendEntries the ones in
// front are of use to a follower without those behind, and not the other way round.
//
// While the link is down, the queue keeps only the newest message of each kind: a request for
// votes made while the peer was coming up is not lost, and a peer that comes back is not met with
// the heartbeats of its whole absence.
type queue struct {
	maxMessages, maxBytes int

	mu      sync.Mutex
	small   lane // everything but chunks
	chunks  lane
	bytes   int // of the waiting; over maxBytes only by a single message
	up      bool
	closed  bool   // nobody will take what is put
	dropped uint64 // ever
}

// put adds m, and tells whether it waits now.
func (q *queue) put(m consensus.Message) bool {
	size := messageBytes(m)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.dropped++
		return false
	}
	to := &q.small
	if KindOf(m) == KindInstallSnapshot {
		to = &q.chunks
	}
	if !q.up {
		q.forget(to, KindOf(m))
	}
	if q.full(size) {
		q.forget(&q.chunks, KindInstallSnapshot)
	}
	if q.full(size) {
		q.dropped++
		return false
	}
	to.push(m)
	q.bytes += size
	return true
}

// full tells whether there is no room for one more message. An empty queue takes one of any size. Call it under mu.
func (q *queue) full(size int) bool {
	waiting := q.small.len() + q.chunks.len()
	return waiting >= q.maxMessages || waiting > 0 && q.bytes+size > q.maxBytes
}

// take removes the message that is to be sent next, if there is one.
func (q *queue) take() (m consensus.Message, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m, ok = q.small.pop(); !ok {
		m, ok = q.chunks.pop()
	}
	if ok {
		q.bytes -= messageBytes(m)
	}
	return m, ok
}

// setUp tells the queue that the link came up, or that it went down: then what waits is
// dropped, since it was meant for the peer as it was.
func (q *queue) setUp(up bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.up = up; !up {
		q.clear()
	}
}

// close drops what waits and whatever is put from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.clear()
}

// clear drops everything. Call it under mu.
func (q *queue) clear() {
	q.dropped += uint64(q.small.len() + q.chunks.len())
	q.small, q.chunks, q.bytes = lane{}, lane{}, 0
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

// forget drops the messages of that kind, which wait in l. Call it under mu.
func (q *queue) forget(l *lane, kind Kind) {
	for _, m := range l.remove(kind) {
		q.bytes -= messageBytes(m)
		q.dropped++
	}
}

// lane is a list of messages of which the first leaves first.
type lane struct {
	items []consensus.Message // items[head:] wait
	head  int
}

func (l *lane) len() int { return len(l.items) - l.head }

func (l *lane) push(m consensus.Message) { l.items = append(l.items, m) }

func (l *lane) pop() (m consensus.Message, ok bool) {
	if l.len() == 0 {
		return nil, false
	}
	m = l.items[l.head]
	l.items[l.head] = nil
	// Move what is left to the front now and then, or a lane that is never quite empty would
	// grow for ever.
	if l.head++; l.head*2 >= len(l.items) {
		l.compact()
	}
	return m, true
}

func (l *lane) compact() {
	n := copy(l.items, l.items[l.head:])
	clear(l.items[n:])
	l.items, l.head = l.items[:n], 0
}

// remove takes the messages of that kind out, and gives them.
func (l *lane) remove(kind Kind) (removed []consensus.Message) {
	l.compact()
	l.items = slices.DeleteFunc(l.items, func(m consensus.Message) bool {
		if KindOf(m) != kind {
			return false
		}
		removed = append(removed, m)
		return true
	})
	return removed
}

// messageBytes is about what m holds in memory.
func messageBytes(m consensus.Message) int {
	size := 128
	switch m := m.(type) {
	case *consensus.AppendEntries:
		for i := range m.Entries {
			size += 64 + len(m.Entries[i].Data)
		}
	case *consensus.InstallSnapshot:
		size += 64*len(m.Config) + len(m.Data)
	}
	return size
}

package raft

import (
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// proposed is about what the proposals in e cost in memory.
func (e *event) proposed() (bytes int) {
	if e.proposal != nil {
		bytes = len(e.proposal.data) + entryOverhead
	}
	for i := range e.offers {
		bytes += len(e.offers[i].data) + entryOverhead
	}
	return bytes
}

// event is one thing for the module to take in. One of the pointers is set.
type event struct {
	msg      Message
	size     int // of msg, if it counts against the bound
	proposal *proposal
	offers   []proposal
	read     *readRequest
	handover *handover
	noSpace  *bool

	compaction *compaction
}

// mailbox is what the module's events wait in. Messages from outside are bounded in bytes.
type mailbox struct {
	*queue[event]
	maxBytes int

	mu     sync.Mutex
	room   sync.Cond // on mu: bytes shrank, or closed
	bytes  int       // of messages that came through deliver and were not yet taken
	closed bool
}

func newMailbox(maxBytes int) *mailbox {
	m := &mailbox{queue: newQueue[event](), maxBytes: maxBytes}
	m.room.L = &m.mu
	return m
}

// deliver adds messages from outside, and waits for room first. An empty mailbox has room for any.
func (m *mailbox) deliver(messages []Message) {
	events, size := make([]event, len(messages)), 0
	for i, msg := range messages {
		events[i] = event{msg: msg, size: messageBytes(msg)}
		size += events[i].size
	}
	m.mu.Lock()
	for m.bytes > 0 && m.bytes+size > m.maxBytes && !m.closed {
		m.room.Wait()
	}
	m.bytes += size
	m.mu.Unlock()
	m.add(events...)
}

// maxRoundBytes is about how many bytes of messages are taken in at once, and of proposals: so a server that has a lot to do looks at the
// time now and then, and answers, and what it writes is in pieces.
const maxRoundBytes = 4 << 20

// takeSome gives what is to be taken in at once, and so makes room.
func (m *mailbox) takeSome(spare []event) []event {
	events := m.takeUpTo(maxRoundBytes, func(e *event) int { return e.size }, spare)
	m.free(events)
	return events
}

// free gives back the room that events took.
func (m *mailbox) free(events []event) {
	taken := 0
	for i := range events {
		taken += events[i].size
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes -= taken
	m.room.Broadcast()
}

// shut refuses events from now on, lets those go who wait for room, and gives what was still waiting.
func (m *mailbox) shut() []event {
	m.mu.Lock()
	m.closed = true
	m.room.Broadcast()
	m.mu.Unlock()
	return m.close()
}

// What an entry costs beyond its data, and a member of a configuration, in memory.
const (
	entryOverhead  = 48
	memberOverhead = 100
)

// messageBytes is about what a message costs in memory.
func messageBytes(msg Message) int {
	size := 128
	switch msg := msg.(type) {
	case *consensus.AppendEntries:
		for i := range msg.Entries {
			size += len(msg.Entries[i].Data) + entryOverhead
		}
	case *consensus.InstallSnapshot:
		size += len(msg.Data) + memberOverhead*len(msg.Config)
	}
	return size
}

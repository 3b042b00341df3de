package raft

import (
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

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

// takeAll gives all events, and so makes room.
func (m *mailbox) takeAll(spare []event) []event {
	events := m.take(spare)
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

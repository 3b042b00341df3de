package rpc

import (
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// terms takes everything from q, and gives the messages' terms.
func terms(q *queue) (terms []consensus.Term) {
	for {
		m, ok := q.take()
		if !ok {
			return terms
		}
		terms = append(terms, m.Head().Term)
	}
}

func equal(got []consensus.Term, want ...consensus.Term) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}

func TestWhileUpAFullQueueKeepsTheOldest(t *testing.T) {
	q := &queue{maxMessages: 3, maxBytes: 1 << 20}
	q.setUp(true)
	for term := consensus.Term(1); term <= 5; term++ {
		if took := q.put(vote("a", "b", term)); took != (term <= 3) {
			t.Errorf("message %d: taken %v", term, took)
		}
	}
	if got := terms(q); !equal(got, 1, 2, 3) || q.drops() != 2 || q.bytes != 0 {
		t.Errorf("terms %v, %d drops, %d bytes left", got, q.drops(), q.bytes)
	}
}

func TestTheBytesOfAQueueAreBounded(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1000}
	q.setUp(true)
	if !q.put(manyEntries(make([]byte, 5000))) {
		t.Error("an empty queue must take a message of any size, or it could never be sent")
	}
	if q.put(vote("a", "b", 1)) {
		t.Error("a message was taken above the bound")
	}
	q.take()
	for q.put(vote("a", "b", 1)) {
	}
	if q.bytes > q.maxBytes || len(terms(q)) == 0 {
		t.Errorf("%d bytes wait", q.bytes)
	}
}

func TestWhileDownAQueueKeepsTheNewestOfEachKind(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1 << 20}
	for term := consensus.Term(1); term <= 9; term++ {
		q.put(vote("a", "b", 2*term))
		q.put(&consensus.AppendEntries{Header: consensus.Header{Term: 2*term + 1}})
	}
	if got := terms(q); !equal(got, 18, 19) || q.drops() != 16 || q.bytes != 0 {
		t.Errorf("terms %v, %d drops, %d bytes left", got, q.drops(), q.bytes)
	}
}

func TestWhatWaitsIsDroppedWithTheLink(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1 << 20}
	q.setUp(true)
	q.put(vote("a", "b", 1))
	q.put(vote("a", "b", 2))
	q.setUp(false)
	if got := terms(q); len(got) != 0 || q.drops() != 2 || q.bytes != 0 {
		t.Errorf("terms %v, %d drops, %d bytes left", got, q.drops(), q.bytes)
	}
}

func TestAQueueThatIsNeverEmptyDoesNotGrow(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1 << 20}
	q.setUp(true)
	q.put(vote("a", "b", 1))
	for term := consensus.Term(2); term < 10000; term++ {
		q.put(vote("a", "b", term))
		if m, ok := q.take(); !ok || m.Head().Term != term-1 {
			t.Fatalf("got %+v, want the message of term %d", m, term-1)
		}
	}
	if cap(q.small.items) > 16 {
		t.Errorf("room for %d messages was made for 2", cap(q.small.items))
	}
}

// chunk gives a chunk of a snapshot that can be told from others by its term.
func chunk(term consensus.Term, size int) *consensus.InstallSnapshot {
	return &consensus.InstallSnapshot{
		Header:       consensus.Header{From: "a", To: "b", Term: term},
		LastIncluded: consensus.Position{Index: 9, Term: 1},
		Config:       consensus.Voters("a", "b"),
		Data:         make([]byte, size),
	}
}

// A heartbeat that waits behind a snapshot would come too late to keep its receiver from standing for election.
func TestEverythingOvertakesTheChunksOfSnapshots(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1 << 20}
	q.setUp(true)
	q.put(chunk(1, 1000))
	q.put(chunk(2, 1000))
	q.put(vote("a", "b", 3))
	q.put(&consensus.AppendEntriesReply{Header: consensus.Header{Term: 4}})
	if got := terms(q); !equal(got, 3, 4, 1, 2) || q.drops() != 0 || q.bytes != 0 {
		t.Errorf("terms %v, %d drops, %d bytes left", got, q.drops(), q.bytes)
	}
}

// Chunks are repeated from where the follower is; so the newest is the one to keep, and none may cost another message its room.
func TestAFullQueueDropsTheChunksThatWait(t *testing.T) {
	for name, q := range map[string]*queue{
		"by number": {maxMessages: 3, maxBytes: 1 << 20},
		"by bytes":  {maxMessages: 100, maxBytes: 2900},
	} {
		q.setUp(true)
		q.put(vote("a", "b", 1))
		q.put(chunk(2, 1000))
		q.put(chunk(3, 1000))
		if !q.put(chunk(4, 1000)) {
			t.Errorf("%s: the newest chunk was not taken", name)
		}
		if got := terms(q); !equal(got, 1, 4) || q.drops() != 2 || q.bytes != 0 {
			t.Errorf("%s: terms %v, %d drops, %d bytes left", name, got, q.drops(), q.bytes)
		}
	}
	q := &queue{maxMessages: 2, maxBytes: 1 << 20}
	q.setUp(true)
	q.put(chunk(1, 1000))
	q.put(vote("a", "b", 2))
	if !q.put(vote("a", "b", 3)) || q.put(vote("a", "b", 4)) || q.put(chunk(5, 1)) {
		t.Error("a chunk kept a vote out, or came in where there was no room")
	}
	if got := terms(q); !equal(got, 2, 3) {
		t.Errorf("terms %v", got)
	}
}

func TestWhileDownAQueueKeepsTheNewestChunk(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1 << 20}
	q.put(chunk(1, 10))
	q.put(vote("a", "b", 2))
	q.put(chunk(3, 10))
	if got := terms(q); !equal(got, 2, 3) || q.drops() != 1 || q.bytes != 0 {
		t.Errorf("terms %v, %d drops, %d bytes left", got, q.drops(), q.bytes)
	}
}

func TestTheBytesOfChunksAreBounded(t *testing.T) {
	q := &queue{maxMessages: 1000, maxBytes: 10000}
	q.setUp(true)
	for term := consensus.Term(1); term < 100; term++ {
		if q.put(chunk(term, 3000)); q.bytes > q.maxBytes {
			t.Fatalf("%d bytes wait", q.bytes)
		}
	}
}

func TestAQueueThatIsClosedTakesNothing(t *testing.T) {
	q := &queue{maxMessages: 100, maxBytes: 1 << 20}
	q.put(vote("a", "b", 1))
	q.close()
	if q.put(vote("a", "b", 2)) || len(terms(q)) != 0 || q.drops() != 2 || q.bytes != 0 {
		t.Errorf("%d drops, %d bytes left", q.drops(), q.bytes)
	}
}

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
	if cap(q.items) > 16 {
		t.Errorf("room for %d messages was made for 2", cap(q.items))
	}
}

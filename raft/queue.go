package raft

import (
	"slices"
	"sync"
)

// queue is an unbounded queue with one reader, who waits on its wake channel. A put never blocks: so no cycle
// of queues inside the process can stop it. What comes from outside is bounded at the doors:
// Deliver blocks, Propose refuses.
type queue[T any] struct {
	wake chan struct{} // has a token when there may be something to take

	mu     sync.Mutex
	items  []T
	closed bool
}

func newQueue[T any]() *queue[T] { return &queue[T]{wake: make(chan struct{}, 1)} }

// put adds item and wakes the reader; it says false, and drops it, if the queue is closed.
func (q *queue[T]) put(item T) bool {
	if !q.add(item) {
		return false
	}
	notify(q.wake)
	return true
}

// add is put without waking the reader.
func (q *queue[T]) add(items ...T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, items...)
	return true
}

// notify leaves a token, if there is none: the reader will find what is new with what woke it.
func notify(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// waiting tells whether there is something to take.
func (q *queue[T]) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) > 0
}

// take gives all that waits, and keeps spare as the room for what comes next.
func (q *queue[T]) take(spare []T) []T {
	clear(spare)
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = spare[:0]
	return items
}

// maxKeptItems is how large an array is used again.
const maxKeptItems = 1 << 14

// takeUpTo is take, but for what comes behind the first items that are bytes or more together.
func (q *queue[T]) takeUpTo(bytes int, size func(*T) int, taken []T) []T {
	clear(taken)
	if taken = taken[:0]; cap(taken) > maxKeptItems {
		taken = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for ; n < len(q.items) && bytes > 0; n++ {
		bytes -= size(&q.items[n])
	}
	taken = append(taken, q.items[:n]...)
	q.items = slices.Delete(q.items, 0, n)
	return taken
}

// close refuses everything from now on and gives what was still waiting.
func (q *queue[T]) close() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	items := q.items
	q.items = nil
	return items
}

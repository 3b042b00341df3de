package sim

// event is something that happens at a moment. It holds no pointers: what it needs besides, such as a message, lies in
// a table of the cluster, at arg.
type event struct {
	at     int64  // virtual nanoseconds
	number uint64 // of those at the same moment, the one that was planned first comes first
	kind   eventKind
	server uint8
	gen    uint32 // of the server's life, or of its timer: an event of an earlier one is void
	arg    uint32
}

type eventKind uint8

const (
	evDeliver   eventKind = iota // arg: message
	evTimer                      // gen: of the timer
	evFlush                      // the host has gathered enough
	evDisk                       // arg: which planned end of a write
	evApply                      // the state machine has time
	evCompact                    // a snapshot is ready
	evRestart                    // a crashed server comes back
	evRequest                    // arg: a client's request arrives
	evAnswer                     // arg: a client's answer arrives
	evClient                     // arg: client; gen: of its timer
	evAction                     // arg: place in the plan
	evActionEnd                  // arg: the same
	evOperator                   // somebody looks after the membership
	evEnd                        // the faults end, the cluster has to show that it lives
	evWatch                      // has it?
)

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.number < f.number
}

// queue is a heap of events, four children to a node: flatter than two, and the children share a cache line or two.
type queue struct{ events []event }

func (q *queue) push(e event) {
	q.events = append(q.events, e)
	i := len(q.events) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.events[parent]) {
			break
		}
		q.events[i] = q.events[parent]
		i = parent
	}
	q.events[i] = e
}

// pop takes the earliest event. The queue must not be empty.
func (q *queue) pop() event {
	first := q.events[0]
	n := len(q.events) - 1
	last := q.events[n]
	q.events = q.events[:n]
	if n > 0 {
		q.sink(last)
	}
	return first
}

// sink puts e where the first event was, and lets it find its place.
func (q *queue) sink(e event) {
	i, n := 0, len(q.events)
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for j := child + 1; j < min(child+4, n); j++ {
			if q.events[j].before(&q.events[least]) {
				least = j
			}
		}
		if !q.events[least].before(&e) {
			break
		}
		q.events[i] = q.events[least]
		i = least
	}
	q.events[i] = e
}

// table keeps values for events, which name them by number. Numbers are used again.
type table[T any] struct {
	values []T
	free   []uint32
}

func (t *table[T]) put(v T) uint32 {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		t.values[i] = v
		return i
	}
	t.values = append(t.values, v)
	return uint32(len(t.values) - 1)
}

func (t *table[T]) take(i uint32) T {
	var none T
	v := t.values[i]
	t.values[i] = none
	t.free = append(t.free, i)
	return v
}

package server

import (
	"net"
	"runtime"
	"time"

	"github.com/raftnode/raft/kv/wire"
)

// What of values and buffers is copied, and kept.
const (
	copied  = 4 << 10  // a larger value is written from where the Store has it
	maxKept = 64 << 10 // a larger buffer is not used again
)

// outgoing is what is to be written next.
type outgoing struct {
	buf     []byte
	splices []splice
	spliced int // bytes of them

	answers int // of requests
	places  int // at the door that these requests have
	bytes   int64
}

// splice is a value that belongs into buf, at that place.
type splice struct {
	at    int
	value []byte
}

func (o *outgoing) count(bytes int64) {
	o.answers++
	if bytes >= 0 {
		o.places++
		o.bytes += bytes
	}
}

func (o *outgoing) full() bool { return len(o.buf)+o.spliced >= maxOut }

func (o *outgoing) value(value []byte) {
	if len(value) <= copied {
		o.buf = append(o.buf, value...)
		return
	}
	o.splices = append(o.splices, splice{len(o.buf), value})
	o.spliced += len(value)
}

func (o *outgoing) writeTo(conn net.Conn) error {
	if len(o.splices) == 0 {
		_, err := conn.Write(o.buf)
		return err
	}
	var pieces net.Buffers
	from := 0
	for _, s := range o.splices {
		pieces = append(pieces, o.buf[from:s.at], s.value)
		from = s.at
	}
	pieces = append(pieces, o.buf[from:])
	_, err := pieces.WriteTo(conn)
	return err
}

// empty gives an outgoing that uses the same memory again.
func (o *outgoing) empty() outgoing {
	if cap(o.buf) > maxKept {
		return outgoing{}
	}
	clear(o.splices)
	return outgoing{buf: o.buf[:0], splices: o.splices[:0]}
}

// write writes all that waits, again and again. It ends when the stream is dead, or has said goodbye and answered everything.
func (st *stream) write() {
	var out outgoing
	deadline := time.Time{}
	for range st.wake {
		runtime.Gosched() // whoever is adding adds the rest first
		st.mu.Lock()
		out, st.out = st.out, out.empty()
		last := st.dead || st.said && len(st.flights) == 0
		st.mu.Unlock()
		if len(out.buf) > 0 {
			if now := time.Now(); deadline.Sub(now) < writeTime-time.Second {
				deadline = now.Add(writeTime)
				_ = st.conn.SetWriteDeadline(deadline)
			}
			err := out.writeTo(st.conn)
			st.server.door.leave(out.places, out.bytes)
			if err != nil {
				st.die()
				return
			}
			last = !st.wrote(out.answers) && last
		}
		if last {
			return
		}
	}
}

// wrote makes room for that many requests, and for reads that waited for room in out. It tells whether there were such.
func (st *stream) wrote(answers int) (more bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.pending -= answers; st.pending == 0 {
		st.entry.mark(false)
	}
	st.room.Broadcast()
	late := st.late
	st.late = nil
	for i, f := range late {
		if st.out.full() {
			st.late = append(st.late, late[i:]...)
			break
		}
		st.answerRead(f)
	}
	return len(late) > 0
}

// answerReads answers reads from the Store, which has what they must see.
func (st *stream) answerReads(flights []*flight) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range flights {
		if st.out.full() || len(st.late) > 0 { // in their order, or the oldest might wait for ever
			st.late = append(st.late, f)
			continue
		}
		st.answerRead(f)
	}
}

// answerRead is called under mu.
func (st *stream) answerRead(f *flight) {
	defer st.reuse(f)
	if f.answered {
		return
	}
	item, at, found := st.server.cfg.Store.GetBytes(f.body)
	if !found {
		st.out.buf = wire.AppendProblem(st.out.buf, wire.Problem, f.id, uint64(at.Index), 0, noSuchKey())
	} else {
		st.out.buf = wire.AppendValueHead(st.out.buf, f.id, uint64(at.Index), 0, uint64(item.Version), len(item.Value))
		st.out.value(item.Value)
	}
	st.written(f)
}

// written notes that the answer to a flight is in out. Call it under mu.
func (st *stream) written(f *flight) {
	st.out.count(f.bytes)
	st.remove(f)
	st.wakeWriter()
}

// settle is for a flight that gets no answer. Call it under mu.
func (st *stream) settle(f *flight) {
	if f.bytes >= 0 {
		st.server.door.leave(1, f.bytes)
	}
	st.remove(f)
}

func (st *stream) remove(f *flight) {
	f.answered = true
	last := st.flights[len(st.flights)-1]
	st.flights[f.at], last.at = last, f.at
	st.flights[len(st.flights)-1] = nil
	st.flights = st.flights[:len(st.flights)-1]
}

// reuse takes back a flight that is answered and that nobody else has any more. Call it under mu.
func (st *stream) reuse(f *flight) {
	f.body = nil
	if len(st.free) < maxInFlight && !st.dead {
		st.free = append(st.free, f)
	}
}

func (st *stream) wakeWriter() {
	select {
	case st.wake <- struct{}{}:
	default: // it will find this with what woke it
	}
}

package server

import (
	"context"
	"errors"
	"time"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
	"github.com/raftnode/raft/raft"
)

// flight is a request of a stream that is in work. It is the Waiter of a write. It is used again once it is answered and the Raft has let go of it.
type flight struct {
	stream   *stream
	id       uint64
	kind     wire.Kind
	body     []byte // the command or the key
	deadline time.Time
	bytes    int64 // at the door; -1: it has no place there

	// Under the stream's mu.
	at       int  // in stream.flights
	answered bool // or nobody is there any more
	slow     bool // it was passed on, and will be answered in time
}

// batch is what the goroutine that reads has not offered yet.
type batch struct {
	now    time.Time
	offers []raft.Offer
	reads  *reading
}

// own copies the commands, into one piece, if they are a small part of what was read with them: the log keeps their memory, and with views of it all of that,
// which nobody counts.
func (b *batch) own() {
	bytes := 0
	for i := range b.offers {
		bytes += len(b.offers[i].Command)
	}
	if bytes >= wire.ChunkBytes/2 {
		return
	}
	piece := make([]byte, 0, bytes)
	for i := range b.offers {
		from := len(piece)
		piece = append(piece, b.offers[i].Command...)
		b.offers[i].Command = piece[from:len(piece):len(piece)]
	}
}

// takeBatch takes in all requests that one read brings, and offers them.
func (st *stream) takeBatch() error {
	frame, err := st.in.Next()
	if err != nil {
		return err
	}
	st.batch.now = time.Now()
	for {
		if err = st.take(frame); err != nil || !st.in.Ready() {
			break
		}
		if !st.hasRoom() {
			st.offer() // else nothing would ever make room
			if !st.waitForRoom() {
				return errLeaving
			}
		}
		if frame, err = st.in.Next(); err != nil {
			break
		}
	}
	st.offer()
	if err == nil && !st.hasRoom() && !st.waitForRoom() {
		return errLeaving
	}
	return err
}

func (st *stream) hasRoom() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.pending < maxInFlight
}

// waitForRoom returns false if there is nothing to wait for any more.
func (st *stream) waitForRoom() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.pending >= maxInFlight && !st.dead && !st.leaving {
		st.room.Wait()
	}
	return !st.dead && !st.leaving
}

// take takes in one request: it goes into the batch, or is answered.
func (st *stream) take(frame []byte) error {
	r, err := wire.ParseRequest(frame)
	if err != nil {
		return err
	}
	if r.ID <= st.last {
		return &wire.Error{Reason: "a request has no higher id than the one before"}
	}
	st.last = r.ID
	bytes := st.admitted
	st.admitted = 0
	if bytes == 0 && !st.in.Refused {
		bytes = int64(len(frame))
		if problem := st.server.door.take(bytes); problem != nil {
			st.refuse(r.ID, problem, -1)
			return nil
		}
	}
	if st.in.Refused {
		st.refuse(r.ID, api.NewProblem(api.CodeBusy, "this node is working on requests with too many bytes and takes no more; try again later"), -1)
		return nil
	}
	if problem := checkRequest(&r); problem != nil {
		st.refuse(r.ID, problem, bytes)
		return nil
	}
	f := st.begin(&r, bytes)
	switch r.Kind {
	case wire.Write:
		st.batch.offers = append(st.batch.offers, raft.Offer{Command: r.Body, To: f})
	case wire.Get:
		st.batch.reads.flights = append(st.batch.reads.flights, f)
	case wire.StaleGet:
		if problem := st.server.outside(); problem != nil { // it would stay as it is for ever
			f.refuse(problem)
		} else {
			st.answerReads([]*flight{f})
		}
	}
	return nil
}

// checkRequest says what HTTP says of the same mistakes.
func checkRequest(r *wire.Request) *api.Problem {
	if r.Timeout <= 0 || r.Timeout > api.MaxTimeout {
		return bad("the timeout %s is not above 0 and up to %s", r.Timeout, api.MaxTimeout)
	}
	switch r.Kind {
	case wire.Write:
		v, err := kv.Parse(r.Body)
		switch {
		case len(v.Key) > api.MaxKeyBytes:
			return tooLongKey(len(v.Key))
		case errors.Is(err, kv.ErrValueSize):
			return api.NewProblem(api.CodeValueTooLarge, "the value is too large; at most %d bytes are possible", api.MaxValueBytes)
		case err != nil:
			return bad("%v", err)
		}
	case wire.Get, wire.StaleGet:
		if n := len(r.Body); n == 0 {
			return bad("the key is empty: it has 1 to %d bytes", api.MaxKeyBytes)
		} else if n > api.MaxKeyBytes {
			return tooLongKey(n)
		}
	default:
		return bad("a request of kind %d, which this server does not know", r.Kind)
	}
	return nil
}

func tooLongKey(bytes int) *api.Problem {
	return api.NewProblem(api.CodeKeyTooLarge, "the key has %d bytes; at most %d are possible", bytes, api.MaxKeyBytes)
}

// offer hands the batch to the Raft.
func (st *stream) offer() {
	if len(st.batch.offers) > 0 {
		st.batch.own()
		st.server.cfg.Raft.ProposeAll(st.batch.offers)
		clear(st.batch.offers)
		st.batch.offers = st.batch.offers[:0]
	}
	if len(st.batch.reads.flights) > 0 {
		asked := st.batch.reads
		st.batch.reads = st.newReading()
		st.server.cfg.Raft.ReadAsync(asked.done)
	}
}

// Done answers a write.
func (f *flight) Done(applied raft.Applied, err error) {
	if err != nil {
		f.failed(err)
		return
	}
	result, problem := resultOf(applied)
	st := f.stream
	if problem != nil {
		at := position{}
		if result != nil {
			at = position{index: result.Index, term: result.Term}
		}
		f.refuseAt(problem, at)
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if !f.answered { // else its time was up
		st.out.buf = wire.AppendWritten(st.out.buf, f.id, uint64(result.Index), uint64(result.Term))
		st.written(f)
	}
	st.reuse(f)
}

// failed answers with why the Raft did not do it, unless another way may do: the ways, and the order of trying them, are those of HTTP.
func (f *flight) failed(err error) {
	var notLeader *raft.NotLeaderError
	switch {
	case errors.As(err, &notLeader):
		f.passOn(notLeader.Leader)
	case errors.Is(err, raft.ErrReplaced) && raft.OutcomeOf(err) == raft.Rejected, errors.Is(err, raft.ErrNoSpace):
		f.passOn("")
	default:
		f.refuse(problemOf(err, work{isWrite: f.kind == wire.Write}))
	}
}

func (f *flight) refuse(problem *api.Problem) { f.refuseAt(problem, f.stream.server.here()) }

func (f *flight) refuseAt(problem *api.Problem, at position) {
	st := f.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	if !f.answered {
		st.out.buf = wire.AppendProblem(st.out.buf, wire.Problem, f.id, uint64(at.index), uint64(at.term), problem)
		st.written(f)
	}
	st.reuse(f)
}

// refuse answers a request that did not become a flight.
func (st *stream) refuse(id uint64, problem *api.Problem, bytes int64) {
	at := st.server.here()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.enter()
	st.out.buf = wire.AppendProblem(st.out.buf, wire.Problem, id, uint64(at.index), uint64(at.term), problem)
	st.out.count(bytes)
	st.wakeWriter()
}

// reading is the linearizable reads of one batch: the Raft is asked once for all of them.
type reading struct {
	stream  *stream
	flights []*flight
	done    func(raft.Index, error)
}

func (st *stream) newReading() *reading {
	r := &reading{stream: st}
	r.done = r.answer
	return r
}

func (r *reading) answer(_ raft.Index, err error) {
	if err == nil {
		r.stream.answerReads(r.flights)
		return
	}
	for _, f := range r.flights {
		f.failed(err)
	}
}

// begin makes a flight of a request.
func (st *stream) begin(r *wire.Request, bytes int64) *flight {
	st.mu.Lock()
	defer st.mu.Unlock()
	var f *flight
	if n := len(st.free); n > 0 {
		f, st.free = st.free[n-1], st.free[:n-1]
	} else {
		f = &flight{stream: st}
	}
	f.id, f.kind, f.body, f.bytes, f.deadline = r.ID, r.Kind, r.Body, bytes, st.batch.now.Add(r.Timeout)
	f.answered, f.slow, f.at = false, false, len(st.flights)
	st.flights = append(st.flights, f)
	st.enter()
	if st.armed.IsZero() || f.deadline.Before(st.armed) {
		st.arm(f.deadline)
	}
	return f
}

// enter counts a request. Call it under mu.
func (st *stream) enter() {
	if st.pending++; st.pending == 1 {
		st.entry.mark(true)
	}
}

// arm lets the sweeper come at that time. Call it under mu.
func (st *stream) arm(at time.Time) {
	if st.dead {
		return
	}
	st.armed = at
	if st.sweeper == nil {
		st.sweeper = time.AfterFunc(time.Until(at), st.sweep)
		return
	}
	st.sweeper.Reset(time.Until(at))
}

// minSweep is what lies between two sweeps at least.
const minSweep = 5 * time.Millisecond

// sweep answers the requests whose time is up.
func (st *stream) sweep() {
	now := time.Now()
	read := problemOf(context.DeadlineExceeded, work{})
	write := api.NewProblem(api.CodeUnknown, "the write may have been accepted, but is not known to be committed; read the key to see: the time was up")
	at := st.server.here()
	st.mu.Lock()
	defer st.mu.Unlock()
	next := time.Time{}
	for i := 0; i < len(st.flights); {
		f := st.flights[i]
		switch {
		case f.slow || f.deadline.After(now):
			if !f.slow && (next.IsZero() || f.deadline.Before(next)) {
				next = f.deadline
			}
			i++
			continue
		case f.kind == wire.Write:
			st.out.buf = wire.AppendProblem(st.out.buf, wire.Problem, f.id, uint64(at.index), uint64(at.term), write)
		default:
			st.out.buf = wire.AppendProblem(st.out.buf, wire.Problem, f.id, uint64(at.index), uint64(at.term), read)
		}
		st.written(f) // and another one stands at i
	}
	st.armed = time.Time{}
	if !next.IsZero() {
		if soonest := now.Add(minSweep); next.Before(soonest) {
			next = soonest
		}
		st.arm(next)
	}
}

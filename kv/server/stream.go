package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
)

// The bounds of a stream.
const (
	maxInFlight = 4096             // requests whose answers are not written yet: above that it is not read
	maxOut      = 2 << 20          // bytes of answers that wait, and one answer more: above that no value joins them
	frameTime   = 30 * time.Second // for a request to come in whole once it has begun
	writeTime   = 30 * time.Second // for what waits to be taken by the client
)

// stream is a connection that speaks the native protocol (package wire). One goroutine reads it and offers to the Raft, as one batch, all
// requests that one read brought; whoever knows an answer adds it to out; and one goroutine writes all that waits. A request has no goroutine,
// timer or channel of its own, unless this node does not lead: then it goes the way that it would go over HTTP.
type stream struct {
	server *Server
	conn   net.Conn
	entry  *connection

	// Of the goroutine that reads.
	in        *wire.Reader
	last      uint64 // id of the last request that was taken in
	patience  patience
	admitted  int64 // bytes at the door for a frame that is coming in
	batch     batch
	forgotten context.CancelFunc // of ctx

	ctx  context.Context // of requests that are passed on; ends with the stream
	slow sync.WaitGroup  // those requests

	wake chan struct{} // has a token when there is something to write, or to end

	mu      sync.Mutex // under it nothing is awaited but the Store
	room    sync.Cond  // on mu: pending shrank, or the stream is dead
	flights []*flight  // in work, in no order
	free    []*flight
	late    []*flight // reads that can be answered as soon as out has room
	out     outgoing
	pending int // requests whose answers are not written
	sweeper *time.Timer
	armed   time.Time // when the sweeper is due; zero if it is not
	leaving bool      // nothing is read any more
	said    bool      // and that was said: when all flights are answered it ends
	dead    bool      // nothing can be written any more
	hinted  string    // the address of the leader that the client was told last
}

// stream answers the request for the native protocol, and then speaks that until it ends.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) *api.Problem {
	if r.Method != http.MethodGet {
		return badMethod(w, r, http.MethodGet)
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), wire.Protocol) {
		w.Header().Set("Upgrade", wire.Protocol)
		return api.NewProblem(api.CodeUpgrade, "here the protocol %s is spoken, after a request with the headers Connection: Upgrade and Upgrade: %s; or use HTTP",
			wire.Protocol, wire.Protocol)
	}
	if s.streams.closed() {
		return api.NewProblem(api.CodeClosing, "this node is shutting down; try another")
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return api.NewProblem(api.CodeInternal, "the protocol %s cannot be spoken on this connection: %v", wire.Protocol, err)
	}
	defer conn.Close()
	entry, _ := r.Context().Value(connectionKey{}).(*connection)
	entry.stay(conn)
	defer entry.leave(conn)
	st := s.newStream(conn, entry, buffered.Reader)
	if !s.streams.add(st) {
		return nil
	}
	defer s.streams.remove(st)
	term := strconv.FormatUint(uint64(s.cfg.Raft.Status().Term), 10)
	_ = conn.SetWriteDeadline(time.Now().Add(headerTimeout))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s: %s\r\n\r\n", wire.Protocol, api.HeaderTerm, term)
	if err == nil {
		st.run()
	}
	return nil
}

func (s *Server) newStream(conn net.Conn, entry *connection, buffered *bufio.Reader) *stream {
	st := &stream{server: s, conn: conn, entry: entry, wake: make(chan struct{}, 1)}
	st.ctx, st.forgotten = context.WithCancel(context.Background())
	st.room.L = &st.mu
	st.batch.reads = st.newReading()
	st.patience.stream = st
	already, _ := buffered.Peek(buffered.Buffered())
	st.in = wire.NewReader(&st.patience, already, true)
	st.in.Admit = st.admit
	return st
}

// run serves until the client goes, breaks a rule or is silent for long, or the node shuts down. But for the first, what was taken in is answered.
func (st *stream) run() {
	var writing sync.WaitGroup
	writing.Go(st.write)
	if why := st.read(); why != nil {
		st.sayGoodbye(why)
	} else {
		st.die()
	}
	writing.Wait()
	st.hangUp()
	st.die()
	st.slow.Wait()
}

// lingerTime is what a client gets to hear the last answers and to hang up.
const lingerTime = time.Second

// hangUp ends the connection so that what was written arrives: closing one on which something came that was not read would throw it away.
func (st *stream) hangUp() {
	half, ok := st.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = st.conn.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, io.LimitReader(st.conn, 2*wire.MaxFrame))
}

// read takes in requests until there are no more, and says why, unless it is the client that went.
func (st *stream) read() *api.Problem {
	for {
		err := st.takeBatch()
		var rule *wire.Error
		switch {
		case err == nil:
		case errors.As(err, &rule):
			return bad("what came is not of the protocol %s: %s", wire.Protocol, rule.Reason)
		case errors.Is(err, errLeaving), errors.Is(err, os.ErrDeadlineExceeded) && st.isLeaving():
			return api.NewProblem(api.CodeClosing, "this node is shutting down; try another")
		case errors.Is(err, os.ErrDeadlineExceeded) && st.in.Partial():
			return api.NewProblem(api.CodeTooSlow, "a request did not come in whole within %s; nothing was done", frameTime)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if st.isIdle() {
				return api.NewProblem(api.CodeClosing, "nothing was asked for %s", idleTimeout)
			}
		default:
			return nil
		}
	}
}

// admit takes room at the door for a large frame, before it has come in.
func (st *stream) admit(size int) bool {
	if st.server.door.take(int64(size)) != nil {
		return false
	}
	st.admitted = int64(size)
	return true
}

func (st *stream) isLeaving() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.leaving
}

func (st *stream) isIdle() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.pending == 0
}

// askToLeave lets the stream end as soon as what it has taken in is answered.
func (st *stream) askToLeave() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.leaving = true
	_ = st.conn.SetReadDeadline(time.Unix(1, 0)) // it reads no more
	st.room.Broadcast()
}

// sayGoodbye tells the client which requests were taken in.
func (st *stream) sayGoodbye(why *api.Problem) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.leaving, st.said = true, true
	st.out.buf = wire.AppendProblem(st.out.buf, wire.Goodbye, st.last, 0, 0, why)
	st.wakeWriter()
}

// die gives up all that is not written. Raft may still answer: that goes nowhere.
func (st *stream) die() {
	st.forgotten()
	_ = st.conn.Close()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.dead {
		return
	}
	st.dead = true
	if st.sweeper != nil {
		st.sweeper.Stop()
	}
	for len(st.flights) > 0 {
		st.settle(st.flights[0])
	}
	st.server.door.leave(st.out.places, st.out.bytes)
	if st.admitted > 0 {
		st.server.door.leave(1, st.admitted)
	}
	st.out = outgoing{}
	st.room.Broadcast()
	st.wakeWriter()
}

var errLeaving = errors.New("the stream is ending")

// patience reads the connection, and gives up when a request does not come in whole, or none comes, for too long.
type patience struct {
	stream *stream
	until  time.Time // the deadline that is set
	begun  time.Time // when the request that is coming in was first seen
	behind uint64    // the last one that was taken in then
}

func (p *patience) Read(b []byte) (int, error) {
	st, now := p.stream, time.Now()
	until := now.Add(idleTimeout)
	if st.in.Partial() {
		if p.begun.IsZero() || p.behind != st.last {
			p.begun, p.behind = now, st.last
		}
		until = p.begun.Add(frameTime)
	} else {
		p.begun = time.Time{}
	}
	st.mu.Lock()
	if st.leaving {
		st.mu.Unlock()
		return 0, errLeaving
	}
	if d := until.Sub(p.until); d < 0 || d > time.Second { // a deadline costs something to set
		p.until = until
		_ = st.conn.SetReadDeadline(until)
	}
	st.mu.Unlock()
	return st.conn.Read(b)
}

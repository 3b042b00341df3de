package client

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/wire"
)

// idleTime is how long a stream stays open that nobody uses: less than servers wait, so that they seldom close first.
const idleTime = 30 * time.Second

// maxKept bounds the buffer that is kept for reuse.
const maxKept = 256 << 10

var (
	errIdle   = errors.New("the stream was not used for long")
	errClosed = errors.New("the client was closed")
	errEnding = errors.New("the stream is ending")
)

// pending is a call on its way over a stream.
type pending struct {
	call     *call
	told     func() // called once, by any goroutine, when what is below is known
	id       uint64
	deadline time.Time
	began    time.Time
	heard    uint64 // frames that had come when it was sent

	answer wire.Answer // without pieces of frames: Data is its own, Detail is in detail
	detail string
	err    error // why there is no answer
	sent   bool  // with err: a byte of it may have left
}

// stream is one connection of the native protocol (package wire). Two goroutines own its halves; one timer ends the calls whose time is up.
type stream struct {
	conn    net.Conn
	in      *wire.Reader
	wake    chan struct{} // has a token when there is something to send, or to end
	running sync.WaitGroup
	lead    func(address string) // told where the leader is

	mu      sync.Mutex // a leaf
	waiting map[uint64]*pending
	last    uint64 // id of the last call
	handed  uint64 // of the last one of which a byte may have left
	heard   uint64 // frames that have come
	buf     []byte
	used    time.Time // when a call began last
	leaving bool      // no call begins any more: it ends when those that wait are told
	broken  error     // why it ended
	sweeper *time.Timer
	armed   time.Time
}

func newStream(conn net.Conn, already []byte, lead func(string)) *stream {
	s := &stream{conn: conn, in: wire.NewReader(conn, already, false), lead: lead, wake: make(chan struct{}, 1), waiting: map[uint64]*pending{}, used: time.Now()}
	s.armed = s.used.Add(idleTime)
	s.sweeper = time.AfterFunc(idleTime, s.sweep)
	s.running.Go(s.write)
	s.running.Go(s.read)
	return s
}

// usable tells whether calls can begin.
func (s *stream) usable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken == nil && !s.leaving
}

// send begins a call, unless the stream takes none any more: then nothing of it left, and it is not told.
func (s *stream) send(p *pending, timeout time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil || s.leaving {
		return errEnding
	}
	s.last++
	p.id, p.heard = s.last, s.heard
	s.used = p.began
	s.waiting[p.id] = p
	if p.call.isWrite {
		s.buf = wire.AppendWrite(s.buf, p.id, timeout, &p.call.command)
	} else {
		s.buf = wire.AppendGet(s.buf, p.id, p.call.kind, timeout, p.call.command.Key)
	}
	if p.deadline.Before(s.armed) {
		s.arm(p.deadline)
	}
	s.wakeWriter()
	return nil
}

// forget takes a call back whose caller waits no longer; false if it is being told.
func (s *stream) forget(p *pending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[p.id] != p {
		return false
	}
	delete(s.waiting, p.id)
	s.endIfDone()
	return true
}

func (s *stream) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends all that waits, as often as there is something.
func (s *stream) write() {
	var out []byte
	for range s.wake {
		runtime.Gosched() // whoever is adding adds the rest first
		if cap(out) > maxKept {
			out = nil
		}
		s.mu.Lock()
		out, s.buf = s.buf, out[:0]
		s.handed = s.last
		broken := s.broken
		s.mu.Unlock()
		if broken != nil {
			return
		}
		if _, err := s.conn.Write(out); err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *stream) read() {
	for {
		frame, err := s.in.Next()
		if err != nil {
			s.fail(err)
			return
		}
		answer, err := wire.ParseAnswer(frame)
		if err != nil {
			s.fail(err)
			return
		}
		switch answer.Kind {
		case wire.Leader:
			s.lead(string(answer.Data))
		case wire.Goodbye:
			s.leave(answer)
		default:
			if !s.tell(answer) {
				s.fail(errors.New("an answer to a call that was never made"))
				return
			}
		}
	}
}

// tell gives the answer to who waits for it, if anybody still does. It returns false if nobody ever did.
func (s *stream) tell(answer wire.Answer) bool {
	s.mu.Lock()
	p := s.waiting[answer.ID]
	delete(s.waiting, answer.ID)
	s.heard++
	known := answer.ID > 0 && answer.ID <= s.handed
	s.endIfDone()
	s.mu.Unlock()
	if p != nil {
		p.detail, answer.Detail = string(answer.Detail), nil
		if answer.Kind == wire.Value {
			answer.Data = append(make([]byte, 0, len(answer.Data)), answer.Data...)
		}
		p.answer, p.err = answer, nil
		p.told()
	}
	return known
}

// leave is for the server's last word: the calls that it did not read are told so, and those that it did are waited for.
func (s *stream) leave(answer wire.Answer) {
	answer.Kind, answer.Outcome = wire.Problem, api.Rejected
	detail := string(answer.Detail)
	answer.Detail = nil
	s.mu.Lock()
	s.leaving = true
	var unread []*pending
	for id, p := range s.waiting {
		if id > answer.ID {
			unread = append(unread, p)
			delete(s.waiting, id)
		}
	}
	s.endIfDone()
	s.mu.Unlock()
	for _, p := range unread {
		p.answer, p.detail, p.err = answer, detail, nil
		p.told()
	}
}

// endIfDone ends a stream that takes no calls when none is left. Call it under mu.
func (s *stream) endIfDone() {
	if s.leaving && len(s.waiting) == 0 && s.broken == nil {
		s.end(errEnding)
	}
}

// end is called under mu.
func (s *stream) end(err error) {
	s.broken = err
	s.sweeper.Stop()
	_ = s.conn.Close()
	s.wakeWriter()
}

// fail ends the stream, and tells all who wait whether their call can have left.
func (s *stream) fail(err error) {
	s.mu.Lock()
	if s.broken == nil {
		s.end(err)
	}
	waiting, handed := s.waiting, s.handed
	s.waiting = map[uint64]*pending{}
	s.mu.Unlock()
	for _, p := range waiting {
		p.err, p.sent = err, p.id <= handed
		p.told()
	}
}

// arm lets the sweeper come at that time. Call it under mu.
func (s *stream) arm(at time.Time) {
	s.armed = at
	s.sweeper.Reset(time.Until(at))
}

// minSweep is what lies between two sweeps at least.
const minSweep = 5 * time.Millisecond

// sweep tells the calls whose time is up, and ends a stream that nobody uses.
func (s *stream) sweep() {
	now := time.Now()
	s.mu.Lock()
	if s.broken != nil {
		s.mu.Unlock()
		return
	}
	var late []*pending
	next := now.Add(idleTime)
	for id, p := range s.waiting {
		if p.deadline.After(now) {
			if p.deadline.Before(next) {
				next = p.deadline
			}
			continue
		}
		late = append(late, p)
		delete(s.waiting, id)
		// Nothing came since it was sent: the server, or the way there, may be gone. Who comes next tries another connection.
		s.leaving = s.leaving || p.heard == s.heard
	}
	if len(s.waiting) == 0 {
		if idle := s.used.Add(idleTime); idle.After(now) {
			next = idle
		} else if len(late) == 0 {
			s.end(errIdle)
		}
	}
	s.endIfDone()
	if s.broken == nil {
		s.arm(laterOf(next, now.Add(minSweep)))
	}
	s.mu.Unlock()
	for _, p := range late {
		p.err, p.sent = errTimeUp, true
		p.told()
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// close ends the stream, and returns when nothing of it runs any more.
func (s *stream) close() {
	s.fail(errClosed)
	s.running.Wait()
}

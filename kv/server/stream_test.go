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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
	"github.com/raftnode/raft/kv/wire"
	"github.com/raftnode/raft/raft"
)

// caller speaks the native protocol by hand.
type caller struct {
	t    *testing.T
	conn net.Conn
	in   *wire.Reader
	id   uint64
}

const upgrade = "GET /v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raftkv/1\r\n\r\n"

func (n *node) stream() *caller {
	n.t.Helper()
	conn := n.dial()
	n.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, upgrade); err != nil {
		n.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil) //nolint:bodyclose // what follows is no body
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "raftkv/1" || resp.Header.Get(api.HeaderTerm) == "" {
		n.t.Fatalf("%v, %+v", err, resp)
	}
	already, _ := in.Peek(in.Buffered())
	return &caller{t: n.t, conn: conn, in: wire.NewReader(conn, already, true)}
}

func (c *caller) says(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// write and get give a request with the next id.
func (c *caller) write(timeout time.Duration, cmd command.Command) []byte {
	c.id++
	return wire.AppendWrite(nil, c.id, timeout, &cmd)
}

func (c *caller) get(kind wire.Kind, timeout time.Duration, key string) []byte {
	c.id++
	return wire.AppendGet(nil, c.id, kind, timeout, key)
}

// hears gives the next answer that is no hint.
func (c *caller) hears() wire.Answer {
	c.t.Helper()
	for {
		frame, err := c.in.Next()
		if err != nil {
			c.t.Fatalf("no answer: %v", err)
		}
		answer, err := wire.ParseAnswer(frame)
		if err != nil {
			c.t.Fatal(err)
		}
		if answer.Kind != wire.Leader {
			return answer
		}
	}
}

func (c *caller) asks(request []byte) wire.Answer {
	c.t.Helper()
	c.says(request)
	answer := c.hears()
	if answer.ID != c.id && answer.Kind != wire.Goodbye {
		c.t.Fatalf("an answer to %d, and %d was asked", answer.ID, c.id)
	}
	return answer
}

// ended waits until the server has closed the connection.
func (c *caller) ended() {
	c.t.Helper()
	if _, err := c.in.Next(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the connection was left open: %v", err)
	}
}

func (c *caller) is(a wire.Answer, want ...string) {
	c.t.Helper()
	if a.Kind != wire.Problem && a.Kind != wire.Goodbye || string(a.Code) != want[0] || string(a.Outcome) != want[1] || len(a.Detail) == 0 {
		c.t.Errorf("got %+v: %s; want %v", a, a.Detail, want)
	}
}

const second = time.Second

func put(key, value string) command.Command {
	return command.Command{Op: command.Put, Key: key, Value: []byte(value)}
}

func TestTheLifeOfAKeyOverAStream(t *testing.T) {
	n := single(t)
	c := n.stream()
	c.is(c.asks(c.get(wire.Get, second, "k")), "not-found", "rejected")
	if a := c.asks(c.write(second, put("k", "hello"))); a.Kind != wire.Written || a.Index != 11 || a.Term != 2 {
		t.Errorf("%+v", a)
	}
	for _, kind := range []wire.Kind{wire.Get, wire.StaleGet} {
		if a := c.asks(c.get(kind, second, "k")); a.Kind != wire.Value || string(a.Data) != "hello" || a.Version != 11 || a.Index != 11 {
			t.Errorf("%+v", a)
		}
	}
	first := c.asks(c.write(second, command.Command{Op: command.Append, Key: "k", Value: []byte("!"), Client: "me", Seq: 1}))
	again := c.asks(c.write(second, command.Command{Op: command.Append, Key: "k", Value: []byte("!"), Client: "me", Seq: 1}))
	if first.Kind != wire.Written || again.Index != first.Index {
		t.Errorf("a repeat: %+v, and first %+v", again, first)
	}
	large := strings.Repeat("v", 1<<20)
	if a := c.asks(c.write(second, put("large", large))); a.Kind != wire.Written {
		t.Errorf("%+v: %s", a, a.Detail)
	}
	if a := c.asks(c.get(wire.Get, second, "large")); string(a.Data) != large {
		t.Errorf("%d bytes came back", len(a.Data))
	}
}

// Every error of the log and of a request: the code and the outcome are those of HTTP.
func TestAStreamSaysWhatHTTPSays(t *testing.T) {
	nodes := cluster(t, 2)
	n := nodes[0]
	plain := func(cmd command.Command) seen {
		headers := []string{"Raft-Timeout: 100ms"}
		switch cmd.If {
		case command.IfVersion:
			headers = append(headers, fmt.Sprintf("If-Match: %q", fmt.Sprint(cmd.Version)))
		case command.IfExists:
			headers = append(headers, "If-Match: *")
		case command.IfAbsent:
			headers = append(headers, "If-None-Match: *")
		}
		if cmd.Client != "" {
			headers = append(headers, "Raft-Client: "+cmd.Client, fmt.Sprint("Raft-Seq: ", cmd.Seq))
		}
		method, path := map[uint8]string{command.Put: "PUT", command.Append: "POST", command.Delete: "DELETE"}[cmd.Op], "/v1/kv/"
		if cmd.Op == command.Append {
			path = "/v1/append/"
		}
		return n.do(method, path+cmd.Key, string(cmd.Value), headers...)
	}
	c := n.stream()
	c.asks(c.write(second, put("k", "v")))
	for name, test := range map[string]struct {
		err error
		cmd command.Command
	}{
		"done":               {nil, put("k", "v")},
		"busy":               {raft.ErrBusy, put("k", "v")},
		"log full":           {raft.ErrLogFull, put("k", "v")},
		"closed":             {raft.ErrClosed, put("k", "v")},
		"too large":          {raft.ErrTooLarge, put("k", "v")},
		"time up":            {&raft.UnknownError{Err: context.DeadlineExceeded}, put("k", "v")},
		"unknown, closed":    {&raft.UnknownError{Err: raft.ErrClosed}, put("k", "v")},
		"unknown, replaced":  {&raft.UnknownError{Err: raft.ErrReplaced}, put("k", "v")},
		"something new":      {errors.New("something new"), put("k", "v")},
		"no leader":          {&raft.NotLeaderError{}, put("k", "v")},
		"replaced":           {raft.ErrReplaced, put("k", "v")},
		"no space":           {raft.ErrNoSpace, put("k", "v")},
		"leader not reached": {&raft.NotLeaderError{Leader: "n9"}, put("k", "v")},
		"passed on":          {&raft.NotLeaderError{Leader: "n2"}, put("k", "v")},
		"condition":          {nil, command.Command{Op: command.Delete, Key: "k", If: command.IfVersion, Version: 3}},
		"condition, absent":  {nil, command.Command{Op: command.Append, Key: "k", If: command.IfAbsent}},
		"session unknown":    {nil, command.Command{Op: command.Put, Key: "k", Client: "new", Seq: 2}},
		"key":                {nil, put(strings.Repeat("k", api.MaxKeyBytes+1), "")},
		"value":              {nil, put("k", strings.Repeat("v", api.MaxValueBytes+1))},
		"client":             {nil, command.Command{Op: command.Put, Key: "k", Client: strings.Repeat("c", 129), Seq: 1}},
	} {
		n.raft.failWith(nil)
		if test.err != nil {
			n.raft.failWith(func(context.Context) error { return test.err })
		}
		want, got := plain(test.cmd), c.asks(c.write(100*time.Millisecond, test.cmd))
		if want.status == 200 != (got.Kind == wire.Written) || want.problem.Code != got.Code || want.problem.Outcome != got.Outcome {
			t.Errorf("%s: HTTP says %d %s (%s), the stream %s (%s) %s", name, want.status, want.problem.Code, want.problem.Outcome, got.Code, got.Outcome, got.Detail)
		}
		if want.problem.Code != "" && want.problem.Code != api.CodeUnknown && string(got.Detail) == "" {
			t.Errorf("%s: without words", name)
		}
		reads, read := n.do("GET", "/v1/kv/k", "", "Raft-Timeout: 100ms"), c.asks(c.get(wire.Get, 100*time.Millisecond, "k"))
		if reads.status == 200 != (read.Kind == wire.Value) || reads.problem.Code != read.Code || reads.problem.Outcome != read.Outcome {
			t.Errorf("%s, a read: HTTP says %d %s, the stream %s %s", name, reads.status, reads.problem.Code, read.Code, read.Detail)
		}
	}
}

func TestMistakesOfOneRequestAreAnswered(t *testing.T) {
	n := single(t)
	c := n.stream()
	c.is(c.asks(c.get(wire.Get, 0, "k")), "bad-request", "rejected")
	c.is(c.asks(c.get(wire.Get, time.Hour, "k")), "bad-request", "rejected")
	c.is(c.asks(c.get(9, second, "k")), "bad-request", "rejected")
	c.is(c.asks(c.get(wire.Get, second, "")), "bad-request", "rejected")
	c.is(c.asks(c.get(wire.StaleGet, second, strings.Repeat("k", 1025))), "key-too-large", "rejected")
	c.is(c.asks(c.get(wire.Write, second, "garbage")), "bad-request", "rejected")
	if n.raft.committed() != 0 {
		t.Error("a mistake was committed")
	}
	if a := c.asks(c.write(second, put("k", "v"))); a.Kind != wire.Written {
		t.Errorf("and then: %+v", a)
	}
}

// Who breaks a rule is told which, after what he was owed; then the connection ends.
func TestABrokenRuleEndsTheStream(t *testing.T) {
	n := single(t)
	for name, garbage := range map[string][]byte{
		"too long": []byte("\xff\xff\xff\x7f"), "too short": []byte("\x01\x00\x00\x00\x00"), "an id again": wire.AppendGet(nil, 1, wire.Get, second, "k"),
		"HTTP": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		c := n.stream()
		c.says(append(c.write(second, put("k", "v")), garbage...))
		if a := c.hears(); a.ID != 1 || a.Kind != wire.Written {
			t.Errorf("%s: %+v", name, a)
		}
		a := c.hears()
		if c.is(a, "bad-request", "rejected"); a.Kind != wire.Goodbye || a.ID != 1 || !strings.Contains(string(a.Detail), "raftkv/1") {
			t.Errorf("%s: %+v %s", name, a, a.Detail)
		}
		c.ended()
	}
}

func TestWhatIsNoUpgrade(t *testing.T) {
	n := single(t)
	n.is(n.do("GET", "/v1/stream", ""), 426, "upgrade-required", "rejected")
	n.is(n.do("GET", "/v1/stream", "", "Upgrade: raftkv/9"), 426, "upgrade-required", "rejected")
	n.is(n.do("PUT", "/v1/stream", ""), 405, "method-not-allowed", "rejected")
}

// A held raft keeps what it is asked until it is told.
type heldRaft struct {
	*fakeRaft
	mu     sync.Mutex
	offers []raft.Offer
	reads  []func(raft.Index, error)
	asked  chan struct{}
}

func (h *heldRaft) ProposeAll(offers []raft.Offer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offers = append(h.offers, offers...)
	h.asked <- struct{}{}
}

func (h *heldRaft) ReadAsync(done func(raft.Index, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads = append(h.reads, done)
	h.asked <- struct{}{}
}

func held(t *testing.T) (*node, *heldRaft) {
	var h *heldRaft
	n := single(t, func(cfg *Config) {
		h = &heldRaft{fakeRaft: cfg.Raft.(*fakeRaft), asked: make(chan struct{}, 10000)}
		cfg.Raft = h
	})
	return n, h
}

// One batch from the socket to the Raft; answers come as they are ready, and what the Raft does not answer in time is in doubt.
func TestRequestsGoTogetherAndAnswersAsTheyAreReady(t *testing.T) {
	n, h := held(t)
	c := n.stream()
	var all []byte
	for range 3 {
		all = append(all, c.write(10*second, put("k", "v"))...)
	}
	all = append(all, c.get(wire.Get, 10*second, "k")...)
	all = append(all, c.get(wire.Get, 10*second, "k")...)
	c.says(all)
	<-h.asked
	<-h.asked
	if len(h.offers) != 3 || len(h.reads) != 1 {
		t.Fatalf("%d offers and %d reads, want 3 and 1", len(h.offers), len(h.reads))
	}
	for _, i := range []int{2, 0, 1} {
		h.offers[i].To.Done(h.Propose(context.Background(), h.offers[i].Command))
		if a := c.hears(); a.ID != uint64(i+1) || a.Kind != wire.Written {
			t.Errorf("%+v, want the answer to %d", a, i+1)
		}
	}
	h.reads[0](0, nil)
	for id := range uint64(2) {
		if a := c.hears(); a.ID != 4+id || a.Kind != wire.Value || a.Version != 13 {
			t.Errorf("%+v", a)
		}
	}
}

func TestTheTimeOfARequestIsUp(t *testing.T) {
	n, h := held(t)
	c := n.stream()
	c.says(append(c.write(30*time.Millisecond, put("k", "v")), c.get(wire.Get, 20*second, "k")...))
	c.is(c.hears(), "outcome-unknown", "unknown")
	h.offers[0].To.Done(h.Propose(context.Background(), h.offers[0].Command)) // too late: that goes nowhere
	c.says(c.get(wire.Get, 30*time.Millisecond, "k"))
	if a := c.hears(); a.ID != 3 || a.Code != api.CodeNoQuorum || a.Outcome != api.Rejected {
		t.Errorf("%+v %s", a, a.Detail)
	}
	<-h.asked
	<-h.asked
	h.reads[0](0, nil)
	if a := c.hears(); a.ID != 2 || a.Kind != wire.Value {
		t.Errorf("the one with time left: %+v %s", a, a.Detail)
	}
}

// A node that stops says which requests it took in, and answers them.
func TestAStreamEndsWithTheNode(t *testing.T) {
	n, h := held(t)
	c := n.stream()
	c.says(c.write(20*second, put("k", "v")))
	<-h.asked
	ended := make(chan error, 1)
	go func() { ended <- n.kv.Shutdown(context.Background()) }()
	a := c.hears()
	if c.is(a, "shutting-down", "rejected"); a.Kind != wire.Goodbye || a.ID != 1 {
		t.Errorf("%+v", a)
	}
	n.is(n.do("GET", "/v1/stream", "", "Upgrade: raftkv/1"), 503, "shutting-down", "rejected")
	h.offers[0].To.Done(raft.Applied{}, &raft.UnknownError{Err: raft.ErrClosed})
	c.is(c.hears(), "outcome-unknown", "unknown")
	c.ended()
	c.conn.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n.kv.door.requests != 0 || n.kv.door.bytes != 0 {
		t.Errorf("%d requests with %d bytes are left at the door", n.kv.door.requests, n.kv.door.bytes)
	}
}

// A client that does not read is not read from, and what waits for it is bounded.
func TestASlowReaderIsHeldBack(t *testing.T) {
	n := single(t)
	c := n.stream()
	if a := c.asks(c.write(second, put("large", strings.Repeat("v", 1<<20)))); a.Kind != wire.Written {
		t.Fatal(a)
	}
	var asked int
	_ = c.conn.SetWriteDeadline(time.Now().Add(2 * second))
	for ; asked < 4*maxInFlight; asked++ {
		if _, err := c.conn.Write(c.get(wire.StaleGet, 20*second, "large")); err != nil {
			break
		}
	}
	n.kv.streams.each(func(st *stream) {
		st.mu.Lock()
		defer st.mu.Unlock()
		// Some are being written, and as many wait to be next: values of 1 MiB, until there is as much as may be.
		if values := st.pending - len(st.late); st.pending > maxInFlight || values > 2*(maxOut>>20+1) {
			t.Errorf("%d requests are pending, and %d of their answers are made", st.pending, values)
		}
		if st.pending < maxInFlight/2 {
			t.Errorf("only %d requests are pending of %d: the test shows nothing", st.pending, asked)
		}
	})
	for i := range 100 { // those that were taken in are answered as soon as the client reads
		if a := c.hears(); a.ID != uint64(i+2) || len(a.Data) != 1<<20 {
			t.Fatalf("answer %d is to %d, of %d bytes", i, a.ID, len(a.Data))
		}
	}
}

func TestARequestThatDoesNotFitAtTheDoor(t *testing.T) {
	n := single(t, func(cfg *Config) { cfg.MaxBodyBytes = 200_000; cfg.MaxRequests = 2 })
	c := n.stream()
	c.is(c.asks(c.write(second, put("k", strings.Repeat("v", 300_000)))), "busy", "rejected")
	for range 5 { // room is given back
		if a := c.asks(c.write(second, put("k", strings.Repeat("v", 100_000)))); a.Kind != wire.Written {
			t.Fatalf("%+v %s", a, a.Detail)
		}
	}
}

// Requests of a stream to a follower are passed on, and the client is told where to go.
func TestAFollowersStream(t *testing.T) {
	leader, follower := pair(t)
	c := follower.stream()
	c.says(c.write(5*second, command.Command{Op: command.Put, Key: "a/../\xff?", Value: []byte("v"), If: command.IfAbsent, Client: "me", Seq: 1}))
	hint, err := c.in.Next()
	if a, _ := wire.ParseAnswer(hint); err != nil || a.Kind != wire.Leader || string(a.Data) != leader.addr {
		t.Errorf("%v, %+v", err, a)
	}
	if a := c.hears(); a.Kind != wire.Written || a.Index != 11 || a.Term != 2 {
		t.Errorf("%+v %s", a, a.Detail)
	}
	if a := c.asks(c.get(wire.Get, 5*second, "a/../\xff?")); a.Kind != wire.Value || string(a.Data) != "v" || a.Version != 11 {
		t.Errorf("%+v %s", a, a.Detail)
	}
	c.is(c.asks(c.get(wire.StaleGet, 5*second, "a/../\xff?")), "not-found", "rejected")
	if leader.raft.committed() != 1 || follower.raft.committed() != 0 {
		t.Error("it was not the leader who did it")
	}
}

// silentConn swallows what is written.
type silentConn struct{ net.Conn }

func (silentConn) Write(b []byte) (int, error) { return len(b), nil }
func (silentConn) Close() error                { return nil }

// No allocation for a request: its place is used again, and its bytes go to the Raft as they came.
func TestWhatARequestAllocates(t *testing.T) {
	n, h := held(t)
	st := n.kv.newStream(silentConn{}, nil, bufio.NewReader(strings.NewReader("")))
	defer st.die()
	var frames [][]byte
	const batch, runs = 100, 20
	for id := range uint64(batch * (runs + 2)) {
		cmd := put("k", "v")
		frames = append(frames, wire.AppendWrite(nil, id+1, second, &cmd)[4:])
	}
	applied, _ := h.Propose(context.Background(), frames[0][13:])
	next := 0
	each := testing.AllocsPerRun(runs, func() {
		st.batch.now = time.Now()
		for range batch {
			if err := st.take(frames[next]); err != nil {
				t.Error(err)
			}
			next++
		}
		h.offers = h.offers[:0]
		st.offer()
		<-h.asked
		for _, o := range h.offers {
			o.To.Done(applied, nil)
		}
		st.mu.Lock()
		out := st.out
		st.out = out.empty()
		st.mu.Unlock()
		n.kv.door.leave(out.places, out.bytes)
		st.wrote(out.answers)
	})
	if each > batch/20 {
		t.Errorf("%d requests allocate %v times", batch, each)
	}
}

package raw

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/raftnode/raft/kv/load"
)

// shelf is a Handler that answers when it is told to, or at once.
type shelf struct {
	store *Store
	held  chan Request // if it is not nil, puts go there
}

func (s *shelf) Put(r Request) {
	if s.held != nil {
		s.held <- r
		return
	}
	if err := s.store.Apply(r.Command); err != nil {
		r.Failed(err)
		return
	}
	r.Done(nil)
}
func (s *shelf) Get(r Request) { s.store.Answer(r) }
func (s *shelf) Leads() bool   { return s.held == nil }

func serve(t *testing.T, h Handler) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Serve(listener, h) }()
	t.Cleanup(func() {
		listener.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func dial(t *testing.T, addr string, conns int) *Client {
	t.Helper()
	c, err := Dial(t.Context(), addr, conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// do waits for one operation.
func do(c *Client, op load.Op) error {
	answer := make(chan error)
	c.Start(context.Background(), op, func(err error) { answer <- err })
	return <-answer
}

func TestPutsAndGets(t *testing.T) {
	s := &shelf{store: NewStore()}
	c := dial(t, serve(t, s), 2)
	var all sync.WaitGroup
	value := bytes.Repeat([]byte("v"), 5000)
	for i := range 1000 {
		all.Add(1)
		c.Start(t.Context(), load.Op{Kind: load.Put, Key: "k" + string(rune('a'+i%26)), Value: value}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	all.Wait()
	if len(s.store.values) != 26 || !bytes.Equal(s.store.values["kz"], value) {
		t.Errorf("%d keys, %.10q", len(s.store.values), s.store.values["kz"])
	}
	if err := do(c, load.Op{Kind: load.Get, Key: "ka"}); err != nil {
		t.Error(err)
	}
	if leads, err := c.Leads(t.Context()); err != nil || !leads {
		t.Errorf("leads %t, %v", leads, err)
	}
}

// Answers come in any order; each finds who waits for it.
func TestAnswersInAnotherOrder(t *testing.T) {
	s := &shelf{held: make(chan Request, 3)}
	c := dial(t, serve(t, s), 1)
	answers := map[string]chan error{}
	for _, key := range []string{"one", "two", "three"} {
		answers[key] = make(chan error, 1)
		c.Start(t.Context(), load.Op{Key: key}, func(err error) { answers[key] <- err })
	}
	var held []Request
	for range 3 {
		held = append(held, <-s.held)
	}
	held[2].Done(nil)
	if err := <-answers["three"]; err != nil {
		t.Error(err)
	}
	held[0].Failed(errors.New("no room"))
	if err := <-answers["one"]; err == nil || err.Error() != "raw: no room" {
		t.Error(err)
	}
	held[1].Done(nil)
	if err := <-answers["two"]; err != nil {
		t.Error(err)
	}
	if leads, err := c.Leads(t.Context()); err != nil || leads {
		t.Errorf("leads %t, %v", leads, err)
	}
}

func TestAConnectionThatEndsFailsWhatIsInFlight(t *testing.T) {
	s := &shelf{held: make(chan Request, 1)}
	c := dial(t, serve(t, s), 1)
	answer := make(chan error, 1)
	c.Start(t.Context(), load.Op{Key: "k"}, func(err error) { answer <- err })
	(<-s.held).out.conn.Close()
	if err := <-answer; err == nil || !strings.Contains(err.Error(), "the connection broke") {
		t.Error(err)
	}
	if err := do(c, load.Op{Key: "k"}); err == nil {
		t.Error("a broken connection takes another operation")
	}
}

func TestAnAnswerThatNobodyWaitsForEndsTheConnection(t *testing.T) {
	client, server := net.Pipe()
	c := newClientConn(client)
	defer c.running.Wait()
	if _, err := server.Write(appendHeader(nil, 7, uint8(done), 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	if _, err := c.enter(nil); err == nil || !strings.Contains(err.Error(), "request 7, which nobody sent") {
		t.Error(err)
	}
}

func TestFrames(t *testing.T) {
	long := binary.LittleEndian.AppendUint32(nil, maxFrame+1)
	for name, test := range map[string]struct {
		bytes []byte
		says  string
	}{
		"too long":  {append(long, make([]byte, 20)...), "a frame of 2097153 bytes; possible are 9 to 2097152"},
		"too short": {make([]byte, 20), "a frame of 0 bytes"},
		"cut":       {appendHeader(nil, 1, 1, 5), "EOF"},
		"nothing":   {nil, "EOF"},
	} {
		if _, _, _, err := readFrame(bufio.NewReader(bytes.NewReader(test.bytes))); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
	for _, command := range [][]byte{nil, {1}, {5, 0, 'a'}} {
		if _, _, err := Split(command); err == nil {
			t.Errorf("%v is taken for a command", command)
		}
	}
	if key, value, err := Split(appendCommand(nil, "key", []byte("value"))); err != nil || string(key) != "key" || string(value) != "value" {
		t.Errorf("%s, %s, %v", key, value, err)
	}
}

func TestAServerEndsConnectionsThatItDoesNotUnderstand(t *testing.T) {
	addr := serve(t, &shelf{store: NewStore()})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(appendHeader(nil, 1, 99, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("it answers with %d bytes", n)
	}
}

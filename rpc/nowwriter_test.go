//go:build unix

package rpc

import (
	"net"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// socketWriter gives a writer to a socket, and the socket's other end. No goroutine runs for it.
func socketWriter(t *testing.T) (w *writer, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	w = benchWriter(t)
	w.conn, w.now, w.rush = near, newNowWriter(near), 0
	w.link.writer.Store(w)
	return w, far
}

// woken tells whether there is something left for the goroutine of the link, and forgets it.
func woken(w *writer) bool {
	select {
	case <-w.link.wake:
		return true
	default:
		return false
	}
}

// Who sends a message writes it, and nobody has to be woken.
func TestSendWritesWithoutAnotherGoroutine(t *testing.T) {
	w, far := socketWriter(t)
	w.link.Send(&consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}})
	if woken(w) {
		t.Fatal("it was left to another goroutine")
	}
	in := &frameReader{r: far, max: 1 << 10}
	if kind, _, err := in.next(); err != nil || kind != KindAppendEntries {
		t.Fatalf("%v, %v", kind, err)
	}
	if n := w.link.stats.sent.Load(); n != 1 {
		t.Errorf("%d messages are counted", n)
	}
}

// What a connection does not take is left, in the middle of a frame, to who can wait for it: nothing is lost or sent twice.
func TestWhatIsNotTakenAtOnceIsLeft(t *testing.T) {
	w, far := socketWriter(t)
	sent := 0
	for !woken(w) {
		w.link.Send(batch())
		sent++
	}
	w.link.Send(batch()) // behind what is left
	sent++
	if !woken(w) || len(w.rest) == 0 {
		t.Fatalf("after %d messages %d bytes are left", sent, len(w.rest))
	}
	written := make(chan error, 1)
	go func() { written <- w.write(false) }()
	in := &frameReader{r: far, max: 1 << 20}
	for i := range sent {
		if kind, _, err := in.next(); err != nil || kind != KindAppendEntries {
			t.Fatalf("message %d of %d: %v, %v", i, sent, kind, err)
		}
	}
	if err := <-written; err != nil || w.link.stats.sent.Load() != uint64(sent) {
		t.Errorf("%v, and %d messages are counted", err, w.link.stats.sent.Load())
	}
	if want := w.link.stats.sentBytes.Load(); want < uint64(sent)*8000 {
		t.Errorf("%d bytes are counted", want)
	}
}

// A message that comes when a connection has ended waits for the next one.
func TestAConnectionThatEndedIsNotWrittenTo(t *testing.T) {
	w, _ := socketWriter(t)
	w.end()
	w.link.Send(&consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}})
	if !woken(w) || w.link.queue.small.len() != 1 {
		t.Error("the message went to a connection that has ended, or nobody was woken for it")
	}
}

// What the queue had no room for is told by the goroutine of the link, not by who sends.
func TestDropsWakeTheLink(t *testing.T) {
	w, _ := socketWriter(t)
	w.link.queue.drop()
	w.link.Send(&consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}})
	if !woken(w) {
		t.Error("nobody is woken to tell of what was dropped")
	}
}

// metered is a connection that does something of its own with what is written.
type metered struct{ *net.TCPConn }

func TestAWrappedSocketIsNotGoneAround(t *testing.T) {
	w, _ := socketWriter(t)
	if newNowWriter(w.conn) == nil {
		t.Error("a socket is not written to at once")
	}
	if newNowWriter(&metered{w.conn.(*net.TCPConn)}) != nil {
		t.Error("a connection that wraps a socket is gone around")
	}
}

// Messages that come one right behind the other are one write, of the link's goroutine.
func TestARushOfMessagesIsLeftToTheLink(t *testing.T) {
	w, _ := socketWriter(t)
	w.rush = time.Hour
	w.link.Send(&consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}})
	if !woken(w) || w.link.queue.small.len() != 1 {
		t.Error("a message right behind another is written by itself")
	}
}

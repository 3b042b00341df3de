package raw

import (
	"bufio"
	"net"
	"sync"
)

// Handler is what a peer does.
type Handler interface {
	// Put does the command, which it may keep, and answers the request, now or later. It may wait for room: the connection
	// is then not read.
	Put(r Request)
	// Get answers with the value of the key in the command, linearizably.
	Get(r Request)
	// Leads tells whether this process is the one to ask.
	Leads() bool
}

// Gatherer is a Handler that gathers requests.
type Gatherer interface {
	Handler
	// Gathered is called when no more requests of a connection are at hand, after all of them.
	Gathered()
}

// Request is one request. It must be answered once.
type Request struct {
	Command []byte
	id      uint64
	out     *writer
}

// Done answers that it was done.
func (r Request) Done(value []byte) { r.answer(done, value) }

// Failed answers that it was not, or that nobody knows.
func (r Request) Failed(err error) { r.answer(failed, []byte(err.Error())) }

func (r Request) answer(s status, rest []byte) {
	r.out.add(func(to []byte) []byte {
		return append(appendHeader(to, r.id, uint8(s), len(rest)), rest...)
	}) // if it is closed there is nobody to tell
}

// Serve answers the connections of the listener until that is closed, and then closes them.
func Serve(listener net.Listener, handler Handler) error {
	var mu sync.Mutex
	var running sync.WaitGroup
	open := map[net.Conn]bool{}
	defer func() {
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		running.Wait()
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		mu.Lock()
		open[conn] = true
		mu.Unlock()
		running.Go(func() {
			serveConn(conn, handler)
			mu.Lock()
			delete(open, conn)
			mu.Unlock()
		})
	}
}

func serveConn(conn net.Conn, handler Handler) {
	out := newWriter(conn)
	var writing sync.WaitGroup
	writing.Go(out.run)
	defer writing.Wait()
	defer out.close()
	gathered := func() {}
	if g, ok := handler.(Gatherer); ok {
		gathered = g.Gathered
	}
	in := bufio.NewReaderSize(conn, bufferBytes)
	for {
		if in.Buffered() == 0 {
			gathered()
		}
		id, what, command, err := readFrame(in)
		if err != nil {
			return
		}
		r := Request{Command: command, id: id, out: out}
		switch kind(what) {
		case put:
			handler.Put(r)
		case get:
			handler.Get(r)
		case leads:
			value := []byte{0}
			if handler.Leads() {
				value[0] = 1
			}
			r.Done(value)
		default:
			return
		}
	}
}

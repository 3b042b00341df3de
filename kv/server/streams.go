package server

import (
	"context"
	"sync"
	"time"
)

// closeTime is what streams get to write their last answers when the Server is closed.
const closeTime = time.Second

// streams are those that are open.
type streams struct {
	mu      sync.Mutex
	open    map[*stream]bool
	closing bool
	running sync.WaitGroup
}

func (s *streams) add(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.open[st] = true
	s.running.Add(1)
	return true
}

func (s *streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	s.running.Done()
}

func (s *streams) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// each calls do with all that are open, and lets no more begin.
func (s *streams) each(do func(*stream)) {
	s.mu.Lock()
	s.closing = true
	all := make([]*stream, 0, len(s.open))
	for st := range s.open {
		all = append(all, st)
	}
	s.mu.Unlock()
	for _, st := range all {
		do(st)
	}
}

// Shutdown lets streams end, as http.Server.Shutdown lets requests: no more requests are taken in, and it returns when those that were are answered, or ctx
// ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.streams.each((*stream).askToLeave)
	ended := make(chan struct{})
	go func() { // ends with the streams: Close sees to it
		s.streams.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the streams, and closes the idle connections to other servers. When the Raft was closed before, all requests that were taken in are answered.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = s.Shutdown(ctx) // else they are cut off
	s.streams.each((*stream).die)
	s.streams.running.Wait()
	s.sender.Close()
}

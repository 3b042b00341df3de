package client

import (
	"crypto/rand"
	"sync"
)

// session is a client id, as servers know it, and the number of its next write. It is used by one
// write at a time, and only as long as the fate of all its writes is known: after an error that leaves a
// doubt it is thrown away, so that no later write can be mistaken for the lost one.
type session struct {
	id   string
	next uint64
}

// maxIdleSessions bounds what is kept for reuse: each costs the servers a place in their table.
const maxIdleSessions = 256

// sessions are those that no write uses now.
type sessions struct {
	mu   sync.Mutex
	idle []session
}

func newSession() session { return session{id: rand.Text(), next: 1} }

func (s *sessions) take() session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		last := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return last
	}
	return newSession()
}

// give takes a session back whose last write is in the session tables of the servers.
func (s *sessions) give(used session) {
	used.next++
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) < maxIdleSessions {
		s.idle = append(s.idle, used)
	}
}

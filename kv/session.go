package kv

import "container/list"

// sessions remembers for each client its last command and the Result, so that a repeat is recognised. What
// is forgotten, and when, follows from the log alone: all servers forget the same.
type sessions struct {
	limit int
	byID  map[string]*list.Element
	used  *list.List // of *session; front: whose last command is furthest back in the log
}

type session struct {
	client string
	seq    uint64 // of the last command that was done or refused
	result Result // of that command
}

func newSessions(limit int) *sessions {
	return &sessions{limit: limit, byID: map[string]*list.Element{}, used: list.New()}
}

// repeated gives the Result for a command that must not be done, because it was already, or because
// it cannot be told whether it was.
func (s *sessions) repeated(client []byte, seq uint64) (Result, bool) {
	element, known := s.byID[string(client)]
	if !known {
		return Result{Code: SessionUnknown}, seq != 1
	}
	s.used.MoveToBack(element)
	last := element.Value.(*session)
	switch {
	case seq < last.seq:
		return Result{Code: SessionStale}, true
	case seq == last.seq:
		return last.result, true
	}
	return Result{}, false
}

// remember keeps the Result of a command that repeated did not know.
func (s *sessions) remember(client []byte, seq uint64, result Result) {
	if element, known := s.byID[string(client)]; known {
		last := element.Value.(*session)
		last.seq, last.result = seq, result
		return
	}
	if s.used.Len() >= s.limit {
		oldest := s.used.Remove(s.used.Front()).(*session)
		delete(s.byID, oldest.client)
	}
	s.add(&session{client: string(client), seq: seq, result: result})
}

// add adds the session of a client that has none. It will be forgotten after all others.
func (s *sessions) add(one *session) { s.byID[one.client] = s.used.PushBack(one) }

// copy gives the sessions as they are now, in the order in which they will be forgotten.
func (s *sessions) copy() []session {
	all := make([]session, 0, s.used.Len())
	for e := s.used.Front(); e != nil; e = e.Next() {
		all = append(all, *e.Value.(*session))
	}
	return all
}

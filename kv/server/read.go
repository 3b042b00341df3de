package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
)

// What an answer takes of memory, roughly: values are the Store's own, lists are built.
const (
	sharedRoom = 0
	listRoom   = 1 << 20
)

// get answers GET and HEAD of a key.
func (s *Server) get(w http.ResponseWriter, r *http.Request, escapedKey string) *api.Problem {
	key, problem := parseKey(escapedKey)
	if problem != nil {
		return problem
	}
	query, problem := parseQuery(r, "consistency")
	if problem != nil {
		return problem
	}
	return s.readState(w, r, query, sharedRoom, func() {
		item, at, found := s.cfg.Store.Get(key)
		if !found {
			s.refuse(w, noSuchKey(), readFrom(at))
			return
		}
		w.Header().Set("ETag", etag(item.Version))
		w.Header().Set("Content-Type", "application/octet-stream")
		s.answer(w, http.StatusOK, readFrom(at), item.Value)
	})
}

func noSuchKey() *api.Problem { return api.NewProblem(api.CodeNotFound, "there is no such key") }

// list answers GET of the keys.
func (s *Server) list(w http.ResponseWriter, r *http.Request) *api.Problem {
	query, problem := parseQuery(r, "prefix", "after", "limit", "consistency")
	if problem != nil {
		return problem
	}
	prefix, after, limit := query.Get("prefix"), query.Get("after"), api.DefaultListLimit
	if len(prefix) > api.MaxKeyBytes || len(after) > api.MaxKeyBytes {
		return api.NewProblem(api.CodeKeyTooLarge, "prefix and after have at most %d bytes, as keys have", api.MaxKeyBytes)
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > api.MaxListLimit {
			return bad("the limit %.50q is not a number from 1 to %d", text, api.MaxListLimit)
		}
		limit = n
	}
	return s.readState(w, r, query, listRoom, func() {
		entries, more, at := s.cfg.Store.List(prefix, after, limit)
		s.answerJSON(w, http.StatusOK, readFrom(at), listed(entries, more))
	})
}

func listed(entries []kv.Entry, more bool) api.Listed {
	list := api.Listed{Keys: make([]api.ListedKey, 0, len(entries)), More: more}
	for _, entry := range entries {
		key := api.ListedKey{Version: uint64(entry.Version), Size: entry.Size}
		if utf8.ValidString(entry.Key) {
			key.Key = entry.Key
		} else {
			key.KeyBytes = []byte(entry.Key)
		}
		list.Keys = append(list.Keys, key)
	}
	return list
}

// readState lets fromStore answer: at once if the read may be stale, else once this node's state machine, or if need be the leader's,
// has everything that was acknowledged before the request came. Room is what the answer takes of memory.
func (s *Server) readState(w http.ResponseWriter, r *http.Request, query url.Values, room int64, fromStore func()) *api.Problem {
	stale, problem := parseStale(query)
	if problem != nil {
		return problem
	}
	timeout, problem := parseTimeout(r, query, api.DefaultTimeout)
	if problem != nil {
		return problem
	}
	leave, problem := s.door.enter(room)
	if problem != nil {
		return problem
	}
	defer leave()
	if stale {
		if problem := s.outside(); problem != nil {
			return problem // it would stay as it is for ever
		}
		fromStore()
		return nil
	}
	return s.linearize(w, r, timeout, fromStore)
}

// linearize lets answer speak here, once Read has returned; on the leader if it is refused here.
func (s *Server) linearize(w http.ResponseWriter, r *http.Request, timeout time.Duration, answer func()) *api.Problem {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	return s.onLeader(ctx, w, work{request: r, here: func(ctx context.Context) error {
		_, err := s.cfg.Raft.Read(ctx)
		if err == nil {
			answer()
		}
		return err
	}})
}

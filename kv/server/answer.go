package server

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

// position is what the headers Raft-Index and Raft-Term say. Term 0 stands for the current one.
type position struct {
	index raft.Index
	term  raft.Term
}

// here is the position of an answer that is not about a write: how far this node's state is.
func (s *Server) here() position { return readFrom(s.cfg.Store.Applied()) }

// readFrom is the position of an answer that was read from the Store at that point.
func readFrom(at kv.Position) position { return position{index: at.Index} }

// answer writes the status, the headers that every answer has, and the body.
func (s *Server) answer(w http.ResponseWriter, status int, at position, body []byte) {
	now := s.cfg.Raft.Status()
	if at.term == 0 {
		at.term = now.Term
	}
	header := w.Header()
	header.Set(api.HeaderIndex, strconv.FormatUint(uint64(at.index), 10))
	header.Set(api.HeaderTerm, strconv.FormatUint(uint64(at.term), 10))
	header.Set(api.HeaderLeader, string(now.Leader))
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff") // values are the clients', not pages of ours
	w.WriteHeader(status)
	_, _ = w.Write(body) // who went away needs no answer
}

func (s *Server) answerJSON(w http.ResponseWriter, status int, at position, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("kv/server: an answer that is no JSON: " + err.Error()) // all of them are plain structs
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	s.answer(w, status, at, append(body, '\n'))
}

// refuse writes a problem.
func (s *Server) refuse(w http.ResponseWriter, problem *api.Problem, at position) {
	w.Header().Set("Content-Type", api.ContentTypeProblem)
	if problem.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.answerJSON(w, problem.Status, at, problem)
}

func etag(index raft.Index) string { return `"` + strconv.FormatUint(uint64(index), 10) + `"` }

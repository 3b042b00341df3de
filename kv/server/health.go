package server

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
)

// readyTimeout is how long /readyz tries, if the request does not say. Those who probe often wait no longer.
const readyTimeout = time.Second

// live answers /livez: this process answers. It looks at no peer and no leader, for a supervisor that
// restarts nodes because their peers are away makes things worse.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) *api.Problem {
	s.answerText(w, http.StatusOK, "ok\n")
	return nil
}

// ready answers /readyz: through this node a linearizable read can be done now. Also if its disk is nearly full: reads go on, and writes go to
// a leader that has room. Who took it from a load balancer for that would, when all disks fill up alike, take away the reads too.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) *api.Problem {
	query, problem := parseQuery(r, "verbose")
	if problem != nil {
		return problem
	}
	timeout, problem := parseTimeout(r, query, readyTimeout)
	if problem != nil {
		return problem
	}
	leave, problem := s.door.enter(sharedRoom)
	if problem != nil {
		return problem
	}
	defer leave()
	if !query.Has("verbose") {
		return s.linearize(w, r, timeout, func() { s.answerText(w, http.StatusOK, "ok\n") })
	}
	asked := &kept{header: http.Header{}}
	problem = s.linearize(asked, r, timeout, func() { asked.WriteHeader(http.StatusOK) })
	line, last := "[+] linearizable-read: ok", "ready"
	if problem != nil {
		asked.status = problem.Status
		line = fmt.Sprintf("[-] linearizable-read: %s: %s", problem.Code, problem.Detail)
	} else if asked.status != http.StatusOK {
		line, _, _ = strings.Cut(asked.body.String(), "\n")
	}
	if asked.status != http.StatusOK {
		last = "not ready"
		w.Header().Set("Retry-After", "1")
	}
	s.answerText(w, asked.status, line+"\n"+s.diskLine()+last+"\n")
	return nil
}

// kept is an answer that is not written as it is: the leader's tells of the leader's disk.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header            { return k.header }
func (k *kept) WriteHeader(status int)         { k.status = status }
func (k *kept) Write(text []byte) (int, error) { return k.body.Write(text) }

func (s *Server) answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.answer(w, status, s.here(), []byte(text))
}

// status answers /v1/status: what this node knows, asking nobody.
func (s *Server) status(w http.ResponseWriter, r *http.Request) *api.Problem {
	if _, problem := parseQuery(r); problem != nil {
		return problem
	}
	st := s.cfg.Raft.Status()
	var watched *api.Disk
	if disk, ok := s.cfg.Disk(); ok {
		watched = &disk
	}
	s.answerJSON(w, http.StatusOK, s.here(), api.Status{
		ID:            string(st.ID),
		Cluster:       s.cfg.Cluster,
		Role:          st.Role.String(),
		Term:          uint64(st.Term),
		Leader:        string(st.Leader),
		Commit:        uint64(st.CommitIndex),
		Applied:       uint64(st.LastApplied),
		FirstIndex:    uint64(st.FirstLogIndex),
		LastIndex:     uint64(st.LastLogIndex),
		LogBytes:      st.LogBytes,
		SnapshotIndex: uint64(st.Snapshot.Index),
		SnapshotBytes: st.SnapshotBytes,
		Disk:          watched,
		Certificates:  s.cfg.Certificates(),
		Configuration: s.configuration(st),
		Versions:      api.Versions{Server: s.cfg.Version, API: "v1", Command: kv.CommandVersion, Go: runtime.Version()},
	})
	return nil
}

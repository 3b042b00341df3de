package server

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/raftnode/raft/kv/api"
)

// NotYet serves clients of a process that cannot do anything yet, because of why: /livez is well, and all else is refused. Its answers say term 0, which
// no server that runs is in: by the header clients know a node of this service, and that what it refuses was certainly not done.
func NotYet(why string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathLive, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem := api.NewProblem(api.CodeNotMember, "%s", why)
		body, err := json.Marshal(problem)
		if err != nil {
			panic("kv/server: an answer that is no JSON: " + err.Error()) // it is a plain struct
		}
		header := w.Header()
		header.Set(api.HeaderTerm, "0")
		header.Set("Content-Type", api.ContentTypeProblem)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Retry-After", "1")
		w.WriteHeader(problem.Status)
		_, _ = w.Write(append(body, '\n')) // a client that went away gets nothing
	})
	return mux
}

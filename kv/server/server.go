package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// Raft is what the Server needs of a *raft.Raft.
type Raft interface {
	// Propose returns once the command is committed and the Store has applied it.
	Propose(ctx context.Context, command any) (raft.Applied, error)
	// Submit returns once the command is in the leader's log; what becomes of it is open.
	Submit(command any) (raft.Index, raft.Term, error)
	// ProposeAll returns at once, and tells each offer's Waiter what became of it.
	ProposeAll(offers []raft.Offer)
	// ReadAsync is Read that returns at once; done must not block.
	ReadAsync(done func(raft.Index, error))
	// Read returns once the Store has applied everything that was acknowledged before the call.
	Read(ctx context.Context) (raft.Index, error)
	// Status does not wait for anything.
	Status() raft.Status

	// ChangeMembership returns once the change is in force.
	ChangeMembership(ctx context.Context, changes ...consensus.Change) (raft.Index, error)
	// TransferLeadership returns once this server does not lead any more.
	TransferLeadership(ctx context.Context, to raft.ServerID) error
	// Compact returns once the snapshot counts.
	Compact(ctx context.Context, upTo raft.Index, snapshot []byte) error
}

// Config is what New needs. Raft and Store must be set.
type Config struct {
	Raft  Raft
	Store *kv.Store
	// ClientAddress gives the host:port at which another server answers clients, if it is known, with https:// before it if it speaks TLS
	// there. Without it nothing can be passed on to a leader.
	ClientAddress func(raft.ServerID) (addr string, ok bool)

	// TLS, if set, gives what the next connection to another server that speaks TLS is made with.
	TLS func() *tls.Config

	Cluster string // identity of the cluster, for /v1/status
	Version string // of the program, for /v1/status

	// Disk tells of the disk that the data is on, as far as somebody watches it. Default: nobody does.
	Disk func() (disk api.Disk, watched bool)
	// Certificates tells of the certificates that this server shows, for /v1/status. Default: it has none.
	Certificates func() []api.Certificate

	// MaxRequests bounds the requests in work. Default 16384: those of a stream cost little more than their bytes.
	MaxRequests int
	// MaxBodyBytes bounds the sum of the bodies of the requests in work. Default 128 MiB.
	MaxBodyBytes int64
}

// Server is the handler. Close it when its http.Server has shut down.
type Server struct {
	cfg     Config
	door    door
	sender  *api.Sender
	streams streams

	patience time.Duration // readPatience, but for tests

	snapshotting sync.Mutex // held while a snapshot is taken that was asked for: each takes memory
}

// New makes a Server.
func New(cfg Config) (*Server, error) {
	if cfg.Raft == nil || cfg.Store == nil {
		return nil, errors.New("kv/server: Config.Raft and Config.Store must be set")
	}
	if cfg.ClientAddress == nil {
		cfg.ClientAddress = func(raft.ServerID) (string, bool) { return "", false }
	}
	if cfg.Disk == nil {
		cfg.Disk = func() (api.Disk, bool) { return api.Disk{}, false }
	}
	if cfg.Certificates == nil {
		cfg.Certificates = func() []api.Certificate { return nil }
	}
	if cfg.MaxRequests <= 0 {
		cfg.MaxRequests = 16384
	}
	if cfg.MaxBodyBytes <= 0 {
		cfg.MaxBodyBytes = 128 << 20
	}
	return &Server{
		cfg:     cfg,
		door:    door{maxRequests: cfg.MaxRequests, maxBytes: cfg.MaxBodyBytes},
		sender:  api.NewSender(cfg.TLS),
		streams: streams{open: map[*stream]bool{}},

		patience: readPatience,
	}, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if problem := s.route(w, r); problem != nil {
		s.refuse(w, problem, s.here())
	}
}

// route does not use http.ServeMux, which cleans paths: "a//b", "." and ".." are keys like any other.
// A nil problem means that the answer was written.
func (s *Server) route(w http.ResponseWriter, r *http.Request) *api.Problem {
	path := r.URL.EscapedPath()
	switch path {
	case api.PathLive:
		return s.read(w, r, s.live)
	case api.PathReady:
		return s.read(w, r, s.ready)
	case api.PathStatus:
		return s.read(w, r, s.status)
	case api.PathList:
		return s.read(w, r, s.list)
	case api.PathStream:
		return s.stream(w, r)
	case api.PathMembers:
		if r.Method == http.MethodPost {
			return s.changeMembers(w, r)
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return badMethod(w, r, "GET, HEAD, POST")
		}
		return s.listMembers(w, r)
	case api.PathTransferLeader:
		return s.post(w, r, s.transferLeader)
	case api.PathSnapshot:
		return s.post(w, r, s.snapshot)
	}
	return s.routeKey(w, r, path)
}

// routeKey finds what has a key in its path.
func (s *Server) routeKey(w http.ResponseWriter, r *http.Request, path string) *api.Problem {
	if key, ok := strings.CutPrefix(path, api.PathAppend); ok {
		if r.Method != http.MethodPost {
			return badMethod(w, r, http.MethodPost)
		}
		return s.write(w, r, kv.Append, key)
	}
	if key, ok := strings.CutPrefix(path, api.PathKey); ok {
		switch r.Method {
		case http.MethodPut:
			return s.write(w, r, kv.Put, key)
		case http.MethodDelete:
			return s.write(w, r, kv.Delete, key)
		case http.MethodGet, http.MethodHead:
			return s.get(w, r, key)
		}
		return badMethod(w, r, "GET, HEAD, PUT, DELETE")
	}
	return api.NewProblem(api.CodeNoSuchPath, "there is nothing at %.200q; there are %s{key}, %s{key}, %s, %s, %s, %s, %s, %s and %s",
		path, api.PathKey, api.PathAppend, api.PathList, api.PathStatus, api.PathMembers, api.PathTransferLeader, api.PathSnapshot, api.PathLive, api.PathReady)
}

// post answers a path that can only be posted to.
func (s *Server) post(w http.ResponseWriter, r *http.Request, answer func(http.ResponseWriter, *http.Request) *api.Problem) *api.Problem {
	if r.Method != http.MethodPost {
		return badMethod(w, r, http.MethodPost)
	}
	return answer(w, r)
}

// read answers a path that can only be read.
func (s *Server) read(w http.ResponseWriter, r *http.Request, answer func(http.ResponseWriter, *http.Request) *api.Problem) *api.Problem {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return badMethod(w, r, "GET, HEAD")
	}
	return answer(w, r)
}

func badMethod(w http.ResponseWriter, r *http.Request, allowed string) *api.Problem {
	w.Header().Set("Allow", allowed)
	return api.NewProblem(api.CodeBadMethod, "%.20q is not possible here; possible: %s", r.Method, allowed)
}

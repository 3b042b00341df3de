package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

// pauseTime is what lies between two tries to find a leader. It does not grow, since all that
// it adds is time in which a new leader stands idle, and a try costs little: a look at what this node knows, or one
// request to the node that led last.
const pauseTime = 15 * time.Millisecond

// minTry is the time that must be left to try again: with less, a write would likely be accepted and not
// acknowledged, and what was certainly not done would be in doubt.
const minTry = 50 * time.Millisecond

// readPatience is how long a leader may take to begin its answer to a read that was passed on, before this
// node asks again who leads. The old leader may be paused, or cut off.
const readPatience = time.Second

// maxForwardedProblem bounds the error of another node that is looked into.
const maxForwardedProblem = 64 << 10

// work is a request that only the leader can do.
type work struct {
	request *http.Request
	body    []byte
	isWrite bool
	isAdmin bool // a write that changes the cluster, not a key
	// here does it on this node and writes the answer, or returns an error and has written nothing.
	here func(ctx context.Context) error
}

// onLeader does the work here if this node leads, else has the leader do it. While there is no leader it tries
// again, which is safe as long as nothing was done.
func (s *Server) onLeader(ctx context.Context, w http.ResponseWriter, work work) *api.Problem {
	refusals := 0 // for want of space
	for {
		var notLeader *raft.NotLeaderError
		again := work.here(ctx)
		switch {
		case again == nil:
			return nil
		case errors.As(again, &notLeader):
			if from := work.request.Header.Get(api.HeaderForwarded); from != "" {
				return api.NewProblem(api.CodeNotLeader, "passed on by %.100q, but this node does not lead", from)
			}
			problem := s.outside()
			if problem != nil && notLeader.Leader == "" {
				return problem
			}
			if problem, again = s.forward(ctx, w, work, notLeader.Leader); again == nil {
				return problem
			}
		case errors.Is(again, raft.ErrReplaced) && raft.OutcomeOf(again) == raft.Rejected:
			// A new leader put its entry in the command's place, so that the command is gone for good.
		case errors.Is(again, raft.ErrNotReady):
			// A new leader takes changes of the members as soon as it has committed something.
		case errors.Is(again, raft.ErrNoSpace):
			if refusals++; refusals > 1 && !s.handsOver() || !waited(ctx, pauseTime) {
				return s.noSpace()
			}
			continue
		default:
			return problemOf(again, work)
		}
		if !waited(ctx, pauseTime) {
			return api.NewProblem(api.CodeNoLeader, "no leader could be reached in time, nothing was done: %s", inWords(again))
		}
	}
}

// waited waits, unless too little time would be left then for another try.
func waited(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause+minTry {
		return false
	}
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// forward passes the request on to the leader and its answer back. With again it says why nothing was done, and
// nothing was written to w.
func (s *Server) forward(ctx context.Context, w http.ResponseWriter, work work, leader raft.ServerID) (problem *api.Problem, again error) {
	self := s.cfg.Raft.Status().ID
	if leader == "" || leader == self {
		return nil, errors.New("no leader is known")
	}
	address, known := s.cfg.ClientAddress(leader)
	if !known {
		return nil, fmt.Errorf("the client address of the leader %s is not known yet", leader)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patience := time.AfterFunc(s.patience, func() {
		if !work.isWrite {
			cancel()
		}
	})
	defer patience.Stop()
	req, err := forwarded(ctx, work, self, address)
	if err != nil {
		return nil, err
	}
	resp, sent, err := s.sender.Do(req)
	if !patience.Stop() && err == nil && !work.isWrite {
		_ = resp.Body.Close() // cancelled at the last moment: what follows would break off
		err = context.Canceled
	}
	if err != nil {
		err = fmt.Errorf("ask the leader %s at %s: %w", leader, address, err)
		if sent && work.isWrite {
			if work.isAdmin {
				return api.NewProblem(api.CodeUnknown, "the leader may have made the change, but did not say so; look at the members to see: %s", inWords(err)), nil
			}
			return api.NewProblem(api.CodeUnknown, "the leader may have done the write, but did not say so; read the key to see: %s", inWords(err)), nil
		}
		return nil, err
	}
	defer resp.Body.Close()
	return s.passBack(w, work, resp, leader)
}

// forwarded is the request as the leader gets it: of the headers only those that say what to do.
func forwarded(ctx context.Context, work work, self raft.ServerID, address string) (*http.Request, error) {
	from := work.request
	to := &url.URL{Scheme: "http", Host: address, Path: from.URL.Path, RawPath: from.URL.RawPath, RawQuery: from.URL.RawQuery}
	if scheme, host, ok := strings.Cut(address, "://"); ok {
		to.Scheme, to.Host = scheme, host
	}
	var body io.Reader
	if work.body != nil {
		body = bytes.NewReader(work.body)
	}
	req, err := http.NewRequestWithContext(ctx, from.Method, to.String(), body)
	if err != nil {
		return nil, fmt.Errorf("pass the request on to %q: %w", address, err)
	}
	for _, name := range []string{"If-Match", "If-None-Match", api.HeaderClient, api.HeaderSeq, api.HeaderPrefer} {
		if value := from.Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	req.Header.Set(api.HeaderForwarded, string(self))
	if deadline, ok := ctx.Deadline(); ok {
		// A little less than we have ourselves, so that the leader's own words reach the client.
		left := max(time.Until(deadline)*9/10, time.Millisecond)
		req.Header.Set(api.HeaderTimeout, left.String())
	}
	return req, nil
}

// passBack gives the leader's answer to the client, unless it says that it does not lead (any more).
func (s *Server) passBack(w http.ResponseWriter, work work, resp *http.Response, leader raft.ServerID) (problem *api.Problem, again error) {
	if resp.Header.Get(api.HeaderTerm) == "" {
		err := fmt.Errorf("what answers at the client address of the leader %s is no node of this service: %s", leader, resp.Status)
		if work.isWrite {
			return api.NewProblem(api.CodeUnknown, "%v", err), nil
		}
		return nil, err
	}
	body := io.Reader(resp.Body)
	if resp.StatusCode == http.StatusServiceUnavailable && work.request.Method != http.MethodHead {
		start, _ := io.ReadAll(io.LimitReader(resp.Body, maxForwardedProblem))
		var problem api.Problem
		_ = json.Unmarshal(start, &problem) // what is no problem has no code
		if problem.Outcome == api.Rejected && (problem.Code == api.CodeNotLeader || problem.Code == api.CodeClosing) {
			return nil, fmt.Errorf("the node %s: %s", leader, problem.Detail)
		}
		body = bytes.NewReader(start)
	}
	for _, name := range []string{
		api.HeaderIndex, api.HeaderTerm, api.HeaderLeader, "Etag", "Content-Type", "Content-Length",
		"Retry-After", "Cache-Control", "X-Content-Type-Options", api.HeaderApplied,
	} {
		if values, ok := resp.Header[name]; ok {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	// If this breaks off, the client sees less than the Content-Length.
	_, _ = io.Copy(w, body)
	return nil, nil
}

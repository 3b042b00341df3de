package server

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

func bad(format string, args ...any) *api.Problem {
	return api.NewProblem(api.CodeBadRequest, format, args...)
}

// parseKey takes a key as it stands in the path. net/http has already refused what is not percent-encoding.
func parseKey(escaped string) (string, *api.Problem) {
	key, err := url.PathUnescape(escaped)
	switch {
	case err != nil:
		return "", bad("the key is not percent-encoded: %v", err)
	case key == "":
		return "", bad("the key is empty: it has 1 to %d bytes; for a list of keys GET %s?prefix=", api.MaxKeyBytes, api.PathList)
	case len(key) > api.MaxKeyBytes:
		return "", api.NewProblem(api.CodeKeyTooLarge, "the key has %d bytes; at most %d are possible", len(key), api.MaxKeyBytes)
	}
	return key, nil
}

// parseQuery refuses what it does not know: a misspelt condition must not be ignored.
func parseQuery(r *http.Request, known ...string) (url.Values, *api.Problem) {
	known = append(known, "timeout")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, bad("the query is not percent-encoded: %v", err)
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return nil, bad("the parameter %.50q is not known here; known: %s", name, strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return nil, bad("the parameter %q is given %d times", name, len(values))
		}
	}
	return query, nil
}

// header gives a header that may be given once, or not at all.
func header(r *http.Request, name string) (value string, problem *api.Problem) {
	values := r.Header.Values(name)
	if len(values) > 1 {
		return "", bad("the header %s is given %d times", name, len(values))
	}
	if len(values) == 1 && values[0] == "" {
		return "", bad("the header %s is empty", name)
	}
	return r.Header.Get(name), nil
}

// parseTimeout gives how long to work on the request: header over parameter over the default.
func parseTimeout(r *http.Request, query url.Values, otherwise time.Duration) (time.Duration, *api.Problem) {
	text, problem := header(r, api.HeaderTimeout)
	if problem != nil {
		return 0, problem
	}
	if text == "" {
		text = query.Get("timeout")
	}
	if text == "" {
		return otherwise, nil
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 || timeout > api.MaxTimeout {
		return 0, bad("the timeout %.50q is not a duration above 0 and up to %s, such as 2s or 500ms", text, api.MaxTimeout)
	}
	return timeout, nil
}

// onlyTimeout is parseTimeout for requests that take no other parameter.
func onlyTimeout(r *http.Request) (time.Duration, *api.Problem) {
	query, problem := parseQuery(r)
	if problem != nil {
		return 0, problem
	}
	return parseTimeout(r, query, api.DefaultTimeout)
}

// parseStale tells whether a read may be stale.
func parseStale(query url.Values) (bool, *api.Problem) {
	switch consistency := query.Get("consistency"); consistency {
	case "", api.Linearizable:
		return false, nil
	case api.Stale:
		return true, nil
	default:
		return false, bad("the consistency %.50q is neither %s nor %s", consistency, api.Linearizable, api.Stale)
	}
}

// parseCondition reads If-Match and If-None-Match.
func parseCondition(r *http.Request) (kv.Condition, *api.Problem) {
	match, problem := header(r, "If-Match")
	if problem != nil {
		return kv.Condition{}, problem
	}
	noneMatch, problem := header(r, "If-None-Match")
	switch {
	case problem != nil:
		return kv.Condition{}, problem
	case match != "" && noneMatch != "":
		return kv.Condition{}, bad("If-Match and If-None-Match exclude each other")
	case match == "*":
		return kv.Condition{Kind: kv.IfExists}, nil
	case match != "":
		return parseVersion(match)
	case noneMatch == "*":
		return kv.Condition{Kind: kv.IfAbsent}, nil
	case noneMatch != "":
		return kv.Condition{}, bad("If-None-Match can only be *: the key must not be there")
	}
	return kv.Condition{}, nil
}

func parseVersion(tag string) (kv.Condition, *api.Problem) {
	digits, ok := strings.CutPrefix(tag, `"`)
	digits, ok2 := strings.CutSuffix(digits, `"`)
	version, err := strconv.ParseUint(digits, 10, 64)
	if !ok || !ok2 || err != nil {
		return kv.Condition{}, bad(`If-Match takes one ETag as a read gave it, such as "17" with its quotes, or *; not %.50q`, tag)
	}
	return kv.Condition{Kind: kv.IfVersion, Version: raft.Index(version)}, nil
}

// parseClient reads the pair that makes a write apply at most once.
func parseClient(r *http.Request) (client string, seq uint64, problem *api.Problem) {
	client, problem = header(r, api.HeaderClient)
	if problem != nil {
		return "", 0, problem
	}
	text, problem := header(r, api.HeaderSeq)
	if problem != nil {
		return "", 0, problem
	}
	if client == "" && text == "" {
		return "", 0, nil
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seq == 0 || client == "" {
		return "", 0, bad("%s and %s go together: an id, and a number from 1", api.HeaderClient, api.HeaderSeq)
	}
	return client, seq, nil
}

// bodySize is the room that the request's body may take.
func bodySize(r *http.Request) int64 {
	if r.ContentLength < 0 {
		return api.MaxValueBytes // chunked: it does not say
	}
	return min(r.ContentLength, api.MaxValueBytes)
}

// readBody reads the whole value or none. The body must be there by the deadline, so that slow
// senders do not fill the room for bodies.
func readBody(w http.ResponseWriter, r *http.Request, deadline time.Time, limit int64) ([]byte, *api.Problem) {
	tooLarge := func() *api.Problem {
		return api.NewProblem(api.CodeValueTooLarge, "the body is too large; at most %d bytes are possible", limit)
	}
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	// Not every ResponseWriter has deadlines. The one of http.Server has.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline)
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, api.NewProblem(api.CodeTooSlow, "the body did not arrive in time; nothing was done")
	case err != nil:
		return nil, api.NewProblem(api.CodeBodyCutShort, "the body was cut short; nothing was done: %v", err)
	}
	// The deadline must not end the wait for the answer.
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

func readAll(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(body)
	}
	value := make([]byte, length)
	_, err := io.ReadFull(body, value)
	return value, err
}

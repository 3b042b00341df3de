package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

func TestBench(t *testing.T) {
	_, addr := start(t, nil)
	stdout, stderr, exit := ctl(t, "", "bench --in-flight 4 --keys 50 --reads 0.5 --warm-up 10ms --duration 100ms --endpoints", addr)
	for _, want := range []string{
		`^\d+ operations a second for 100ms, 4 in flight, values of 128 bytes, 50% reads\n`, `OPS +MEAN +P50 +P90 +P99 +P99\.9 +MAX\n`,
		`\nall +\d+ +\S+s`, `\nput +\d+ +\S+s`, `\nget +\d+ +\S+s`, `\nerrors: none\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("nothing like %q in\n%s", want, stdout)
		}
	}
	if exit != 0 || !strings.Contains(stderr, "writing 50 keys that begin with bench/") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	if keys, _, _ := ctl(t, "", "ls --endpoints", addr); strings.Contains(keys, "bench/") {
		t.Errorf("it left keys:\n%s", keys)
	}
}

func TestBenchAtARate(t *testing.T) {
	_, addr := start(t, nil)
	stdout, stderr, exit := ctl(t, "", "bench -o json --rate 200 --keys 10 --warm-up 0s --duration 100ms --keep --endpoints", addr)
	var got benched
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || exit != 0 {
		t.Fatalf("%v, exit %d\n%s%s", err, exit, stdout, stderr)
	}
	if got.Config.Rate != 200 || got.All.Count != 20 || got.PerSecond <= 0 || got.Config.InFlight != load.DefaultBacklog {
		t.Errorf("%+v", got)
	}
	if keys, _, _ := ctl(t, "", "ls --endpoints", addr); strings.Count(keys, "bench/") != 10 {
		t.Errorf("it was to keep 10 keys:\n%s", keys)
	}
}

// Ctrl-C while the load runs: there is a result, the keys are gone, and all is well.
func TestBenchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int64
	_, addr := start(t, func(real http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && seen.Add(1) == 100 {
				cancel()
			}
			real.ServeHTTP(w, r)
		})
	})
	var out, talk bytes.Buffer
	exit := run(ctx, strings.Fields("bench --protocol http --in-flight 2 --keys 10 --warm-up 0s --duration 1h --endpoints "+addr), strings.NewReader(""), &out, &talk)
	if exit != 0 || !strings.Contains(talk.String(), "interrupted after ") || !strings.Contains(out.String(), "all ") {
		t.Errorf("exit %d\n%s%s", exit, out.String(), talk.String())
	}
	if keys, _, _ := ctl(t, "", "ls --endpoints", addr); strings.Contains(keys, "bench/") {
		t.Errorf("it left keys:\n%s", keys)
	}
}

func TestBenchCountsErrorsByOutcome(t *testing.T) {
	var seen atomic.Int64
	_, addr := start(t, func(real http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if seen.Add(1) > 100 && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/kv/") {
				r.Method = "MEND" // refused, and not tried again
			}
			real.ServeHTTP(w, r)
		})
	})
	stdout, _, exit := ctl(t, "", "bench --protocol http --in-flight 2 --keys 10 --reads 0.5 --warm-up 0s --duration 200ms --endpoints", addr)
	if exit != 0 || !regexp.MustCompile(`errors: \d+ rejected \(method-not-allowed\)\n$`).MatchString(stdout) {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
}

func TestBenchOfNobody(t *testing.T) {
	addr := nobody(t)
	_, stderr, exit := ctl(t, "", "bench --timeout 200ms --endpoints", addr)
	if exit != exitNoQuorum || !strings.Contains(stderr, "raftctl: bench: no node answers: "+addr) || strings.Contains(stderr, "may be left") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	for line, says := range map[string]string{
		"bench --reads 2": "not from 0 to 1", "bench --keys 10000000": "need more", "bench --duration 0s": "not above 0", "bench x": "usage: raftctl bench",
		"bench --protocol tcp": "neither stream nor http", "bench --keys 0": "0 keys are not from 1", "bench --in-flight 0": "0 operations in flight are not from 1",
	} {
		if _, stderr, exit := ctl(t, "", line); exit != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit %d, %s", line, exit, stderr)
		}
	}
}

// What failed was told twice, the second time with the words of every package in between, and of keys that nobody had written.
func TestBenchThatFailsSaysSoOnce(t *testing.T) {
	n, addr := start(t, nil)
	n.failWith(raft.ErrLogFull)
	_, stderr, exit := ctl(t, "", "bench --keys 10 --endpoints", addr)
	if exit != exitNotDone || !strings.Contains(stderr, "the write was certainly not done") || strings.Contains(stderr, "may be left") || strings.Contains(stderr, "load:") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	n.failWith(&raft.UnknownError{Err: context.DeadlineExceeded})
	_, stderr, exit = ctl(t, "", "bench --keys 10 --timeout 300ms --endpoints", addr)
	if exit != exitUnknown || !strings.Contains(stderr, " may be left: ") || strings.Contains(stderr, "load:") || strings.Contains(stderr, "(outcome-unknown") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
}

// The way to the leader forgot the certificates.
func TestBenchFindsTheLeaderOverTLS(t *testing.T) {
	follower, second := start(t, nil)
	follower.mu.Lock()
	follower.status.ID, follower.status.Role = "n2", consensus.Follower
	follower.mu.Unlock()
	_, first := start(t, nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	overTLS := func(addr string) string {
		s := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr}))
		t.Cleanup(s.Close)
		block := pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw} // the same for all of them
		if err := os.WriteFile(ca, pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
		return s.Listener.Addr().String()
	}
	leader := overTLS(first)
	_, stderr, exit := ctl(t, "", "bench --keys 10 --warm-up 0s --duration 50ms --tls-ca "+ca+" --endpoints "+overTLS(second)+","+leader)
	if exit != exitDone || !strings.Contains(stderr, "at https://"+leader) {
		t.Errorf("exit %d, %s", exit, stderr)
	}
}

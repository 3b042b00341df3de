package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Whatever the limit: both ports, each member's connections and what the log needs are never more than may be open together.
func TestFilesAreSharedOut(t *testing.T) {
	for _, c := range []struct {
		limit          uint64
		members        int
		peers, clients int
	}{
		{64, 2, 18, 4}, // the least for three nodes
		{256, 2, 57, 75},
		{1023, 2, 248, 362},
		{1024, 2, 264, 340},
		{1024, 100, 298, 289},
		{20_000, 2, 768, maxClientConns},
		{1 << 20, 255, 768, maxClientConns},
		{1<<64 - 1, 2, 768, maxClientConns}, // no limit
	} {
		d, err := shareOut(c.limit, c.members)
		if err != nil || d.peers != c.peers || d.clients != c.clients {
			t.Errorf("%d files, %d members: %+v, %v; want %d and %d connections", c.limit, c.members, d, err, c.peers, c.clients)
		}
		// Incoming and outgoing ones of members, of those that are none yet, and what clients make this node ask of the leader.
		if all := uint64(keptDescriptors + d.peers + c.members + min(d.peers/4, 16) + 2*d.clients); all > c.limit {
			t.Errorf("%d files, %d members: %+v may take %d", c.limit, c.members, d, all)
		}
	}
}

func TestTooFewFilesAreRefusedInWords(t *testing.T) {
	for limit, members := range map[uint64]int{63: 2, 0: 0, 64: 4, 560: 256} {
		_, err := shareOut(limit, members)
		if err == nil {
			t.Errorf("%d files are enough for %d members", limit, members)
			continue
		}
		var had, least, others int
		if _, scan := fmt.Sscanf(err.Error(), "this process may have %d files open at once, and needs at least %d with %d other members", &had, &least, &others); scan != nil {
			t.Fatalf("%v: %v", err, scan)
		}
		if _, err := shareOut(uint64(least), members); err != nil {
			t.Errorf("%d files are called enough for %d members, and are not: %v", least, members, err)
		}
		if _, err := shareOut(uint64(least)-1, members); err == nil {
			t.Errorf("%d files are called necessary for %d members, and are not", least, members)
		}
	}
}

func TestFewFilesAreTold(t *testing.T) {
	for clients, told := range map[int]bool{fewClientConns - 1: true, fewClientConns: false} {
		var said bytes.Buffer
		descriptors{limit: 99, clients: clients}.tell(hclog.New(&hclog.LoggerOptions{Output: &said}))
		if strings.Contains(said.String(), "FEW CLIENTS") != told {
			t.Errorf("%d clients: %q", clients, said.String())
		}
	}
}

func TestSilenceIsAnElectionTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		time.Second: time.Second, 300 * time.Millisecond: 300 * time.Millisecond, time.Millisecond: 100 * time.Millisecond,
	} {
		if got := silence(&config{electionTimeout: timeout}); got != want {
			t.Errorf("a silence of %v for an election timeout of %v, want %v", got, timeout, want)
		}
	}
}

// limited starts the program with so many files, and gives its stderr.
func limited(t *testing.T, files int, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), os.Args[0]}, args...)...)
	cmd.Env = append(os.Environ(), "RAFTNODE_TEST_AS_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(stderr)
}

func TestANodeThatMayOpenTooLittleSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	cmd, said := limited(t, 40, alone(dir)...)
	last := ""
	for said.Scan() {
		last = said.Text()
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(last, "may have 40 files open at once, and needs at least") || !strings.Contains(last, "LimitNOFILE=") {
		t.Errorf("the last line is %q", last)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it left a directory behind")
	}
}

// room fails the test if a process that may have 64 files open has so many that a segment, and a snapshot beside it, could not be opened.
func room(t *testing.T, pid int) {
	t.Helper()
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil && len(open) > 64-8 {
		t.Fatalf("%d files are open", len(open))
	}
}

// With 64 files, and as many idle connections at both ports as they take, the log still opens segments: 16 MiB are four of them.
func TestIdleConnectionsLeaveFilesForTheLog(t *testing.T) {
	dir := t.TempDir()
	cmd, said := limited(t, 64, alone(dir, "--reserve", "1MiB")...)
	for said.Scan() && !strings.Contains(said.Text(), "serving") {
	}
	go func() { // it must not stand still since nobody reads
		for said.Scan() {
		}
	}()
	at := readAddresses(t, dir)
	flood := func() {
		for _, address := range []string{at.Peer, at.Client} {
			for range 100 {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
			}
		}
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	value := bytes.Repeat([]byte("x"), 1<<20)
	for i := range 16 {
		flood()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("http://%s/v1/kv/k%d", at.Client, i), bytes.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		room(t, cmd.Process.Pid)
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("write %d: %s %s", i, response.Status, text)
		}
	}
	if segments, err := filepath.Glob(filepath.Join(dir, "0000*")); err != nil || len(segments) < 4 {
		t.Errorf("segments %v, %v", segments, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

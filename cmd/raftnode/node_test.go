package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
)

// The test binary is also the program, for tests that need a process.
func TestMain(m *testing.M) {
	if os.Getenv("RAFTNODE_TEST_AS_PROGRAM") != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// alone is the command line of a cluster of one.
func alone(dir string, more ...string) []string {
	return append([]string{
		"serve", "--id", "n1", "--data-dir", dir, "--cluster", "n1=127.0.0.1:7001",
		"--listen-peer", "127.0.0.1:0", "--listen-client", "127.0.0.1:0", "--heartbeat", "10ms", "--election-timeout", "20ms",
	}, more...)
}

// program is a run of the program inside the test: what it says, and how it ended.
type program struct {
	said  *bytes.Buffer // read it after done
	lines chan string   // of stderr
	done  chan int      // the exit code
	stop  context.CancelFunc
	late  func() bool // it was ended because it ran for too long
}

// longest is how long a program of a test may run. It takes a second or two.
const longest = 2 * patience

var errLate = fmt.Errorf("not within %v", longest)

func begin(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithTimeoutCause(t.Context(), longest, errLate)
	r, w := io.Pipe()
	p := &program{said: new(bytes.Buffer), lines: make(chan string, 1000), done: make(chan int, 1), stop: stop}
	p.late = func() bool { return errors.Is(context.Cause(ctx), errLate) }
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.lines)
		for s := bufio.NewScanner(io.TeeReader(r, p.said)); s.Scan(); {
			p.lines <- s.Text()
		}
	})
	go func() {
		code := run(ctx, args, func(string) string { return "" }, io.Discard, w)
		w.Close()
		reading.Wait()
		p.done <- code
	}()
	t.Cleanup(stop)
	return p
}

// await waits for a line that says text.
func (p *program) await(t *testing.T, text string) {
	t.Helper()
	for line := range p.lines {
		if strings.Contains(line, text) {
			return
		}
	}
	t.Fatalf("the program ended and never said %q:\n%s", text, p.said)
}

// end wants the program to end with a code, and gives the last line that it said.
func (p *program) end(t *testing.T, want int) string {
	t.Helper()
	code := <-p.done
	if p.late() {
		t.Fatalf("the program did not end within %v:\n%s", longest, p.said)
	}
	if code != want {
		t.Fatalf("exit %d, want %d:\n%s", code, want, p.said)
	}
	lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
	return lines[len(lines)-1]
}

func readAddresses(t *testing.T, dir string) addresses {
	t.Helper()
	text, err := os.ReadFile(addressesFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	var a addresses
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// Where a node listens is said whole or not at all.
func TestAddressesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(addressesFile(dir), "obstacle"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (addresses{}).publish(dir); err == nil || !strings.Contains(err.Error(), "cannot say where this node listens") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(addressesFile(dir) + ".tmp"); !os.IsNotExist(err) {
		t.Errorf("a part of it stays: %v", err)
	}
}

// ask sends one request and gives status and body.
func ask(t *testing.T, method, address, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true // goleak would see the idle connection
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func TestServeStopAndServeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "below", "n1")
	p := begin(t, alone(dir)...)
	p.await(t, "serving")
	at := readAddresses(t, dir)
	if at.PID != os.Getpid() {
		t.Errorf("addresses.json says pid %d, want %d", at.PID, os.Getpid())
	}
	if status, answer := ask(t, "PUT", at.Client, "/v1/kv/k", "v"); status != 200 {
		t.Fatalf("PUT: %d %s", status, answer)
	}
	p.stop()
	p.end(t, 0)
	if _, err := os.Stat(addressesFile(dir)); !os.IsNotExist(err) {
		t.Errorf("addresses.json is still there after a clean end: %v", err)
	}

	p = begin(t, alone(dir)...)
	p.await(t, "recovered the log: entries=") // the write, and an entry for each term: where the disk is slow there may be several
	p.await(t, "serving")
	if status, answer := ask(t, "GET", readAddresses(t, dir).Client, "/v1/kv/k", ""); status != 200 || answer != "v" {
		t.Errorf("GET after a restart: %d %q, want v", status, answer)
	}
	p.stop()
	p.end(t, 0)
}

// Each of these nodes cannot start. The last line says why, and what to do.
func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	used := t.TempDir()
	owner := begin(t, alone(used)...)
	owner.await(t, "serving")
	defer func() { owner.stop(); owner.end(t, 0) }()

	left, damaged, nameless := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{left, damaged, nameless} {
		p := begin(t, alone(dir)...)
		p.await(t, "serving")
		ask(t, "PUT", readAddresses(t, dir).Client, "/v1/kv/k", "v")
		p.stop()
		p.end(t, 0)
	}
	damage(t, damaged, "00000000000000000001")
	damage(t, nameless, "identity")
	notDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"client address in use": {
			alone(t.TempDir(), "--listen-client", taken.Addr().String()),
			[]string{"--listen-client " + taken.Addr().String() + ": address already in use", "ss -ltnp", "or choose another address"},
		},
		"peer address in use":    {alone(t.TempDir(), "--listen-peer", taken.Addr().String()), []string{"--listen-peer " + taken.Addr().String()}},
		"not an address of ours": {alone(t.TempDir(), "--listen-client", "192.0.2.1:0"), []string{"--listen-client 192.0.2.1:0", "choose one that it has"}},
		"directory in use":       {alone(used), []string{used, fmt.Sprintf("in use by process %d", os.Getpid())}},
		"directory of another node": {
			alone(left, "--id", "n2", "--cluster", "n2=127.0.0.1:7002"), []string{left, `"n1"`, "directory of its own"},
		},
		"directory of another cluster": {
			alone(left, "--cluster", "n2=127.0.0.1:7002"),
			[]string{left, "belongs to cluster", "founded with another list of members", "--cluster must be the same on all nodes; here it is n1=127.0.0.1:7001,n2=127.0.0.1:7002"},
		},
		"--cluster-id of another cluster": {
			alone(left, "--cluster-id", "another"), []string{left, "belongs to cluster", `--cluster-id is "another"`, "leave the flag out"},
		},
		"directory is a file": {alone(notDir), []string{notDir, "must be a directory"}},
		"damaged log":         {alone(damaged), []string{"damaged", "raftctl doctor --data-dir " + damaged}},
		"damaged identity":    {alone(nameless), []string{"the file identity at offset", "a copy of it from a backup", "raftctl doctor --data-dir " + nameless}},
	} {
		t.Run(name, func(t *testing.T) {
			last := begin(t, c.args...).end(t, exitFailed)
			for _, want := range append(c.want, "raftnode: cannot start: ") {
				if !strings.Contains(last, want) {
					t.Errorf("the last line is %q, want it to say %q", last, want)
				}
			}
		})
	}
}

// damage flips a bit early in a file of the log, below what was acknowledged.
func damage(t *testing.T, dir, file string) {
	t.Helper()
	name := filepath.Join(dir, file)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[8] ^= 1
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestANodeWhoseDiskFailsStopsAndSaysSo(t *testing.T) {
	c, wrong := resolved(t, alone(t.TempDir())[1:], nil)
	if wrong != nil {
		t.Fatal(wrong)
	}
	n := &node{config: c, log: hclog.NewNullLogger()}
	if err := n.assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.disk.Close(); err != nil { // every write will fail
		t.Fatal(err)
	}
	if err := n.run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "must stop: ") {
		t.Errorf("run gives %v, want that it must stop", err)
	}
	if err := n.release(); err != nil {
		t.Error(err)
	}
}

func TestSignalsEndTheProcess(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], alone(t.TempDir())...)
		cmd.Env = append(os.Environ(), "RAFTNODE_TEST_AS_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(stderr); s.Scan(); {
			if strings.Contains(s.Text(), "serving") {
				if err := cmd.Process.Signal(signal); err != nil {
					t.Error(err)
				}
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v, want exit 0", signal, err)
		}
	}
}

func TestWaitForGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running sync.WaitGroup
		release := make(chan struct{})
		running.Go(func() { <-release })
		start := time.Now()
		if waitFor(&running, stopTime) || time.Since(start) != stopTime {
			t.Errorf("waitFor returns after %v, and does not say that it gave up", time.Since(start))
		}
		close(release)
		if !waitFor(&running, stopTime) {
			t.Error("waitFor gives up on parts that have ended")
		}
	})
}

func TestWarnIfOpen(t *testing.T) {
	for address, open := range map[string]bool{
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "0.0.0.0": true, "::": true, "10.1.2.3": true,
	} {
		var out bytes.Buffer
		warnIfOpen(hclog.New(&hclog.LoggerOptions{Output: &out}), "--listen-client", &net.TCPAddr{IP: net.ParseIP(address), Port: 1}, guard{})
		if warned := strings.Contains(out.String(), "NOT PROTECTED: --listen-client"); warned != open {
			t.Errorf("%s: warned %v, want %v: %s", address, warned, open, out.String())
		}
	}
}

func TestReachable(t *testing.T) {
	for _, c := range [][3]string{
		{"127.0.0.1:8001", "10.0.0.1:7001", "127.0.0.1:8001"},
		{"0.0.0.0:8001", "10.0.0.1:7001", "10.0.0.1:8001"},
		{"[::]:8001", "node-1.example:7001", "node-1.example:8001"},
	} {
		listener, err := net.ResolveTCPAddr("tcp", c[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(listener, c[1]); got != c[2] {
			t.Errorf("who listens at %s as member %s is reached at %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestLogFormats(t *testing.T) {
	var out bytes.Buffer
	for format, want := range map[string]string{"json": `"@message":"hello"`, "text": "n1: hello: k=v\n", "auto": "n1: hello: k=v\n"} {
		out.Reset()
		newLogger(&config{id: "n1", logLevel: "info", logFormat: format}, &out, false).Info("hello", "k", "v")
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %q, want %q and no colour", format, out.String(), want)
		}
	}
	out.Reset()
	newLogger(&config{id: "n1", logLevel: "warn", logFormat: "text"}, &out, false).Info("hello")
	if out.Len() > 0 {
		t.Errorf("at level warn it logs %q", out.String())
	}
}

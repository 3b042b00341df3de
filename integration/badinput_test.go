package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// refuses runs raftnode with arguments that it must not start with, and looks at its exit code and last line.
func refuses(t *testing.T, args []string, code int, says ...string) {
	t.Helper()
	logPath := filepath.Join(t.TempDir(), "log")
	p, err := startProcess("raftnode", logPath, raftnode(t), args)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-bounded(t).Done():
		_ = p.kill()
		t.Fatalf("it runs with %v:\n%s", args, p.tail(10))
	}
	text := p.tail(100)
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d:\n%s", got, code, text)
	}
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		t.Errorf("it panicked:\n%s", text)
	}
}

// with gives the node's arguments with some flags replaced.
func with(n *Node, pairs ...string) []string {
	args := slices.Clone(n.Args())
	for i := 0; i < len(pairs); i += 2 {
		at := slices.Index(args, pairs[i])
		args[at+1] = pairs[i+1]
	}
	return args
}

func TestWrongFlagsAndConfigurations(t *testing.T) {
	n := newReal(t, 3).Nodes()[0]
	refuses(t, append(n.Args(), "--bogus"), 64, "unknown flag: --bogus")
	refuses(t, with(n, "--id", "n9"), 64, "n9 is not in --cluster")
	refuses(t, append(n.Args(), "--dial", "n1=127.0.0.1:1"), 64, "--dial names n1, which is this node")
	refuses(t, append(n.Args(), "--join"), 64, "--join is for a node that is added to a running cluster, but n1 is in --cluster")
	refuses(t, with(n, "--id", "n9", "--listen-peer", "0.0.0.0:0", "--listen-client", "127.0.0.1:0"), 64, "or --join if the node is to be added")
	refuses(t, append(with(n, "--id", "n9", "--listen-peer", "0.0.0.0:0"), "--join"), 64, "--advertise-peer is missing")
	refuses(t, append(n.Args(), "--snapshot-bytes", "64M"), 64, "--snapshot-bytes", "like 64MiB")
	refuses(t, append(n.Args(), "--election-timeout", "soon"), 64, "--election-timeout")
	refuses(t, append(n.Args(), "--log-level", "bogus"), 64, "--log-level")
	refuses(t, with(n, "--cluster", "n1"), 64, "--cluster")
	if _, err := os.Stat(n.DataDir); err == nil {
		t.Error("a node that refused its configuration made a data directory")
	}
}

func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n := newReal(t, 3).Nodes()[0]
	for _, flag := range []string{"--listen-peer", "--listen-client"} {
		refuses(t, with(n, flag, taken.Addr().String()), 1, flag+" "+taken.Addr().String(), "address already in use", "another process")
	}
}

func TestDataDirectoryOfAnother(t *testing.T) {
	c, ctx := startReal(t, 3)
	n1, n2 := c.Nodes()[0], c.Nodes()[1]
	put(ctx, t, c, "k", "v")
	refuses(t, n1.Args(), 1, "in use", fmt.Sprint(n1.PID()))
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	refuses(t, with(n2, "--data-dir", n1.DataDir), 1, `belongs to node "n1"`, `not to node "n2"`)
	refuses(t, with(n1, "--cluster", strings.Replace(n1.Args()[6], "127.0.0.1:3", "127.0.0.1:4", 1)), 1, "cluster", n1.DataDir)
	start(ctx, t, c) // none of that did any harm
	mustHold(ctx, t, c, "k", "v")
}

func TestDamagedWAL(t *testing.T) {
	c, ctx := startReal(t, 3)
	for i := range 50 {
		put(ctx, t, c, fmt.Sprintf("k%d", i), "v")
	}
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	victim := c.Nodes()[0]
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(victim.DataDir, "00000*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments in %s: %v", victim.DataDir, err)
	}
	whole, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(whole)
	bad[len(bytes.TrimRight(whole, "\x00"))/2] ^= 0x10 // behind what was written there may be zeros
	if err := os.WriteFile(segments[0], bad, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, victim.Args(), 1, filepath.Base(segments[0]), "damage")
	if left, err := os.ReadFile(segments[0]); err != nil || !bytes.Equal(left, bad) {
		t.Fatalf("the refused file was changed: %v", err)
	}
	put(ctx, t, c, "k0", "the others go on")
	if err := os.WriteFile(segments[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(ctx); err != nil {
		t.Fatal(err)
	}
	mustHold(ctx, t, c, "k0", "the others go on")
	mustHold(ctx, t, c, "k49", "v")
}

func put(ctx context.Context, t *testing.T, c *Cluster, key, value string) {
	t.Helper()
	if _, err := clientOf(t, c).Put(ctx, key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// mustHold waits until all nodes have one log, and then reads the key from each node's own state.
func mustHold(ctx context.Context, t *testing.T, c *Cluster, key, value string) {
	t.Helper()
	if _, err := c.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		addr, _ := n.ClientAddr()
		direct, err := client.New(client.Config{Endpoints: []string{addr}, NoRetry: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := direct.Get(ctx, key, client.Stale())
		direct.Close()
		if err != nil || string(got.Data) != value {
			t.Errorf("%s on %s: %q, %v, want %q", key, n.ID, got.Data, err, value)
		}
	}
}

func TestKeysAndValuesOverTheLimit(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "v")
	longKey, longValue := strings.Repeat("k", api.MaxKeyBytes+1), bytes.Repeat([]byte("v"), api.MaxValueBytes+1)
	for _, n := range c.Nodes() { // also those that would forward it
		addr, _ := n.ClientAddr()
		for _, bad := range []struct {
			key   string
			value []byte
			limit int
		}{{longKey, []byte("v"), api.MaxKeyBytes}, {"k", longValue, api.MaxValueBytes}} {
			// Not by way of the client package: that refuses them itself.
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+addr+api.PathKey+bad.key, bytes.NewReader(bad.value))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge ||
				!strings.Contains(string(body), fmt.Sprint(bad.limit)) || !strings.Contains(string(body), `"rejected"`) {
				t.Errorf("%s answered %s, %v: %s, want 413, rejected, with the limit %d", n.ID, resp.Status, err, body, bad.limit)
			}
		}
	}
	atLimit := bytes.Repeat([]byte("v"), api.MaxValueBytes)
	put(ctx, t, c, longKey[1:], string(atLimit)) // and what is just within passes, all the way
	mustHold(ctx, t, c, longKey[1:], string(atLimit))
	mustHold(ctx, t, c, "k", "v")
}

func TestBodyCutShort(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "whole")
	for _, n := range c.Nodes() {
		addr, _ := n.ClientAddr()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn) // ends when the server has closed it: then it has decided
		conn.Close()
		if err != nil || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
			t.Errorf("%s answered %q, %v, want 400 or nothing", n.ID, answer, err)
		}
	}
	mustHold(ctx, t, c, "k", "whole")
}

func TestStrangersOnThePeerPort(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "v")
	garbage := make([]byte, 4096)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range garbage {
		garbage[i] = byte(rng.Uint32())
	}
	for i, stranger := range []struct{ what, sends, line string }{
		{"an HTTP request", "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request came to the peer port"},
		{"garbage", string(garbage), "closed a stranger's connection"},
		{"a huge length", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "closed a stranger's connection"},
	} {
		n := c.Nodes()[i]
		before, err := c.Status(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := visit(n, stranger.sends); err != nil {
			t.Errorf("%s to the peer port of %s: %v", stranger.what, n.ID, err)
		}
		err = poll(ctx, "a log line about "+stranger.what, func() (bool, error) {
			text, err := n.Printed()
			if lines := strings.Count(text, "stranger"); lines > 1 {
				t.Fatalf("%d log lines about one stranger:\n%s", lines, text)
			}
			return strings.Contains(text, stranger.line), err
		})
		if err != nil {
			t.Error(err)
		}
		after, err := c.Status(ctx, n)
		if err != nil || after.Term != before.Term {
			t.Errorf("%s moved the term of %s from %d to %d, %v", stranger.what, n.ID, before.Term, after.Term, err)
		}
	}
	put(ctx, t, c, "k", "and on it goes")
	mustHold(ctx, t, c, "k", "and on it goes")
	if err := c.Crashed(); err != nil {
		t.Error(err)
	}
}

// visit sends bytes to a node's peer port, past all links, and waits until the node closes the connection.
func visit(n *Node, bytes string) error {
	addr, _ := n.PeerAddr()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, bytes); err != nil {
		return nil //nolint:nilerr // closed while we spoke
	}
	_, err = io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the connection was not closed in 10 s")
	}
	return nil // closed or reset
}

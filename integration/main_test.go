package integration

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// TestMain makes the test binary play a raftnode when it is started as one. So the harness can be tested
// against a node that misbehaves on request.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := fakeNode(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "fake:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "harness" {
		if err := harness(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "harness:", err)
		}
		os.Exit(1)
	}
	code := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// fakeNode writes addresses.json and answers /v1/status; n1 says that it leads.
func fakeNode(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	id, dataDir, mode := flags.String("id", "", ""), flags.String("data-dir", "", ""), flags.String("fake", "", "")
	for _, name := range []string{"cluster", "dial", "listen-peer", "listen-client", "reserve"} {
		flags.String(name, "", "")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch *mode {
	case "refuses":
		return fmt.Errorf("%s: will not start", *id)
	case "chatty":
		fmt.Fprint(os.Stderr, strings.Repeat("much too talkative\n", 100_000))
	case "silent": // never says where it listens
		select {}
	}
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	client, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := publish(*dataDir, addresses{os.Getpid(), peer.Addr().String(), client.Addr().String()}); err != nil {
		return err
	}
	role := "follower"
	if *id == "n1" {
		role = "leader"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Status{ID: *id, Role: role, Term: 3, Leader: "n1", Applied: 7, LastIndex: 7})
	})
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stderr, "a write was too much for me")
		os.Exit(3)
	})
	mux.HandleFunc("GET /exit", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stderr, "the reason why I leave")
		os.Exit(3)
	})
	return http.Serve(client, mux)
}

func publish(dataDir string, addrs addresses) error {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(addrs)
	if err != nil {
		return err
	}
	path := filepath.Join(dataDir, "addresses.json")
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// harness starts three fakes, says who they are, and waits to be killed.
func harness(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c, err := NewCluster(Config{Binary: self, Dir: dir})
	if err != nil {
		return err
	}
	for _, n := range c.Nodes() {
		proc, err := startProcess(n.ID, n.LogPath, self, n.Args())
		if err != nil {
			return err
		}
		fmt.Println(proc.pid)
	}
	<-time.After(time.Minute) // the end, if nobody kills us
	return nil
}

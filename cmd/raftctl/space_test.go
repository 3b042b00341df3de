package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/wal"
)

// Who looks at a cluster whose disks fill up sees where, and what to do.
func TestLowOnSpaceIsShown(t *testing.T) {
	n, addr := start(t, nil)
	n.mu.Lock()
	n.status.NoSpace, n.status.Members[0].NoSpace, n.status.Members[1].NoSpace = true, true, true
	n.fail = raft.ErrNoSpace
	n.mu.Unlock()
	_, stderr, exit := ctl(t, "", "status --endpoints", addr)
	want := "raftctl: low on disk space: n1, n2: free some there, outside of the data directories; while a majority has too little, nothing is written\n"
	if exit != 0 || stderr != want {
		t.Errorf("exit %d, %q, want %q", exit, stderr, want)
	}
	stdout, _, exit := ctl(t, "", "members ls --endpoints", addr)
	for _, want := range []string{"-             low   peer:1", "20ms ago      low   peer:2", "never         -     -"} {
		if exit != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, want %q in\n%s", exit, want, stdout)
		}
	}
	_, stderr, exit = ctl(t, "", "put k v --timeout 300ms --endpoints", addr)
	for _, want := range []string{"Free space, outside of the data directories, on n1, n2", "the write was certainly not done", "`raftctl status` shows how much room each node has"} {
		if exit != exitNotDone || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, want %q in %q", exit, want, stderr)
		}
	}
	if hint := hintFor(&client.Error{Code: api.CodeBusy}); hint != "" {
		t.Errorf("the hint for another error is %q", hint)
	}
}

// A node that does not lead knows of its own disk only; what it still says of others is nobody's word.
func TestWhoIsLow(t *testing.T) {
	follower := &api.Status{ID: "n2", Role: "follower"}
	follower.Members = []api.Member{{ID: "n1", LowOnSpace: true}, {ID: "n2", LowOnSpace: true}}
	if got := lowOnSpace([]asked{{}, {Status: follower}}); len(got) != 1 || got[0] != "n2" {
		t.Errorf("low are %v, want n2", got)
	}
}

func TestFreeSpaceInWords(t *testing.T) {
	for want, disk := range map[string]*api.Disk{
		"-": nil, "not known": {Error: "x"}, "5.0 MiB": {FreeBytes: 5 << 20}, "5.0 KiB, low": {FreeBytes: 5 << 10, Low: true},
	} {
		if got := freeSpace(disk); got != want {
			t.Errorf("%+v is %q, want %q", disk, got, want)
		}
	}
}

// The reserve is one of the log's files, and shown by who looks at a directory.
func TestReserveIsShown(t *testing.T) {
	dir := t.TempDir()
	l, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1", ReserveBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"log info " + dir:           "reserve  1.0 MiB of room",
		"log info -o json " + dir:   `"reserveBytes":1048576`,
		"doctor --data-dir " + dir:  ", and a reserve of 1.0 MiB",
		"doctor  --data-dir " + dir: "leftovers    none",
	} {
		if stdout, stderr, exit := ctl(t, "", line); exit != 0 || !strings.Contains(stdout, want) {
			t.Errorf("%s: exit %d, want %q in\n%s%s", line, exit, want, stdout, stderr)
		}
	}
	if !isLogFile("reserve") {
		t.Error("its permissions are not looked at")
	}
	if _, _, exit := ctl(t, "", "doctor --data-dir "+filepath.Join(dir, "..")); exit != exitUsage {
		t.Errorf("a directory without a log: exit %d", exit)
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

// nearlyFull is a disk as the node's watch tells of it.
func nearlyFull(cfg *Config) {
	cfg.Disk = func() (api.Disk, bool) {
		return api.Disk{FreeBytes: 12 << 20, LowBytes: 256 << 20, HighBytes: 384 << 20, Low: true}, true
	}
}

// Who is refused for want of space learns on which nodes to make room.
func TestNoSpace(t *testing.T) {
	n := single(t, nearlyFull)
	n.raft.failWith(func(context.Context) error { return fmt.Errorf("%w (of the module)", raft.ErrNoSpace) })
	n.raft.set(func(st *raft.Status) { st.NoSpace, st.Members[0].NoSpace, st.Members[2].NoSpace = true, true, true })
	for _, request := range [][]string{{"PUT", "/v1/kv/k"}, {"DELETE", "/v1/kv/k"}, {"POST", "/v1/append/k"}, {"PUT", "/v1/kv/k", "Prefer: respond-async"}} {
		got := n.do(request[0], request[1], "v", request[2:]...)
		n.is(got, 507, "no-space", "rejected")
		want := "nothing is written while too few nodes have room on their disks; reads go on. Free space, outside of the data directories, on n1, n3; " +
			"n1, which leads, has 12.0 MiB free and needs 384.0 MiB"
		if got.problem.Detail != want {
			t.Errorf("it says %q, want %q", got.problem.Detail, want)
		}
	}
	n.raft.set(func(st *raft.Status) { st.Members[0].NoSpace, st.Members[2].NoSpace = false, false })
	if got := n.do("PUT", "/v1/kv/k", "v"); !strings.HasSuffix(got.problem.Detail, "try again") {
		t.Errorf("with room again it says %q", got.problem.Detail)
	}
}

// A leader that hands over refuses what the next one takes: the write waits for that one. Nobody waits where nobody can take over.
func TestAWriteWaitsForALeaderWithSpace(t *testing.T) {
	leader, follower := pair(t)
	tries := 0
	refuse := func(until int) func(context.Context) error {
		tries = 0
		return func(context.Context) error {
			if tries++; tries >= until {
				return nil
			}
			return raft.ErrNoSpace
		}
	}
	leader.raft.set(func(st *raft.Status) { st.Transfer = "n2" })
	leader.raft.failWith(refuse(5))
	follower.is(follower.do("PUT", "/v1/kv/k", "v"), 200)
	if tries != 5 {
		t.Errorf("tried %d times, want 5", tries)
	}
	leader.raft.failWith(refuse(1000))
	follower.is(follower.do("PUT", "/v1/kv/k", "v", "Raft-Timeout: 300ms"), 507, "no-space", "rejected")
	leader.raft.set(func(st *raft.Status) { st.Transfer = "" })
	leader.raft.failWith(refuse(1000))
	follower.is(follower.do("PUT", "/v1/kv/k", "v"), 507, "no-space", "rejected")
	if tries != 2 { // what is known of a hand-over may be a step behind
		t.Errorf("tried %d times, want 2", tries)
	}
}

func TestStatusAndHealthTellOfTheDisk(t *testing.T) {
	disk := api.Disk{FreeBytes: 5 << 30, LowBytes: 1, HighBytes: 2, ReserveBytes: 3}
	n := single(t, func(cfg *Config) { cfg.Disk = func() (api.Disk, bool) { return disk, true } })
	n.raft.set(func(st *raft.Status) { st.Members[1].NoSpace = true })
	for _, want := range []string{
		`"disk":{"free_bytes":5368709120,"low_bytes":1,"high_bytes":2,"reserve_bytes":3,"low":false}`,
		`"match":8,"caught_up":true,"low_on_space":true`,
	} {
		if got := n.do("GET", "/v1/status", ""); !strings.Contains(got.body, want) || strings.Count(got.body, "low_on_space") != 1 {
			t.Errorf("status says %s, want %s", got.body, want)
		}
	}
	for _, test := range []struct {
		disk api.Disk
		want string
	}{
		{disk, "[+] disk-space: ok, 5.0 GiB free\n"},
		{api.Disk{Error: "who knows"}, "[!] disk-space: not known: who knows\n"},
		{
			api.Disk{FreeBytes: 1 << 20, HighBytes: 2 << 20, Low: true},
			"[!] disk-space: low on disk space: takes no writes, and has 1.0 MiB free and needs 2.0 MiB; reads go on, and writes are passed on to a leader that has room\n",
		},
	} {
		disk = test.disk
		got := n.do("GET", "/readyz?verbose", "")
		n.is(got, 200)
		if want := "[+] linearizable-read: ok\n" + test.want + "ready\n"; got.body != want {
			t.Errorf("readyz says %q, want %q", got.body, want)
		}
		n.is(n.do("GET", "/readyz", ""), 200) // reads go on
	}
	n.raft.follow("")
	got := n.do("GET", "/readyz?verbose&timeout=1ms", "")
	n.is(got, 503)
	if !strings.Contains(got.body, "\n[!] disk-space: low") {
		t.Errorf("readyz says %q", got.body)
	}
	n.kv.cfg.Certificates = func() []api.Certificate {
		return []api.Certificate{{Use: api.ForMembers, NotAfter: time.Unix(0, 0).UTC(), DaysLeft: 3, Warning: "soon"}}
	}
	if got := n.do("GET", "/v1/status", ""); !strings.Contains(got.body, `"certificates":[{"use":"members","not_after":"1970-01-01T00:00:00Z","days_left":3,"warning":"soon"}]`) {
		t.Errorf("status says %s of certificates", got.body)
	}
	if unwatched := single(t).do("GET", "/v1/status", ""); strings.Contains(unwatched.body, `"disk"`) || strings.Contains(unwatched.body, "certificates") {
		t.Errorf("status says %s of a disk that nobody watches, and of no certificates", unwatched.body)
	}
}

// Whether reads can be done the leader knows; whose disk is nearly full each node knows of itself.
func TestAFollowerTellsOfItsOwnDisk(t *testing.T) {
	leader, follower := pair(t)
	leader.kv.cfg.Disk = func() (api.Disk, bool) { return api.Disk{FreeBytes: 1}, true }
	follower.kv.cfg.Disk = func() (api.Disk, bool) { return api.Disk{FreeBytes: 2}, true }
	got := follower.do("GET", "/readyz?verbose", "")
	follower.is(got, 200)
	if want := "[+] linearizable-read: ok\n[+] disk-space: ok, 2 B free\nready\n"; got.body != want {
		t.Errorf("readyz says %q, want %q", got.body, want)
	}
	leader.raft.failWith(func(context.Context) error { return raft.ErrBusy })
	got = follower.do("GET", "/readyz?verbose", "")
	follower.is(got, 503)
	if !strings.HasPrefix(got.body, "[-] linearizable-read: busy: ") || !strings.HasSuffix(got.body, "\n[+] disk-space: ok, 2 B free\nnot ready\n") {
		t.Errorf("readyz says %q", got.body)
	}
}

// A snapshot makes room, and needs some first: it must not take what the log needs.
func TestASnapshotLeavesRoomForTheLog(t *testing.T) {
	disk := api.Disk{FreeBytes: 9999, Low: true}
	n := single(t, func(cfg *Config) { cfg.Disk = func() (api.Disk, bool) { return disk, true } })
	n.is(n.do("PUT", "/v1/kv/k", strings.Repeat("v", 6000)), 200)
	got := n.do("POST", "/v1/snapshot", "")
	n.is(got, 507, "no-space", "rejected")
	if !strings.Contains(got.problem.Detail, "9.8 KiB are free, of which half is for the log") || n.raft.Status().Snapshot.Index != 0 {
		t.Errorf("it says %s", got.problem.Detail)
	}
	disk.Low = false
	n.raft.failWith(func(context.Context) error { return fmt.Errorf("write: %w", syscall.ENOSPC) })
	n.is(n.do("POST", "/v1/snapshot", ""), 507, "no-space", "rejected")
	n.raft.failWith(nil)
	n.raft.set(func(st *raft.Status) { st.Snapshot.Index = 0 }) // the fake has it all the same
	n.is(n.do("POST", "/v1/snapshot", ""), 200)
	n.is(n.do("PUT", "/v1/kv/k", strings.Repeat("v", 3000)), 200)
	disk.Low = true
	if taken, err := n.kv.TakeSnapshot(t.Context()); !taken || err != nil {
		t.Errorf("with room: %v, %v", taken, err)
	}
	if taken, err := n.kv.TakeSnapshot(t.Context()); taken || err != nil {
		t.Errorf("with nothing new: %v, %v", taken, err)
	}
	n.is(n.do("DELETE", "/v1/kv/k", ""), 200)
	n.raft.failWith(func(context.Context) error { return raft.ErrCompacted })
	if taken, err := n.kv.TakeSnapshot(t.Context()); taken || err != nil {
		t.Errorf("overtaken by another: %v, %v", taken, err)
	}
	n.kv.snapshotting.Lock()
	defer n.kv.snapshotting.Unlock()
	if _, err := n.kv.TakeSnapshot(t.Context()); !errors.Is(err, ErrSnapshotting) {
		t.Errorf("beside another: %v", err)
	}
}

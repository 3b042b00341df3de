//go:build linux

package powerfs_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The disk of a leader does not answer any more: nothing that is not on it is acknowledged by its word, another node leads, and clients go on.
// Asked to stop, the process says why it cannot and ends with an error, within its bound; the next start is clean.
func TestDiskOfALeaderHangs(t *testing.T) {
	r := newRack(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.back(ctx, 0, 1, 2)
	r.put(ctx, "before")
	leader, status, err := r.WaitLeader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for i, n := range r.Nodes() {
		if n == leader {
			at = i
		}
	}
	goOn := r.disks[at].Hang()
	t.Cleanup(goOn)

	writing, stop := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; writing.Err() == nil; i++ {
			r.put(writing, fmt.Sprintf("while-it-hangs-%d", i))
		}
	}()
	next, _, err := r.WaitLeader(ctx, status.Term)
	stop()
	<-written
	if err != nil {
		t.Fatalf("while the disk of the leader hangs: %v", err)
	}
	if next == leader {
		t.Errorf("%s leads again with a disk that hangs", leader.ID)
	}
	before := len(r.acked)
	for i := 0; len(r.acked) == before && ctx.Err() == nil; i++ {
		r.put(ctx, fmt.Sprintf("under-the-next-%d", i))
	}

	bounded, end := context.WithTimeout(ctx, 20*time.Second)
	defer end()
	if err := leader.Stop(bounded); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("asked to stop, it ended with %v, want exit status 1", err)
	}
	if text, err := os.ReadFile(leader.LogPath); err != nil || !strings.Contains(string(text), "the disk did not let the node stop") {
		t.Errorf("%v, it said:\n%s", err, text)
	}
	r.count.faults++
	goOn()
	r.back(ctx, at)
	r.check(ctx)
	r.count.acknowledged = r.acknowledged()
	r.count.report(t, "disks of a leader that hung: another led, and the process ended when asked")
}

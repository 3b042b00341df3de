package rpc

import (
	"bytes"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// All that waits leaves in one write, up to some size, and not a syscall each.
func TestWhatWaitsIsOneWrite(t *testing.T) {
	heartbeat := &consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}}
	w := benchWriter(t)
	for range 100 {
		w.link.queue.put(heartbeat)
	}
	if w.gather(); w.messages != 100 {
		t.Errorf("%d of 100 heartbeats are in one write", w.messages)
	}
	if frames, err := readFrames(bytes.NewReader(w.buf), 1<<10); len(frames) != 100 {
		t.Errorf("they are %d frames, and then %v", len(frames), err)
	}
	for range 100 {
		w.link.queue.put(batch())
	}
	var writes int
	for got := 0; got < 100; writes++ {
		w.gather()
		got += w.messages
		if len(w.buf) < writeStep && got < 100 || len(w.buf) > 2*writeStep {
			t.Errorf("a write has %d bytes, and %d messages went", len(w.buf), got)
		}
	}
	if writes > 100*9000/writeStep+1 {
		t.Errorf("%d writes", writes)
	}
}

package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// drainTime is how long requests that are being served may go on after the node was asked to stop.
	drainTime    = 3 * time.Second
	handOverTime = time.Second
	// stopTime is how long everything else may take to end then.
	stopTime = 5 * time.Second
)

var (
	errAsked = errors.New("asked to stop")
	errHangs = errors.New("the disk did not let the node stop")
)

// drain lets the requests that are being served end, within drainTime, and takes no new ones.
func (n *node) drain() {
	n.handOver()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	streams := make(chan error, 1)
	go func() { streams <- n.service.Shutdown(ctx) }()
	if err := errors.Join(n.http.Shutdown(ctx), <-streams); err != nil {
		n.log.Warn("some requests did not end in time; those of streams are told so, the others get no answer", "waited", drainTime)
	}
}

// handOver gives leadership to another node, if this one has it: so the others need not wait for an election timeout.
func (n *node) handOver() {
	if v := n.view(); v.leader != n.config.id || len(v.voters()) == 1 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOverTime)
	defer cancel()
	if err := n.raft.TransferLeadership(ctx, ""); err != nil {
		n.log.Info("leadership was not handed over; the others will elect a leader", "reason", err)
	}
}

// waitFor waits for all parts, but not for ever: a disk that hangs must not keep the process.
func waitFor(running *sync.WaitGroup, limit time.Duration) bool {
	done := make(chan struct{})
	go func() { // ends with the parts, or with the process
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

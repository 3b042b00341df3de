package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

// failoverColumns are, for the election and for the first write, the distribution.
var failoverColumns = []report.Column{
	{Title: "elected, least", Unit: "ms"},
	{Title: "elected, median", Unit: "ms", Plot: true},
	{Title: "elected, p90", Unit: "ms"},
	{Title: "elected, most", Unit: "ms"},
	{Title: "written, least", Unit: "ms"},
	{Title: "written, median", Unit: "ms", Plot: true},
	{Title: "written, p90", Unit: "ms"},
	{Title: "written, most", Unit: "ms"},
	{Title: "kills", Unit: ""},
}

const (
	writers      = 4
	writePause   = 5 * time.Millisecond
	statusPause  = 2 * time.Millisecond
	maxFailover  = 10 * time.Second
	barElections = 2 // election timeouts, for the median
)

func failOver(b *bench, ctx context.Context, found *report.Study) error {
	for _, timing := range []struct {
		name                string
		heartbeat, election time.Duration
	}{
		{"default", 50 * time.Millisecond, 300 * time.Millisecond},
		{"fast", 10 * time.Millisecond, 50 * time.Millisecond},
	} {
		r, err := b.failOverWith(ctx, timing.heartbeat, timing.election)
		if err != nil {
			return fmt.Errorf("%s: %w", timing.name, err)
		}
		r.Series, r.Label, r.At = timing.name, timing.election.String(), milliseconds(timing.election)
		row(found, r)
		found.Bars = append(found.Bars, report.AtMost(
			fmt.Sprintf("failover with an election timeout of %v, median of %d: under %d of them", timing.election, b.failovers, barElections),
			r.Values["written, median"]/milliseconds(timing.election), barElections, "election timeouts"))
	}
	return nil
}

// failover is what one kill led to.
type failover struct{ elected, written time.Duration }

func (b *bench) failOverWith(ctx context.Context, heartbeat, election time.Duration) (r report.Row, err error) {
	c, err := b.cluster(ctx, 3, "--heartbeat", heartbeat.String(), "--election-timeout", election.String())
	if err != nil {
		return r, err
	}
	defer stop(c, &err)
	if _, err := begin(ctx, c, 0, 1, 2); err != nil {
		return r, err
	}
	w, err := startWriters(ctx, c.Client)
	if err != nil {
		return r, err
	}
	defer w.stop()
	var all []failover
	missed := 0
	for len(all) < b.failovers {
		one, err := killLeader(ctx, c, w)
		switch {
		case errors.Is(err, errMoved) && missed < b.failovers:
			missed++
			continue
		case err != nil:
			return r, fmt.Errorf("kill %d: %w", len(all)+1, err)
		}
		all = append(all, one)
	}
	r = summary(all)
	if missed > 0 {
		r.Note = fmt.Sprintf("%d more kills are left out: leadership had moved by itself just before", missed)
	}
	return r, nil
}

// summary puts the kills into the columns.
func summary(all []failover) report.Row {
	r := report.Row{Values: map[string]float64{"kills": float64(len(all))}}
	for name, of := range map[string]func(failover) time.Duration{
		"elected": func(f failover) time.Duration { return f.elected }, "written": func(f failover) time.Duration { return f.written },
	} {
		var values []float64
		for _, one := range all {
			values = append(values, milliseconds(of(one)))
		}
		if name == "written" {
			r.Raw = slices.Clone(values)
		}
		slices.Sort(values)
		n := len(values)
		r.Values[name+", least"], r.Values[name+", most"] = values[0], values[n-1]
		r.Values[name+", median"], r.Values[name+", p90"] = (values[(n-1)/2]+values[n/2])/2, values[min(n*9/10, n-1)]
	}
	return r
}

var errMoved = errors.New("leadership moved by itself")

// killLeader kills the leader, measures, and starts it again.
func killLeader(ctx context.Context, c *cluster.Cluster, w *writing) (one failover, err error) {
	leader, err := leads(ctx, c)
	if err != nil {
		return one, err
	}
	before, err := statusOf(ctx, c.Client[leader])
	if err != nil {
		return one, err
	}
	if before.Role != "leader" {
		return one, errMoved
	}
	ctx, cancel := context.WithTimeout(ctx, maxFailover)
	defer cancel()
	written := w.first(before.Term)
	began := time.Now()
	c.Kill(leader)
	watching, enough := context.WithCancel(ctx)
	defer enough()
	one.elected = (<-elections(watching, c, leader, before.Term)).Sub(began)
	enough()
	select {
	case at := <-written:
		one.written = at.Sub(began)
	case <-ctx.Done():
		return one, fmt.Errorf("no write was acknowledged within %v: %w", maxFailover, ctx.Err())
	}
	restarted := time.Now()
	if err := c.Run(leader); err != nil {
		return one, err
	}
	_, err = served(ctx, c, restarted, 0, 1, 2)
	if err == nil && (one.written <= 0 || one.elected <= 0) {
		err = errMoved // before the kill was done
	}
	return one, err
}

// elections tells when a survivor first says that it leads in a later term; the zero time if ctx ends before.
func elections(ctx context.Context, c *cluster.Cluster, killed int, term uint64) <-chan time.Time {
	seen := make(chan time.Time, len(c.Client))
	for i, endpoint := range c.Client {
		if i == killed {
			continue
		}
		go func() {
			if watch(ctx, endpoint, term) {
				seen <- time.Now()
			} else {
				seen <- time.Time{}
			}
		}()
	}
	return seen
}

// watch asks a node until it leads in a later term.
func watch(ctx context.Context, endpoint string, term uint64) bool {
	cl, err := client.New(client.Config{Endpoints: []string{endpoint}, Timeout: time.Second})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return false
	}
	defer cl.Close()
	for {
		if status, err := cl.Status(ctx, endpoint); err == nil && status.Role == "leader" && status.Term > term {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(statusPause):
		}
	}
}

// writing is clients that write, one write after the other each.
type writing struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	clients []*client.Client

	mu      sync.Mutex
	term    uint64         // waited for is a write of a later one
	waiting chan time.Time // nil: nobody waits
}

// startWriters begins to write through all endpoints, each client with another one first.
func startWriters(ctx context.Context, endpoints []string) (*writing, error) {
	w := &writing{}
	ctx, w.cancel = context.WithCancel(ctx)
	for i := range writers {
		at := i % len(endpoints)
		cl, err := client.New(client.Config{Endpoints: slices.Concat(endpoints[at:], endpoints[:at])})
		if err != nil {
			w.stop()
			return nil, err
		}
		w.clients = append(w.clients, cl)
		w.running.Go(func() { w.write(ctx, cl, key(i)) })
	}
	return w, nil
}

func (w *writing) write(ctx context.Context, cl *client.Client, key string) {
	value := make([]byte, someBytes)
	for ctx.Err() == nil {
		written, err := cl.Put(ctx, key, value)
		if err == nil {
			w.acknowledged(written, time.Now())
		}
		select {
		case <-ctx.Done():
		case <-time.After(writePause):
		}
	}
}

func (w *writing) acknowledged(written api.Written, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting != nil && written.Term > w.term {
		w.waiting <- at
		w.waiting = nil
	}
}

// first tells when the first write of a later term is acknowledged.
func (w *writing) first(term uint64) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.term, w.waiting = term, make(chan time.Time, 1)
	return w.waiting
}

func (w *writing) stop() {
	w.cancel()
	w.running.Wait()
	for _, cl := range w.clients {
		cl.Close()
	}
}

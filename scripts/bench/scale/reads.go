package main

import (
	"context"
	"sync/atomic"

	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/report"
)

// barReads is how many linearizable reads a second the leader is to answer, at 64 clients.
const barReads = 45_000

// spread gives each of several targets its turn.
type spread struct {
	targets []load.Target
	next    atomic.Uint64
}

// Start hands the operation to whose turn it is.
func (s *spread) Start(ctx context.Context, op load.Op, done func(error)) {
	s.targets[s.next.Add(1)%uint64(len(s.targets))].Start(ctx, op, done)
}

// staleReads is a target of which reads are stale.
func staleReads(c *client.Client) load.Target {
	return load.Blocking(func(ctx context.Context, op load.Op) error {
		_, err := c.Get(ctx, op.Key, client.Stale())
		return err
	})
}

// readers makes a target of several nodes.
func readers(endpoints []string, stale bool) (to load.Target, hangUp func(), err error) {
	s := &spread{}
	var all []*client.Client
	hangUp = func() {
		for _, cl := range all {
			cl.Close()
		}
	}
	for _, endpoint := range endpoints {
		cl, err := client.New(client.Config{Endpoints: []string{endpoint}})
		if err != nil {
			hangUp()
			return nil, nil, err
		}
		all = append(all, cl)
		if stale {
			s.targets = append(s.targets, staleReads(cl))
		} else {
			s.targets = append(s.targets, load.Store(cl))
		}
	}
	return s, hangUp, nil
}

func reads(b *bench, ctx context.Context, found *report.Study) (err error) {
	cfg := b.config(someKeys, someBytes, 0)
	c, leader, err := b.fresh(ctx, 3, cfg)
	if err != nil {
		return err
	}
	defer stop(c, &err)
	cfg.Reads = 1
	one, two, three := []string{c.Client[leader]}, []string{c.Client[(leader+1)%3], c.Client[(leader+2)%3]}, c.Client
	rate := map[string]float64{}
	for _, who := range []struct {
		series, label string
		endpoints     []string
		stale         bool
	}{
		{"linearizable", "the leader", one, false},
		{"linearizable", "two followers", two, false},
		{"linearizable", "all three", three, false},
		{"stale", "one follower", two[:1], true},
		{"stale", "two followers", two, true},
		{"stale", "all three", three, true},
	} {
		to, hangUp, err := readers(who.endpoints, who.stale)
		if err != nil {
			return err
		}
		values, err := b.sample(ctx, c, leader, to, cfg)
		hangUp()
		if err != nil {
			return err
		}
		row(found, report.Row{Series: who.series, Label: who.label, Values: values})
		rate[who.series+" "+who.label] = values[perSecond.Title]
	}
	fromLeader := rate["linearizable the leader"]
	found.Bars = append(found.Bars,
		report.AtLeast("linearizable reads from the leader: at least 45,000/s", fromLeader, barReads, "a second"),
		report.AtLeast("linearizable reads from three nodes: more than from the leader", rate["linearizable all three"], fromLeader, "a second"))
	return nil
}

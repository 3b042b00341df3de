package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// patience is how long the cluster may take for anything that it must do: elect, become ready, catch up. It takes a small part of
// a second; who takes this long has broken a promise, even on a very busy machine.
const patience = 45 * time.Second

// Drill is one run of a scenario: a cluster, its clients, and what they saw.
type Drill struct {
	Cluster *Cluster
	History *History
	opts    Options
	rng     *rand.Rand // decides all faults
	load    *Workload
}

// say tells who watches what happened.
func (d *Drill) say(what, format string, args ...any) {
	d.opts.Narrate(Step{At: time.Duration(d.History.Now()), What: what, Detail: fmt.Sprintf(format, args...)})
}

// fault records what was done to the cluster, and tells who watches.
func (d *Drill) fault(what, format string, args ...any) {
	d.History.Mark("%s: %s", what, fmt.Sprintf(format, args...))
	d.say(what, format, args...)
}

// must bounds something that the cluster has to do, by patience.
func (d *Drill) must(ctx context.Context, do func(ctx context.Context) error) error {
	within, cancel := context.WithTimeoutCause(ctx, patience, errTooSlow)
	defer cancel()
	return do(within)
}

var errTooSlow = fmt.Errorf("not within %v", patience)

// pause lets time pass, between the given bounds.
func (d *Drill) pause(ctx context.Context, least, most time.Duration) error {
	timer := time.NewTimer(least + time.Duration(d.rng.Int64N(int64(most-least)+1)))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return d.Cluster.Crashed()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leader waits for a leader in a term above the given one.
func (d *Drill) leader(ctx context.Context, above uint64) (leader *Node, status api.Status, err error) {
	err = d.must(ctx, func(ctx context.Context) error {
		leader, status, err = d.Cluster.WaitLeader(ctx, above)
		return err
	})
	return leader, status, err
}

// writesGoOn waits until some writes, that were asked for from now on, are acknowledged: one might be luck, and a fault that
// meets no load proves little.
func (d *Drill) writesGoOn(ctx context.Context) error {
	from := d.History.Now()
	return d.must(ctx, func(ctx context.Context) error {
		return poll(ctx, "writes to go on", func() (bool, error) {
			return d.History.Acknowledged(from) >= someWrites, d.Cluster.Crashed()
		})
	})
}

const someWrites = 20

// start starts nodes that are down, or all.
func (d *Drill) start(ctx context.Context, nodes ...*Node) error {
	return d.must(ctx, func(ctx context.Context) error { return d.Cluster.Start(ctx, nodes...) })
}

// restart starts a node that was killed, and waits until it has applied all that the cluster had committed when it came.
func (d *Drill) restart(ctx context.Context, n *Node) error {
	began := time.Now()
	if err := d.start(ctx, n); err != nil {
		return err
	}
	recovered, err := d.tellRecovery(n)
	if err != nil {
		return err
	}
	return d.caughtUp(ctx, n, recovered, began)
}

// tellRecovery tells how many entries a restarted node read from its WAL.
func (d *Drill) tellRecovery(n *Node) (entries int, err error) {
	entries, took, err := n.recovery()
	if err != nil {
		return 0, err
	}
	d.fault("restarted", "%s, pid %d: recovered %s from its WAL in %s", n.ID, n.PID(), count(entries, "entry", "entries"), took)
	return entries, nil
}

// caughtUp waits until the node has applied what the others have committed by now.
func (d *Drill) caughtUp(ctx context.Context, n *Node, had int, began time.Time) error {
	_, status, err := d.leader(ctx, 0)
	if err != nil {
		return err
	}
	err = d.must(ctx, func(ctx context.Context) error {
		_, err := d.Cluster.WaitApplied(ctx, n, status.Commit)
		return err
	})
	if err != nil {
		return err
	}
	missed := int(status.Commit) - had
	d.say("caught up", "%s, %s that it had missed, in %s", n.ID, count(max(missed, 0), "entry", "entries"), millis(time.Since(began)))
	return nil
}

// mend ends all faults: links, pauses, nodes that are down.
func (d *Drill) mend(ctx context.Context) error {
	d.Cluster.Heal()
	var down []*Node
	for _, n := range d.Cluster.Nodes() {
		switch {
		case n.PID() == 0:
			down = append(down, n)
		case !n.Answers():
			if err := n.Resume(); err != nil {
				return err
			}
		}
	}
	if len(down) == 0 {
		return nil
	}
	return d.start(ctx, down...)
}

// finish ends the clients, waits until all nodes hold the same log, and reads every key on every node.
func (d *Drill) finish(ctx context.Context) (finals Finals, err error) {
	if err := d.mend(ctx); err != nil {
		return nil, err
	}
	d.load.Stop()
	// A last write settles what a leader before had left open.
	if err := d.lastWrite(ctx); err != nil {
		return nil, err
	}
	err = d.must(ctx, func(ctx context.Context) error {
		for {
			before, err := d.Cluster.WaitConverged(ctx)
			if err != nil {
				return err
			}
			if finals, err = d.readAll(ctx); err != nil {
				return err
			}
			// What came in meanwhile, from a request that its client had given up, would make nodes differ that do not.
			if after, err := d.Cluster.WaitConverged(ctx); err != nil || after == before {
				return err
			}
		}
	})
	return finals, err
}

// lastWrite writes one more key, with all the patience that there is.
func (d *Drill) lastWrite(ctx context.Context) error {
	c, err := d.Cluster.client(client.Config{Endpoints: d.Cluster.Endpoints(), Timeout: patience})
	if err != nil {
		return err
	}
	defer c.Close()
	op := Op{Client: int(d.load.clients.Add(1)), Kind: Put, Key: lastKey, Value: "the end", Call: d.History.Now()}
	ask(ctx, c, &op)
	op.Return = d.History.Now()
	d.History.Add(op)
	if op.Outcome != Ok {
		return fmt.Errorf("integration: all faults are over, and a write still fails: %s: %w", op.Error, errTooSlow)
	}
	return d.Cluster.Crashed()
}

const lastKey = "last"

// readAll reads every key on every node, from what that node itself has applied.
func (d *Drill) readAll(ctx context.Context) (Finals, error) {
	finals := Finals{}
	for _, n := range d.Cluster.Nodes() {
		addr, _ := n.ClientAddr()
		c, err := d.Cluster.client(client.Config{Endpoints: []string{addr}, NoRetry: true})
		if err != nil {
			return nil, err
		}
		defer c.Close()
		finals[n.ID] = map[string]Final{}
		for _, key := range append(d.load.Keys(), lastKey) {
			got, err := c.Get(ctx, key, client.Stale())
			switch {
			case err == nil:
				finals[n.ID][key] = Final{Found: true, Value: string(got.Data), Version: got.Version}
			case client.CodeOf(err) == api.CodeNotFound:
				finals[n.ID][key] = Final{}
			default:
				return nil, fmt.Errorf("integration: final read on %s: %w", n.ID, err)
			}
		}
	}
	return finals, nil
}

var recoveryLine = regexp.MustCompile(`recovered the log: .*\bentries=(\d+).*\btook=(\S+)`)

// recovery finds what the node said that it read from its WAL when it started.
func (n *Node) recovery() (entries int, took string, err error) {
	text, err := n.Printed()
	if err != nil {
		return 0, "", err
	}
	m := recoveryLine.FindStringSubmatch(text)
	if m == nil {
		return 0, "", fmt.Errorf("integration: %s does not say what it recovered: %s", n.ID, n.LogPath)
	}
	if entries, err = strconv.Atoi(m[1]); err != nil {
		return 0, "", fmt.Errorf("integration: what %s recovered: %w", n.ID, err)
	}
	if d, err := time.ParseDuration(m[2]); err == nil {
		return entries, millis(d), nil
	}
	return entries, m[2], nil
}

// others are all nodes but the given ones.
func (d *Drill) others(but ...*Node) []*Node {
	return slices.DeleteFunc(slices.Clone(d.Cluster.Nodes()), func(n *Node) bool { return slices.Contains(but, n) })
}

func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// count gives a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(n) + " " + many
}

// Thousands writes a number as people read it: 12,345.
func Thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

package integration

import (
	"context"
	"fmt"
	"time"
)

// Scenario is a story of faults, told to a cluster with clients at work.
type Scenario struct {
	Name   string
	About  string   // one line
	Nodes  int      // unless Options says otherwise
	Spares int      // nodes to be added later, one for each round
	Args   []string // more arguments for each raftnode
	Rounds int      // likewise; 0: it has none
	play   func(ctx context.Context, d *Drill) error
}

// Scenarios are all that there are, in the order in which to show them.
func Scenarios() []Scenario {
	return []Scenario{
		{
			Name: "demo", Nodes: 3, play: demo,
			About: "a leader is killed, another takes over, the dead one comes back: in about ten seconds, with all times",
		},
		{
			Name: "kill-leader", Nodes: 3, Rounds: 3, play: rounds(killLeader),
			About: "the leader is killed with SIGKILL and restarted, again and again",
		},
		{
			Name: "kill-all", Nodes: 3, Rounds: 2, play: rounds(killAll),
			About: "all nodes are killed at the same moment, and restarted",
		},
		{
			Name: "partition", Nodes: 3, Rounds: 2, play: rounds(partition),
			About: "the leader, then a follower, is cut off from the others, and the network heals",
		},
		{
			Name: "one-way", Nodes: 3, Rounds: 2, play: rounds(oneWay),
			About: "messages pass between two nodes in one direction only",
		},
		{
			Name: "pause", Nodes: 3, Rounds: 3, play: rounds(pauseLeader),
			About: "the leader stands still (SIGSTOP) until there is another, wakes up and still thinks that it leads",
		},
		{
			Name: "crashes", Nodes: 3, Rounds: 10, play: rounds(crash),
			About: "kill -9 of one node, of two or of all, at random moments, with restarts",
		},
		{
			Name: "replace", Nodes: 3, Spares: 3, Rounds: 3, play: rounds(replace),
			About: "a node loses its disk and is replaced by a new one, which gets a snapshot, while somebody is killed",
			// Snapshots come soon, and little of the log stays behind them: so the new node needs one.
			Args: []string{"--snapshot-entries", "500", "--snapshot-bytes", "64KiB"},
		},
	}
}

// rounds plays a round again and again: as often as asked for, or for as long.
func rounds(round func(ctx context.Context, d *Drill) error) func(ctx context.Context, d *Drill) error {
	return func(ctx context.Context, d *Drill) error {
		began := time.Now()
		for n := 1; ; n++ {
			switch {
			case d.opts.Duration > 0 && time.Since(began) > d.opts.Duration:
				return nil
			case d.opts.Duration <= 0 && n > d.opts.Rounds:
				return nil
			}
			if err := round(ctx, d); err != nil {
				return fmt.Errorf("round %d: %w", n, err)
			}
			t := d.History.Tally()
			d.say("round done", "%d: %s acknowledged, %d unknown so far", n, count(t.Acknowledged, "write", "writes"), t.Unknown)
		}
	}
}

// demo is what a newcomer sees: one leader's death, slowly, with every time.
func demo(ctx context.Context, d *Drill) error {
	if err := d.pause(ctx, 3*time.Second, 3*time.Second); err != nil {
		return err
	}
	t := d.History.Tally()
	d.say("writing", "%s acknowledged, %s answered", count(t.Acknowledged, "write", "writes"), count(t.Reads, "read", "reads"))
	dead, err := d.killLeader(ctx)
	if err != nil {
		return err
	}
	if err := d.pause(ctx, 4*time.Second, 4*time.Second); err != nil {
		return err
	}
	t = d.History.Tally()
	d.say("writing", "%s acknowledged, with %s down", count(t.Acknowledged, "write", "writes"), dead.ID)
	if err := d.restart(ctx, dead); err != nil {
		return err
	}
	return d.pause(ctx, 2*time.Second, 2*time.Second)
}

func killLeader(ctx context.Context, d *Drill) error {
	dead, err := d.killLeader(ctx)
	if err != nil {
		return err
	}
	if err := d.pause(ctx, 0, time.Second); err != nil {
		return err
	}
	return d.restart(ctx, dead)
}

// killLeader kills the leader, waits for another and for the first write that is acknowledged after the kill.
func (d *Drill) killLeader(ctx context.Context) (*Node, error) {
	old, status, err := d.leader(ctx, 0)
	if err != nil {
		return nil, err
	}
	pid := old.PID()
	if err := old.Kill(); err != nil {
		return nil, err
	}
	killed := d.History.Now()
	d.fault("leader killed", "%s, SIGKILL, pid %d", old.ID, pid)
	next, status, err := d.leader(ctx, status.Term)
	if err != nil {
		return nil, err
	}
	d.say("new leader", "%s, term %d, after %s", next.ID, status.Term, millis(time.Duration(d.History.Now()-killed)))
	var first Op
	err = d.must(ctx, func(ctx context.Context) error {
		return poll(ctx, "writes to go on", func() (ok bool, err error) {
			first, ok = d.History.FirstAcknowledged(killed)
			return ok, d.Cluster.Crashed()
		})
	})
	if err != nil {
		return nil, err
	}
	d.say("writes go on", "the first was acknowledged after %s", millis(time.Duration(first.Return-killed)))
	return old, nil
}

func killAll(ctx context.Context, d *Drill) error {
	if err := d.pause(ctx, 500*time.Millisecond, time.Second); err != nil {
		return err
	}
	if err := d.Cluster.Kill(); err != nil {
		return err
	}
	d.fault("all killed", "SIGKILL to %d processes at once", len(d.Cluster.Nodes()))
	began := time.Now()
	if err := d.start(ctx); err != nil {
		return err
	}
	for _, n := range d.Cluster.Nodes() {
		if _, err := d.tellRecovery(n); err != nil {
			return err
		}
	}
	leader, status, err := d.leader(ctx, 0)
	if err != nil {
		return err
	}
	d.say("leader", "%s, term %d, %s after the restart began", leader.ID, status.Term, millis(time.Since(began)))
	return d.writesGoOn(ctx)
}

// partition isolates the leader, so that the majority has to find another; then, healed, somebody else, so that the leader goes on.
func partition(ctx context.Context, d *Drill) error {
	old, status, err := d.leader(ctx, 0)
	if err != nil {
		return err
	}
	d.Cluster.Isolate(old)
	d.fault("cut off", "%s, the leader of term %d", old.ID, status.Term)
	next, status, err := d.leader(ctx, status.Term)
	if err != nil {
		return err
	}
	d.say("new leader", "%s, term %d", next.ID, status.Term)
	if err := d.lastFor(ctx, "healed", d.Cluster.Heal); err != nil {
		return err
	}
	leader, _, err := d.leader(ctx, 0)
	if err != nil {
		return err
	}
	follower := d.pick(d.others(leader))
	for _, n := range d.others(follower) {
		d.Cluster.Link(follower, n).Blackhole()
		d.Cluster.Link(n, follower).Blackhole()
	}
	d.fault("swallowed", "all messages from and to %s, a follower", follower.ID)
	return d.lastFor(ctx, "healed", d.Cluster.Heal)
}

// lastFor lets a fault last a while, in which writes have to go on, and then ends it.
func (d *Drill) lastFor(ctx context.Context, what string, end func()) error {
	if err := d.writesGoOn(ctx); err != nil {
		return err
	}
	if err := d.pause(ctx, 500*time.Millisecond, 1500*time.Millisecond); err != nil {
		return err
	}
	end()
	d.fault(what, "")
	return d.writesGoOn(ctx)
}

// oneWay cuts what the leader says to a follower, and then what a follower says to the leader. The first makes a node that
// hears no heartbeat disturb the others with elections; both must leave a way to go on.
func oneWay(ctx context.Context, d *Drill) error {
	for _, toLeader := range []bool{false, true} {
		leader, _, err := d.leader(ctx, 0)
		if err != nil {
			return err
		}
		follower := d.pick(d.others(leader))
		from, to := leader, follower
		if toLeader {
			from, to = follower, leader
		}
		d.Cluster.Link(from, to).Cut()
		d.fault("one-way cut", "%s does not hear %s; %s leads", to.ID, from.ID, leader.ID)
		if err := d.lastFor(ctx, "healed", d.Cluster.Heal); err != nil {
			return err
		}
	}
	return nil
}

// pauseLeader stops the leader until there is another. When it wakes up, it holds requests that were sent meanwhile, and
// knows of no other leader: what it answers then must not be old.
func pauseLeader(ctx context.Context, d *Drill) error {
	old, status, err := d.leader(ctx, 0)
	if err != nil {
		return err
	}
	if err := old.Pause(); err != nil {
		return err
	}
	d.fault("paused", "%s, SIGSTOP, the leader of term %d", old.ID, status.Term)
	next, status, err := d.leader(ctx, status.Term)
	if err != nil {
		return err
	}
	d.say("new leader", "%s, term %d", next.ID, status.Term)
	if err := d.writesGoOn(ctx); err != nil {
		return err
	}
	if err := d.pause(ctx, 0, time.Second); err != nil {
		return err
	}
	if err := old.Resume(); err != nil {
		return err
	}
	d.fault("resumed", "%s, SIGCONT", old.ID)
	if err := d.writesGoOn(ctx); err != nil {
		return err
	}
	return d.pause(ctx, 500*time.Millisecond, time.Second)
}

// crash kills some nodes, or all, at a random moment, and starts them again.
func crash(ctx context.Context, d *Drill) error {
	if err := d.pause(ctx, 100*time.Millisecond, 900*time.Millisecond); err != nil {
		return err
	}
	victims := []*Node{d.pick(d.Cluster.Nodes())} // most often one: then the others go on
	switch d.rng.IntN(4) {
	case 0:
		victims = d.Cluster.Nodes()
	case 1:
		victims = d.others(victims...)
	}
	if err := d.Cluster.Kill(victims...); err != nil {
		return err
	}
	d.fault("killed", "%s", names(victims))
	if err := d.pause(ctx, 0, 800*time.Millisecond); err != nil {
		return err
	}
	if err := d.start(ctx, victims...); err != nil {
		return err
	}
	d.fault("restarted", "%s", names(victims))
	return d.writesGoOn(ctx)
}

func (d *Drill) pick(nodes []*Node) *Node { return nodes[d.rng.IntN(len(nodes))] }

func names(nodes []*Node) string {
	text := ""
	for i, n := range nodes {
		if i > 0 {
			text += ", "
		}
		text += n.ID
	}
	return text
}

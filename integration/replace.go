package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// replace takes a node's disk away, removes the node, and adds another, in the middle of which somebody is killed and restarted.
func replace(ctx context.Context, d *Drill) error {
	c := d.Cluster
	next := d.unused()
	if next == nil {
		return nil // as many rounds as there are nodes to spare
	}
	if err := d.must(ctx, c.waitSnapshots); err != nil {
		return err
	}
	lost := d.pick(c.Nodes())
	if err := errors.Join(lost.Kill(), os.RemoveAll(lost.DataDir)); err != nil {
		return err
	}
	d.fault("disk lost", "%s, killed", lost.ID)
	began := time.Now()
	if err := d.must(ctx, func(ctx context.Context) error { return c.Remove(ctx, lost) }); err != nil {
		return err
	}
	d.fault("removed", "%s, in %s", lost.ID, millis(time.Since(began)))
	if err := d.start(ctx, next); err != nil {
		return err
	}
	began = time.Now()
	var adding sync.WaitGroup
	var added error
	adding.Go(func() {
		added = d.must(ctx, func(ctx context.Context) error { return c.Enlist(ctx, next) })
	})
	killed := d.killOneMeanwhile(ctx, next)
	adding.Wait()
	if err := errors.Join(killed, added); err != nil {
		return err
	}
	status, err := c.Status(ctx, next)
	if err != nil {
		return err
	}
	if status.SnapshotIndex == 0 {
		return fmt.Errorf("%s was brought up without a snapshot, and the logs of the others do not reach back: %w", next.ID, errTooSlow)
	}
	d.fault("added", "%s, in %s", next.ID, millis(time.Since(began)))
	return d.writesGoOn(ctx)
}

// unused is a spare node that was never a member, nil if there is none.
func (d *Drill) unused() *Node {
	for _, n := range d.Cluster.Spares() {
		if n.spare() && n.PID() == 0 && !n.used() {
			return n
		}
	}
	return nil
}

// killOneMeanwhile kills somebody at a random moment of the change, often the leader, and starts it again.
func (d *Drill) killOneMeanwhile(ctx context.Context, next *Node) error {
	if err := d.pause(ctx, 0, 60*time.Millisecond); err != nil {
		return err
	}
	victim := d.pick(append(d.others(next), next))
	if err := victim.Kill(); err != nil {
		return err
	}
	d.fault("killed", "%s, in the middle of the change", victim.ID)
	if err := d.start(ctx, victim); err != nil {
		return err
	}
	d.fault("restarted", "%s", victim.ID)
	return nil
}

// waitSnapshots waits until all nodes have a snapshot, and no log from the beginning.
func (c *Cluster) waitSnapshots(ctx context.Context) error {
	return poll(ctx, "snapshots", func() (bool, error) {
		for _, n := range c.Nodes() {
			if status, err := c.Status(ctx, n); err != nil || status.SnapshotIndex == 0 || status.FirstIndex == 1 {
				return false, c.Crashed()
			}
		}
		return true, nil
	})
}

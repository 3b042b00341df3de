package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A cluster is moved from one codec to the next, node by node, while clients write: each node reads whatever another writes. Nothing is
// lost, and in the end no node writes anything else than the last.
func TestACodecIsChangedNodeByNode(t *testing.T) {
	c := newGrowing(t, 0, often...) // often: chunks of snapshots are sent, too
	underLoad(t, c, func(ctx context.Context, d *Drill) error {
		before := "msgpack"
		for _, codec := range []string{"cbor", "json", "msgpack"} {
			nodes := c.Nodes()
			for i, n := range nodes {
				if err := c.writeIn(ctx, d, n, codec); err != nil {
					return err
				}
				for _, from := range nodes[:i+1] {
					if err := c.speaks(ctx, d, from, n, codec); err != nil {
						return err
					}
				}
				for _, from := range nodes[i+1:] {
					if err := c.speaks(ctx, d, from, n, before); err != nil {
						return err
					}
				}
			}
			d.say("moved", "all nodes from %s to %s", before, codec)
			before = codec
		}
		return nil
	})
}

// writeIn restarts a node, which from then on writes in another codec, and waits until it has caught up.
func (c *Cluster) writeIn(ctx context.Context, d *Drill, n *Node, codec string) error {
	if err := d.must(ctx, n.Stop); err != nil {
		return err
	}
	d.fault("stopped", "%s, to write %s", n.ID, codec)
	n.Configure("--codec", codec)
	return errors.Join(d.restart(ctx, n), d.writesGoOn(ctx))
}

// speaks waits until the last link that one node had to another was in this codec.
func (c *Cluster) speaks(ctx context.Context, d *Drill, from, to *Node, codec string) error {
	if from == to {
		return nil
	}
	return d.must(ctx, func(ctx context.Context) error {
		return poll(ctx, fmt.Sprintf("%s to speak %s to %s", from.ID, codec, to.ID), func() (bool, error) {
			text, err := from.Printed()
			last := ""
			for line := range strings.Lines(text) {
				if strings.Contains(line, "link up: "+to.ID+" ") {
					last = strings.TrimSpace(line)
				}
			}
			return strings.Contains(last, "with codec "+codec+","), errors.Join(err, c.Crashed())
		})
	})
}

// A codec does not reach the disk: what the nodes wrote while they spoke one codec is read by nodes that speak another. All of them go down
// at once, so nobody gets anything from a peer that has it already.
func TestALogIsReadUnderAnotherCodec(t *testing.T) {
	c, ctx := newReal(t, 3), bounded(t)
	var recovered int
	written := map[string]string{}
	for round, codec := range []string{"json", "cbor", "msgpack", "json"} {
		for _, n := range c.Nodes() {
			n.Configure("--codec", codec)
		}
		start(ctx, t, c)
		for key, value := range written {
			answers(ctx, t, c, key, value)
		}
		for _, n := range c.Nodes() {
			entries, _, err := n.recovery()
			if round > 0 && (err != nil || entries < recovered+2) { // a leader's first entry, and ours
				t.Errorf("under %s, %s recovered %d entries, %v; before it had %d", codec, n.ID, entries, err, recovered)
			}
		}
		recovered = 2 * round
		key, value := fmt.Sprintf("round %d", round), "under "+codec
		put(ctx, t, c, key, value)
		written[key] = value
		if _, err := c.WaitConverged(ctx); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.Nodes() {
			if err := n.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

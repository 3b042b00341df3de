package integration

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// Spares are the nodes that take no part, yet or any more.
func (c *Cluster) Spares() []*Node {
	present := c.Nodes()
	return slices.DeleteFunc(slices.Clone(c.everyone), func(n *Node) bool { return slices.Contains(present, n) })
}

// Add starts a spare node, if it does not run, and makes it a voter of the cluster.
func (c *Cluster) Add(ctx context.Context, n *Node) error {
	if n.PID() == 0 {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return c.Enlist(ctx, n)
}

// Enlist is Add of a node that runs, or will: it may be killed and started meanwhile.
func (c *Cluster) Enlist(ctx context.Context, n *Node) error {
	if err := c.Change(ctx, api.MemberChange{Op: api.OpAdd, ID: n.ID, Address: n.memberAddress()}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return nil
}

// Remove takes a node out of the cluster, whether or not it runs, and kills it then.
func (c *Cluster) Remove(ctx context.Context, n *Node) error {
	if err := c.Change(ctx, api.MemberChange{Op: api.OpRemove, ID: n.ID}); err != nil {
		return err
	}
	c.mu.Lock()
	c.nodes = slices.DeleteFunc(c.nodes, func(other *Node) bool { return other == n })
	c.mu.Unlock()
	return n.Kill()
}

// changeLimit bounds one request for a change, and one look at what became of it.
const changeLimit = 10 * time.Second

// Change makes the cluster change its members, however often leaders die over it. When ctx ends first, nobody knows.
func (c *Cluster) Change(ctx context.Context, change api.MemberChange) error {
	kv, err := c.client(client.Config{Endpoints: c.Endpoints(), Timeout: changeLimit})
	if err != nil {
		return err
	}
	defer kv.Close()
	var last error
	err = poll(ctx, change.Op+" "+change.ID, func() (bool, error) {
		if _, last = kv.ChangeMembers(ctx, change); last == nil {
			return true, nil
		}
		// Who asks again for what is done already is refused.
		members, err := kv.Members(ctx)
		return err == nil && fulfilled(change, members.Configuration), c.Crashed()
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

func fulfilled(change api.MemberChange, config api.Configuration) bool {
	want := map[string]string{api.OpAdd: "voter", api.OpPromote: "voter", api.OpAddLearner: "learner", api.OpDemote: "learner"}[change.Op]
	is := ""
	for _, m := range config.Members {
		if m.ID == change.ID {
			is = m.Suffrage
		}
	}
	return !config.Joint && is == want
}

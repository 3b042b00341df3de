package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// founders is the configuration before the first entry of the log; nil for a node that is added later.
func (c *config) founders() consensus.Configuration {
	if c.join {
		return nil
	}
	var members consensus.Configuration
	for _, id := range sortedIDs(c.cluster) {
		members = append(members, consensus.Member{ID: id, Address: c.cluster[id], Suffrage: consensus.Voter})
	}
	return members
}

// way is the link to a member, for as long as it is one.
type way struct {
	*rpc.Link
	end func()
}

// Close ends the link.
func (w way) Close() error {
	w.end()
	return nil
}

// peerFor makes the way to a member of the configuration. The goroutine that drives the algorithm calls it.
func (n *node) peerFor(member consensus.Member) raft.Peer {
	if !n.dial(member.ID, member.Address) {
		return nil
	}
	return way{n.transport.Link(member.ID), func() { n.hangUp(member.ID) }}
}

// dial makes a server a peer of the transport.
func (n *node) dial(id raft.ServerID, address string) bool {
	if elsewhere, ok := n.config.dial[id]; ok {
		address = elsewhere
	}
	if err := n.transport.AddPeer(id, address); err != nil {
		n.log.Error("a member cannot be reached", "member", id, "error", err)
		return false
	}
	n.stores.enter(id)
	n.watch.enter(id, address)
	return true
}

// detours let --dial count for servers too of which this node has not heard yet that they are members: a leader or a new member that
// connects is answered at the address that it gives, and that may not be where this node can reach it.
type detours struct {
	dials map[raft.ServerID]string

	mu        sync.Mutex
	addresses map[string]raft.ServerID // what those in dials gave as theirs
}

// note remembers which address a server gave that was let in.
func (d *detours) note(id raft.ServerID, address string) {
	if _, ok := d.dials[id]; ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.addresses) > maxDetours {
			clear(d.addresses)
		}
		d.addresses[address] = id
	}
}

const maxDetours = 256

func (d *detours) dial(ctx context.Context, address string) (net.Conn, error) {
	d.mu.Lock()
	if id, ok := d.addresses[address]; ok {
		address = d.dials[id]
	}
	d.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

func (n *node) hangUp(id raft.ServerID) {
	n.transport.RemovePeer(id)
	n.watch.leave(id)
}

// dialFounders lets a node that waits to be added know of the cluster, and the cluster of it: so its log says early what is wrong between
// them.
func (n *node) dialFounders() {
	n.knocking = true
	for id, address := range n.config.cluster {
		n.dial(id, address)
	}
}

// follow takes note of a fact of the algorithm. Founders that are no members any more are dropped when the node learns who is. From then on
// the Raft server alone drops links: a leader that is being removed is needed until that is committed.
func (n *node) follow(fact consensus.Fact) {
	changed, ok := fact.(consensus.ConfigurationChanged)
	if !ok || !n.knocking || len(changed.Config) == 0 {
		return
	}
	n.knocking = false
	for id := range n.config.cluster {
		if _, member := changed.Config.Find(id); !member {
			n.hangUp(id)
		}
	}
}

// look is what the watch looks at. Who was let in without being a member may have to go since the last look.
func (n *node) look() view {
	n.transport.Reconsider()
	return n.view()
}

func (n *node) view() view {
	status := n.raft.Status()
	v := view{leader: status.Leader, config: status.Config, committed: status.ConfigIndex <= status.CommitIndex}
	if _, member := status.Config.Find(n.config.id); member {
		v.member = true
	}
	return v
}

// warnOfDials tells of names in --dial that nobody has yet: one may be misspelt.
func (n *node) warnOfDials() {
	var strange []string
	for _, id := range sortedIDs(n.config.dial) {
		if _, founder := n.config.cluster[id]; !founder {
			strange = append(strange, string(id))
		}
	}
	if config := n.raft.Status().Config; len(strange) > 0 && !slices.ContainsFunc(config, func(m consensus.Member) bool {
		return slices.Contains(strange, string(m.ID))
	}) {
		n.log.Info(fmt.Sprintf("--dial names %s, not in --cluster: that counts once the cluster has such a member", strings.Join(strange, ", ")))
	}
}

package main

import (
	"fmt"
	"strconv"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// door decides which servers come in that are no members of this node's configuration. One that was removed must not, nor one that was never added;
// but a leader may have been added by a configuration that has not come here yet, and then nobody else can bring it.
//
// What settles it is whose configuration is later. Each server says in the handshake where in the log the one stands that it has in force. If this
// node's is known to be committed, then whoever leads from now on has it in its log (§5.4, Leader Completeness), so its own is the same or a later one. A
// server whose configuration is an earlier one, or this very one, and that is no member of it, can neither be leader nor help to elect
// one. So nothing need be remembered of who was removed, and who was removed and added again is let in as soon as it knows that itself.
type door struct {
	knows func() roll                   // nil before the Raft server is made: nobody is accepted then
	was   func(peer raft.ServerID) bool // that it was a member once, as far as is known here
}

// roll is the configuration in force.
type roll struct {
	config    consensus.Configuration // empty while the node waits to be added
	index     raft.Index              // where it stands in the log; 0: that of the founders
	committed bool                    // known to be
}

// waits is said of its membership by a node that has no configuration yet.
const waits = "waits"

// membership is what this node says of it to others.
func (d *door) membership() string {
	r := d.knows()
	if len(r.config) == 0 {
		return waits
	}
	return strconv.FormatUint(uint64(r.index), 10)
}

// judge tells why a server that is no peer is not let in.
func (d *door) judge(id raft.ServerID, address, membership string) error {
	r := d.knows()
	if len(r.config) == 0 || !r.committed {
		return nil // who waits to be added knows nobody; and a leader that is being removed is needed until that is committed
	}
	if _, member := r.config.Find(id); member {
		return nil // its link is made when the Raft server runs, which it has only begun to
	}
	add := fmt.Sprintf("`raftctl members add %s=%s`", id, address)
	index, err := strconv.ParseUint(membership, 10, 64)
	switch {
	case err == nil && raft.Index(index) > r.index:
		return nil // the algorithm looks at what it says, and lets it unseat nobody who is heard
	case d.was(id):
		return fmt.Errorf("server %q was removed from the cluster: it is not in the configuration at index %d, which is committed (%s). Stop it. A node in its place "+
			"needs an empty directory, --join and an id that was never used; %s brings this one back, on its own directory", id, r.index, r.config, add)
	case membership == waits:
		return fmt.Errorf("server %q %s: %s adds it, typed with the endpoints of members; then it is let in", id, waitsToBeAdded, add)
	}
	return fmt.Errorf("server %q is no member of the cluster: it is not in the configuration at index %d, which is committed (%s), and knows of no later one. "+
		"%s adds it, if it is to be one", id, r.index, r.config, add)
}

// waitsToBeAdded marks a refusal that is nobody's mistake.
const waitsToBeAdded = "waits to be added to the cluster"

// roll is what the door goes by.
func (n *node) roll() roll {
	status := n.raft.Status()
	return roll{config: status.Config, index: status.ConfigIndex, committed: status.ConfigIndex <= status.CommitIndex}
}

// admitUnknown is asked about a server that connects and is no peer.
func (n *node) admitUnknown(id raft.ServerID, address, _, membership string) error {
	if err := n.door.judge(id, address, membership); err != nil {
		return err
	}
	n.detours.note(id, address)
	return nil
}

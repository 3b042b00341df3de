package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc/certs"
)

// config is what serve runs with, once every mistake has been found.
type config struct {
	id              raft.ServerID
	dataDir         string
	cluster         map[raft.ServerID]string // every founding member's address, this node's among them unless it joins
	dial            map[raft.ServerID]string // where to reach a member instead
	listenClient    string
	listenPeer      string
	clusterID       string // "": made at founding, or asked for
	join            bool
	advertisePeer   string // where others reach this node; "": where it listens
	peerTLS         certs.Files
	clientTLS       certs.Files // its CA may be left out
	snapshotEntries int         // 0: not counted
	snapshotBytes   int         // 0: not counted
	heartbeat       time.Duration
	electionTimeout time.Duration
	lowSpace        int64 // 0: free space is not looked at; unset: the disk decides
	reserve         int64 // unset: --low-space decides
	codec           string
	logLevel        string
	logFormat       string
}

// unset is a size that was left open.
const unset = -1

// check finds what is wrong between settings that are right by themselves, and fills in what one
// has from another.
func (c *config) check() error {
	var errs []error
	if c.id != "" && len(c.cluster) > 0 { // else that has been said
		errs = append(errs, c.checkPlace())
	}
	if _, self := c.dial[c.id]; self {
		errs = append(errs, fmt.Errorf("--dial names %s, which is this node: leave it out", c.id))
	}
	errs = append(errs, together("--peer-tls", c.peerTLS, true), together("--client-tls", c.clientTLS, false))
	if c.heartbeat > 0 && c.electionTimeout > 0 && c.electionTimeout < 2*c.heartbeat {
		errs = append(errs, fmt.Errorf("--election-timeout %v must be at least twice --heartbeat %v, or followers stand for election under a healthy leader",
			c.electionTimeout, c.heartbeat))
	}
	if c.lowSpace == 0 && c.reserve > 0 {
		errs = append(errs, errors.New("--reserve is room that is given back when there is less than --low-space, which is 0: leave --reserve out, or give --low-space a size"))
	}
	return errors.Join(errs...)
}

// checkPlace looks at who this node is in the cluster, and where the others reach it.
func (c *config) checkPlace() error {
	own, founder := c.cluster[c.id]
	switch {
	case !founder && !c.join:
		return fmt.Errorf("--id %s is not in --cluster, whose members are %s: use one of these names, or --join if the node is to be added to the running cluster",
			c.id, strings.Join(c.members(), ", "))
	case founder && c.join:
		return fmt.Errorf("--join is for a node that is added to a running cluster, but %s is in --cluster: leave --join out, or give the node "+
			"a name that was never used in this cluster", c.id)
	case founder && c.advertisePeer != "":
		return fmt.Errorf("--advertise-peer is for nodes with --join: the others reach %s at its address in --cluster, %s", c.id, own)
	case founder:
		c.advertisePeer = own
		if c.listenPeer == "" {
			c.listenPeer = own
		}
	case c.listenPeer == "":
		return errors.New("--listen-peer is missing: a node with --join has no address in --cluster")
	case c.advertisePeer == "" && isWildcard(c.listenPeer):
		return fmt.Errorf("--advertise-peer is missing: nobody can reach this node at %s", c.listenPeer)
	}
	return nil
}

// listens gives where this node listens for others, or "" where the flags say that this is not where they dial it.
func (c *config) listens(at net.Addr) string {
	_, founder := c.cluster[c.id]
	_, port, _ := net.SplitHostPort(c.listenPeer)
	if !founder && c.advertisePeer != "" || isWildcard(c.listenPeer) || founder && port == "0" {
		return ""
	}
	return at.String()
}

func (c *config) members() []string {
	var names []string
	for _, id := range sortedIDs(c.cluster) {
		names = append(names, string(id))
	}
	return names
}

func sortedIDs(members map[raft.ServerID]string) []raft.ServerID {
	return slices.Sorted(maps.Keys(members))
}

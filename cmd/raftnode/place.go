package main

import (
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// view is what a node knows of its cluster at a moment.
type view struct {
	leader    raft.ServerID           // "" if none is known
	config    consensus.Configuration // in force; empty while the node waits to be added
	committed bool                    // it is
	member    bool                    // this node is in it
}

// voters gives who counts, in either half of a configuration.
func (v view) voters() (ids []raft.ServerID) {
	for _, m := range v.config {
		if v.config.Votes(m.ID) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// place tells once whether a node takes part. It is used by the goroutine of the watch.
type place struct {
	log      hclog.Logger
	id       raft.ServerID
	address  string // where the others reach it
	patience time.Duration

	listens string // where it listens for them; "" if it was told that they dial it elsewhere
	founder bool   // --cluster has its address

	wasMember bool
	misplaced bool      // that was told
	alone     time.Time // since when it is no member and hears no leader; zero: it is, or does
	told      bool
}

func (p *place) look(now time.Time, v view) {
	if v.member {
		p.lookAtAddress(v)
		p.wasMember, p.told, p.alone = true, false, time.Time{}
		return
	}
	if v.leader != "" {
		p.alone = time.Time{}
	} else if p.alone.IsZero() {
		p.alone = now
	}
	removed := p.wasMember && v.committed // a node that is being added has a leader, and is no member until its log says so
	if p.told || !removed && (p.alone.IsZero() || now.Sub(p.alone) < p.patience) {
		return
	}
	p.told = true
	add := fmt.Sprintf("`raftctl members add %s=%s`", p.id, p.address)
	if len(v.config) == 0 {
		p.log.Info("waits to be added to the cluster; with the endpoints of its members, type " + add)
		return
	}
	p.log.Warn(fmt.Sprintf("%s is no member of the cluster, which is %s: it was removed, and serves nothing. Stop it. A node in its place needs an empty "+
		"directory, --join and an id that was never used; with this directory, %s would bring this one back", p.id, v.config, add))
}

// lookAtAddress compares where the others dial this node, which the configuration says, with where it listens.
func (p *place) lookAtAddress(v view) {
	m, _ := v.config.Find(p.id)
	if p.misplaced || m.Address == "" || p.listens == "" || !differ(m.Address, p.listens) {
		return
	}
	p.misplaced = true
	text := fmt.Sprintf("the others dial %s at %s, its address in the configuration, but it listens at %s: start it with --listen-peer %s, "+
		"unless what comes there is forwarded to here", p.id, m.Address, p.listens, m.Address)
	if p.founder {
		p.log.Info(text) // --cluster may say on purpose that it is dialled elsewhere
		return
	}
	p.log.Warn(text + "; then say so with --advertise-peer " + m.Address)
}

// differ tells whether two addresses are certainly not the same. A name may stand for any host.
func differ(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	ipA, ipB := net.ParseIP(hostA), net.ParseIP(hostB)
	return portA != portB || ipA != nil && ipB != nil && !ipA.Equal(ipB)
}

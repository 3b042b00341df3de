package raft

import (
	"io"
	"maps"
	"sync/atomic"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// peers are the ways to the other servers. Raft.run alone changes them, as the configuration changes; whoever sends looks
// them up.
type peers struct {
	self      ServerID
	dial      func(consensus.Member) Peer // Config.PeerFor, or nil
	strangers func(Message)               // Config.Strangers, or nil
	dialed    map[ServerID]dialed         // what dial gave, of members
	config    consensus.Configuration     // in force
	dropAt    time.Duration               // when Peers of former members are dropped
	table     atomic.Pointer[map[ServerID]Peer]
}

// dialed is a Peer that Config.PeerFor gave for a member at that address.
type dialed struct {
	Peer
	address string
}

func newPeers(cfg *Config) *peers {
	p := &peers{self: cfg.ID, dial: cfg.PeerFor, strangers: cfg.Strangers, dialed: map[ServerID]dialed{}, dropAt: never}
	table := map[ServerID]Peer{}
	for _, peer := range cfg.Peers {
		if peer.ID() != cfg.ID {
			table[peer.ID()] = peer
		}
	}
	p.table.Store(&table)
	return p
}

// send hands msg to the network. An answer may be for a server that this one does not know as a member, yet or any more. If
// nobody can reach it, the message is lost like any other.
func (p *peers) send(msg Message) {
	if peer, ok := (*p.table.Load())[msg.Head().To]; ok {
		peer.Send(msg)
	} else if p.strangers != nil {
		p.strangers(msg)
	}
}

// carries tells whether a message of this kind can reach a server: if its Peer knows better, what that says.
func (p *peers) carries(id ServerID, msg Message) bool {
	peer := (*p.table.Load())[id]
	if chooser, ok := peer.(interface{ Carries(msg Message) bool }); ok {
		return chooser.Carries(msg)
	}
	return peer != nil
}

// follow gives each member of the configuration a Peer, if it has none, or if it has moved.
func (p *peers) follow(config consensus.Configuration) {
	if p.dial == nil {
		return
	}
	table := maps.Clone(*p.table.Load())
	for _, member := range config {
		d, ok := p.dialed[member.ID]
		switch {
		case ok && d.address == member.Address, !ok && table[member.ID] != nil, member.ID == p.self:
			continue
		case ok:
			d.close()
		}
		delete(p.dialed, member.ID)
		delete(table, member.ID)
		if peer := p.dial(member); peer != nil {
			p.dialed[member.ID] = dialed{peer, member.Address}
			table[member.ID] = peer
		}
	}
	p.table.Store(&table)
	p.config, p.dropAt = config, never
	for id := range p.dialed {
		if _, ok := config.Find(id); !ok {
			p.dropAt = unsettled
		}
	}
}

// Values of peers.dropAt that are no times.
const (
	never     time.Duration = -1 // all are members
	unsettled time.Duration = -2 // some are not, but the configuration is not committed yet
)

// drop drops the Peers of servers that are no members any more, grace after the configuration without them is committed: before that the
// leader may be one of them, and then there is a farewell to be sent. Those of Config.Peers are their giver's: they stay.
func (p *peers) drop(now, grace time.Duration, committed bool) {
	switch {
	case p.dropAt == unsettled && committed:
		p.dropAt = now + grace
	case p.dropAt >= 0 && now >= p.dropAt:
		p.dropAt = never
		table := maps.Clone(*p.table.Load())
		for id, d := range p.dialed {
			if _, ok := p.config.Find(id); !ok {
				delete(p.dialed, id)
				delete(table, id)
				d.close()
			}
		}
		p.table.Store(&table)
	}
}

// close ends all that Config.PeerFor gave. Nothing sends any more.
func (p *peers) close() {
	for _, d := range p.dialed {
		d.close()
	}
	clear(p.dialed)
}

func (d dialed) close() {
	if c, ok := d.Peer.(io.Closer); ok {
		_ = c.Close() // nothing depends on how a connection ends
	}
}

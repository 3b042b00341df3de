package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// member is one server of a cluster in memory: the real algorithm on a real log.
type member struct {
	id      consensus.ServerID
	dir     string
	log     *Log
	module  *consensus.Module
	sum     consensus.Saved // of all that was saved
	machine []byte          // the state machine: all commands, one behind the other
	applied consensus.Index
}

// clusterOnDisk moves such servers by chance, one step after the other.
type clusterOnDisk struct {
	t       *testing.T
	random  *rand.Rand
	now     time.Duration
	members []*member
	network []consensus.Message
	cut     consensus.ServerID // hears nothing and is not heard

	taken, installed, restarts int
}

func (c *clusterOnDisk) start(m *member) {
	m.log = mustOpen(c.t, m.dir, testOptions)
	saved := mustLoad(c.t, m.log)
	checkSaved(c.t, saved, m.sum)
	var err error
	m.module, err = consensus.Restart(c.now, consensus.Config{
		ID: m.id, Founders: consensus.Voters("n1", "n2", "n3"), HeartbeatInterval: 50 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond,
		Rand: c.random.Uint64, Noop: true, PreVote: true, TrailingBytes: 600, MaxChunkBytes: 700,
	}, saved)
	if err != nil {
		c.t.Fatalf("restart %s: %v", m.id, err)
	}
	m.machine, m.applied = nil, 0
	c.flush(m)
}

// flush carries out what the module wants. What it promises leaves behind the Save.
func (c *clusterOnDisk) flush(m *member) {
	e := m.module.Flush()
	c.network = append(c.network, e.Send...)
	if !e.Save.Empty() {
		if e.Save.Snapshot != nil && !e.Save.Installed {
			c.taken++
		} else if e.Save.Installed {
			c.installed++
		}
		mustSave(c.t, m.log, e.Save)
		m.sum.Add(e.Save)
	}
	c.network = append(c.network, e.AfterSave...)
	if e.Restore != nil {
		m.machine, m.applied = append([]byte(nil), e.Restore.Data...), e.Restore.Index
	}
	for _, entry := range e.Apply {
		m.machine, m.applied = append(m.machine, entry.Data...), entry.Index
	}
}

func (c *clusterOnDisk) step() {
	m := c.members[c.random.IntN(len(c.members))]
	switch c.random.IntN(40) {
	case 0, 1, 2:
		for _, m := range c.members { // the leader takes it
			_, _, _ = m.module.Propose(consensus.EntryCommand, bytes.Repeat(fmt.Appendf(nil, "%d;", c.random.Uint32()), 1+c.random.IntN(20)))
			c.flush(m)
		}
	case 3:
		if snapshot, err := m.module.Snapshot(m.applied, m.machine); err == nil {
			mustPrepare(c.t, m.log, snapshot)
			m.machine = append([]byte(nil), m.machine...)
			if err := m.module.Compact(snapshot); err != nil {
				c.t.Fatal(err)
			}
		}
	case 4:
		if c.random.IntN(15) == 0 {
			abandon(c.t, m.log)
			c.restarts++
			c.start(m)
			return
		}
	case 5:
		if c.random.IntN(40) == 0 {
			c.cut = ""
			if c.random.IntN(2) > 0 {
				c.cut = m.id
			}
		}
	case 6, 7, 8, 9, 10, 11, 12:
		c.now += 5 * time.Millisecond
		for _, m := range c.members {
			m.module.Tick(c.now)
			c.flush(m)
		}
		return
	default:
		c.deliver()
		return
	}
	c.flush(m)
}

func (c *clusterOnDisk) deliver() {
	if len(c.network) == 0 {
		return
	}
	i := c.random.IntN(min(len(c.network), 4))
	msg := c.network[i]
	c.network = append(c.network[:i:i], c.network[i+1:]...)
	head := msg.Head()
	if c.random.IntN(50) == 0 || head.From != head.To && (head.From == c.cut || head.To == c.cut) {
		return
	}
	for _, m := range c.members {
		if m.id == head.To {
			m.module.Step(c.now, msg)
			c.flush(m)
		}
	}
}

// The algorithm on three logs, with snapshots, installations, and crashes between any two steps: each Save is one that the log
// takes, and each restart gives back the sum of all Saves.
func TestClusterOnDisk(t *testing.T) {
	taken, installed, restarts := 0, 0, 0
	for seed := range uint64(2) {
		c := &clusterOnDisk{t: t, random: rand.New(rand.NewPCG(seed, 5))}
		for _, id := range []consensus.ServerID{"n1", "n2", "n3"} {
			c.members = append(c.members, &member{id: id, dir: t.TempDir()})
		}
		for _, m := range c.members {
			c.start(m)
		}
		for range 8000 {
			c.step()
		}
		for _, m := range c.members {
			checkSaved(t, scannedWell(t, m.dir), m.sum)
		}
		taken, installed, restarts = taken+c.taken, installed+c.installed, restarts+c.restarts
	}
	if taken < 50 || installed == 0 || restarts < 10 {
		t.Errorf("too little happened: %d snapshots taken, %d installed, %d restarts", taken, installed, restarts)
	}
}

package raft

import (
	"errors"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// The leader's disk is nearly full, so another leads; when all disks are, commands are refused and reads are not; with room all goes on.
func TestNoSpace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3, WithConfig(withProduct))
		defer c.killAll()
		full := c.leader()
		propose := func(leader int, command string) error {
			_, err := c.servers[leader].Propose(aMinute(t), command)
			return err
		}
		if err := propose(full, "x"); err != nil {
			t.Fatal(err)
		}
		c.servers[full].SetNoSpace(true)
		await(t, "another leads", func() bool {
			s := c.servers[full].Status()
			return s.NoSpace && s.Leader != "" && s.Leader != c.ids[full]
		})
		next := c.leader()
		if err := propose(next, "y"); err != nil {
			t.Fatal(err)
		}
		for i, s := range c.servers {
			if i != next { // who leads would hand over to one that has not said yet that it is no better off
				s.SetNoSpace(true)
			}
		}
		await(t, "the leader knows", func() bool {
			for _, m := range c.servers[next].Status().Members {
				if m.ID != c.ids[next] && !m.NoSpace {
					return false
				}
			}
			return true
		})
		c.servers[next].SetNoSpace(true)
		err := propose(next, "z")
		if !errors.Is(err, ErrNoSpace) || !errors.Is(err, consensus.ErrNoSpace) || OutcomeOf(err) != Rejected {
			t.Errorf("a command when all disks are full: %v", err)
		}
		if _, err := c.servers[next].Read(aMinute(t)); err != nil {
			t.Errorf("a read when all disks are full: %v", err)
		}
		for _, s := range c.servers {
			s.SetNoSpace(false)
		}
		await(t, "a command is taken", func() bool { return propose(next, "z") == nil })
	})
}

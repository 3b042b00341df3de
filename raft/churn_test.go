package raft

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// churn is a fleet to which anything happens: servers are added, removed, demoted, cut off and crash, with a snapshot every 20
// entries. What a caller was told must be true in the end.
type churn struct {
	*fleet
	ids     []ServerID
	rng     *rand.Rand
	asked   int
	callers sync.WaitGroup

	mu       sync.Mutex
	done     []string // commands whose caller was told that they are done
	rejected []string // or that they never will be
}

// TestFleetUnderChurn plays it with several seeds.
func TestFleetUnderChurn(t *testing.T) {
	done := 0
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := &churn{fleet: startFleet(t), rng: rand.New(rand.NewPCG(seed, 6)), ids: []ServerID{"n1", "n2", "n3", "n4", "n5", "n6"}}
				for _, id := range c.ids {
					c.restart(id)
				}
				for range 300 {
					c.step()
				}
				c.settle()
				done += len(c.done)
			})
		})
	}
	if done < 200 {
		t.Errorf("only %d commands were done in all: the weather was too bad to show anything", done)
	}
}

// restart starts a server that does not run. The first three are founders; the others wait to be added.
func (c *churn) restart(id ServerID) {
	if c.servers[id] != nil {
		return
	}
	c.start(id, func(cfg *Config) {
		cfg.SnapshotEntries, cfg.TrailingBytes = 20, 200
		cfg.Strangers = func(msg Message) { link{c.net, id, msg.Head().To}.Send(msg) }
		if cfg.Founders = consensus.Voters(c.ids[:3]...); id > "n3" {
			cfg.Founders, cfg.Join = nil, true
		}
	})
}

func (c *churn) crash(id ServerID) {
	if r := c.servers[id]; r != nil {
		c.net.set(id, nil)
		if err := r.Err(); err != nil {
			c.t.Fatalf("%s stopped: %v", id, err)
		}
		_ = r.Close()
		delete(c.servers, id)
	}
}

func (c *churn) step() {
	id := c.ids[c.rng.IntN(len(c.ids))]
	switch c.rng.IntN(14) {
	case 0:
		c.net.setCut(id, true)
	case 1, 2, 3:
		c.net.setCut(id, false)
	case 4:
		c.crash(id)
	case 5, 6, 7:
		c.restart(id)
	case 8:
		ops := []consensus.ChangeOp{consensus.AddLearner, consensus.AddVoter, consensus.Promote, consensus.Demote, consensus.Remove}
		c.change(consensus.Change{Op: ops[c.rng.IntN(len(ops))], ID: id, Address: fmt.Sprint("at ", id, c.rng.IntN(2))})
	default:
		for range 1 + c.rng.IntN(10) {
			patience := time.Duration(c.rng.Int64N(int64(10 * time.Second)))
			if leader, command := c.anyLeader(), c.command(); leader != nil {
				c.callers.Go(func() { c.propose(leader, command, patience) })
			}
		}
	}
	time.Sleep(time.Duration(c.rng.Int64N(int64(500 * time.Millisecond))))
}

// anyLeader gives some server that believes that it leads, or nil.
func (c *churn) anyLeader() *Raft {
	for _, i := range c.rng.Perm(len(c.ids)) {
		if r := c.servers[c.ids[i]]; r != nil && r.Status().IsLeader() {
			return r
		}
	}
	return nil
}

func (c *churn) change(change consensus.Change) {
	leader := c.anyLeader()
	if leader == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if index, err := leader.ChangeMembership(ctx, change); err == nil && (index == 0 || leader.Status().CommitIndex < index) {
		c.t.Errorf("%v is done at index %d, but committed is %d", change, index, leader.Status().CommitIndex)
	}
}

func (c *churn) command() string {
	c.asked++
	return fmt.Sprintf("c%d", c.asked)
}

func (c *churn) propose(leader *Raft, command string, patience time.Duration) (Applied, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	applied, err := leader.Propose(ctx, command)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.done = append(c.done, command)
	case OutcomeOf(err) == Rejected:
		c.rejected = append(c.rejected, command)
	}
	return applied, err
}

// settle heals everything, waits until all members have the same state, and compares it with what callers were told.
func (c *churn) settle() {
	for _, id := range c.ids {
		c.net.setCut(id, false)
		c.restart(id)
	}
	c.callers.Wait()
	var last Applied
	await(c.t, "a last command is done", func() bool {
		leader := c.anyLeader()
		if leader == nil {
			return false
		}
		var err error
		last, err = c.propose(leader, c.command(), time.Second)
		return err == nil
	})
	var state string
	await(c.t, "all members have applied it", func() bool {
		synctest.Wait()
		leader := c.anyLeader()
		if leader == nil {
			return false
		}
		state, _, _ = c.journals[leader.Status().ID].state()
		for _, m := range leader.Status().Config {
			if got, _, _ := c.journals[m.ID].state(); got != state || c.servers[m.ID].Status().LastApplied < last.Index {
				return false
			}
		}
		return true
	})
	times := map[string]int{}
	for _, command := range strings.Fields(state) {
		times[command]++
	}
	for _, command := range c.done {
		if times[command] != 1 {
			c.t.Errorf("%s was done, but is there %d times", command, times[command])
		}
	}
	for _, command := range c.rejected {
		if times[command] != 0 {
			c.t.Errorf("%s was rejected, but is there", command)
		}
	}
	for id, j := range c.journals {
		if j.outOfStep != nil {
			c.t.Errorf("%s: %v", id, j.outOfStep)
		}
	}
}

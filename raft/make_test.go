package raft

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type move struct {
	Piece    string
	From, To [2]int
	Notes    map[string][]byte
}

type player struct{ Name string }

type named string

func init() {
	Register(move{})
	Register(&player{})
	Register(named(""))
}

// all the kinds of values that a command can be.
var values = []any{
	42, -7, 0, "x=1", "", []byte("bytes"),
	[]byte{},
	nil, true, 3.5, uint64(9), int8(-1),
	move{Piece: "knight", From: [2]int{1, 0}, To: [2]int{2, 2}, Notes: map[string][]byte{"a": {1}}},
	&player{Name: "white"}, named("Q"),
}

// A command goes in as a Go value and comes out on every peer, also after a restart of all, as the same
// Go value of the same type.
func TestCommandsComeOutAsTheyWentIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		defer c.killAll()
		leader := c.leader()
		for i, v := range values {
			index, term, isLeader := c.servers[leader].Start(v)
			if index != i+1 || term < 1 || !isLeader {
				t.Fatalf("Start(%v) gave %d, %d, %t", v, index, term, isLeader)
			}
		}
		c.expectEverywhere(values)

		for i := range c.servers {
			c.kill(i)
		}
		for i := range c.servers {
			c.start(i)
		}
		// Figure 8: what earlier terms left is committed with the first command of the new one.
		if index, _, ok := c.servers[c.leader()].Start("after the restart"); index != len(values)+1 || !ok {
			t.Fatalf("after the restart Start gave %d, %t", index, ok)
		}
		c.expectEverywhere(append(values[:len(values):len(values)], "after the restart"))
	})
}

func (c *testCluster) expectEverywhere(values []any) {
	c.t.Helper()
	for i := range c.servers {
		await(c.t, fmt.Sprintf("%s applies %d commands", c.ids[i], len(values)), func() bool { return len(c.appliedBy(i)) >= len(values) })
		for j, msg := range c.appliedBy(i) {
			if !msg.CommandValid || msg.CommandIndex != j+1 || msg.CommandTerm < 1 {
				c.t.Errorf("%s applied %+v as number %d", c.ids[i], msg, j+1)
			}
			if !reflect.DeepEqual(msg.Command, values[j]) {
				c.t.Errorf("%s: %T %v came out as %T %v", c.ids[i], values[j], values[j], msg.Command, msg.Command)
			}
		}
	}
}

func TestOneLeaderAndAnotherAfterItIsCutOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		defer c.killAll()
		old := c.leader()
		oldTerm, _ := c.servers[old].GetState()
		for i, r := range c.servers {
			if term, leads := r.GetState(); leads != (i == old) || term != oldTerm {
				t.Errorf("%s: term %d, leader: %t", c.ids[i], term, leads)
			}
		}
		c.net.setCut(c.ids[old], true)
		next := c.leader()
		term, _ := c.servers[next].GetState()
		if next == old || term <= oldTerm {
			t.Fatalf("%s leads term %d after %s led term %d", c.ids[next], term, c.ids[old], oldTerm)
		}
		c.net.setCut(c.ids[old], false)
		await(t, "the old leader steps down", func() bool { _, leads := c.servers[old].GetState(); return !leads })
	})
}

// What a cut-off leader took and nobody else has is replaced; nobody applies it.
func TestCutOffLeadersCommandIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		defer c.killAll()
		old := c.leader()
		c.net.setCut(c.ids[old], true)
		if _, _, ok := c.servers[old].Start("lost"); !ok {
			t.Fatal("a leader that does not know of its fate takes commands")
		}
		next := c.leader()
		c.servers[next].Start("kept")
		c.net.setCut(c.ids[old], false)
		c.expectEverywhere([]any{"kept"})
	})
}

func TestFollowersAndKilledServersTakeNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		leader := c.leader()
		follower := (leader + 1) % 3
		if index, term, ok := c.servers[follower].Start("x"); index != -1 || term < 1 || ok {
			t.Errorf("a follower gave %d, %d, %t", index, term, ok)
		}
		c.killAll()
		if index, _, ok := c.servers[leader].Start("x"); index != -1 || ok {
			t.Errorf("a killed leader gave %d, %t", index, ok)
		}
	})
}

// After Kill nothing is sent on applyCh and no peer is called, also when nobody reads applyCh.
func TestKillEndsEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := newNetwork()
		applyCh := make(chan ApplyMsg) // nobody reads it
		r := Make([]Peer{link{net, "n1", "n1"}}, 0, NewMemoryPersister(), applyCh)
		await(t, "n1 leads", func() bool { _, leads := r.GetState(); return leads })
		for i := range 10 {
			r.Start(i)
		}
		await(t, "the commands are committed although nobody receives them", func() bool { return r.Status().CommitIndex == 10 })
		r.Kill()
		r.Kill() // once more does no harm
		sent := net.sent["n1"]
		time.Sleep(time.Minute) // virtual
		select {
		case msg := <-applyCh:
			t.Errorf("%v came after Kill", msg)
		default:
		}
		if net.sent["n1"] != sent {
			t.Error("messages were sent after Kill")
		}
		if r.Err() != nil {
			t.Errorf("Kill left the error %v", r.Err())
		}
	})
}

// A state machine that does not keep up holds up nobody's log.
func TestSlowServiceDoesNotStopReplication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := newNetwork()
		ids := []ServerID{"n1", "n2", "n3"}
		var servers []*Raft
		for i, id := range ids {
			var peers []Peer
			for _, to := range ids {
				peers = append(peers, link{net, id, to})
			}
			servers = append(servers, Make(peers, i, NewMemoryPersister(), make(chan ApplyMsg), WithSeed(3)))
			net.set(id, servers[i])
		}
		await(t, "100 commands are committed everywhere", func() bool {
			done := true
			for _, r := range servers {
				if r.Status().LastLogIndex < 100 {
					r.Start("x")
				}
				done = done && r.Status().CommitIndex >= 100
			}
			return done
		})
		for i, r := range servers {
			net.set(ids[i], nil)
			r.Kill()
		}
	})
}

func TestMakePanicsWithTheReason(t *testing.T) {
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), `contains "n1" twice`) && !strings.Contains(fmt.Sprint(v), "twice") {
			t.Errorf("got %v", v)
		}
	}()
	net := newNetwork()
	Make([]Peer{link{net, "n0", "n0"}, link{net, "n0", "n1"}, link{net, "n0", "n1"}}, 0, NewMemoryPersister(), nil)
}

func TestStartPanicsOnATypeItCannotEncode(t *testing.T) {
	type private struct{ X int }
	bubble(t, func(t *testing.T) {
		r := Make([]Peer{link{newNetwork(), "n1", "n1"}}, 0, NewMemoryPersister(), nil)
		defer r.Kill()
		defer func() {
			if v := fmt.Sprint(recover()); !strings.Contains(v, "raft.private") || !strings.Contains(v, "call raft.Register") {
				t.Errorf("the panic says %q", v)
			}
		}()
		r.Start(private{1})
	})
}

func TestOptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		applyCh := make(chan ApplyMsg, 1)
		r := Make([]Peer{link{newNetwork(), "n1", "n1"}}, 0, NewMemoryPersister(), applyCh,
			WithTimeouts(time.Second, 10*time.Second), WithLogger(nil), WithConfig(func(c *Config) { c.Noop = true }))
		defer r.Kill()
		time.Sleep(9 * time.Second)
		if _, leads := r.GetState(); leads {
			t.Error("it leads before its election timeout of 10 s")
		}
		time.Sleep(12 * time.Second)
		// The no-op has index 1; it is no command.
		if index, _, ok := r.Start("x"); index != 2 || !ok {
			t.Errorf("Start gave %d, %t", index, ok)
		}
		if msg := <-applyCh; msg.CommandIndex != 2 || msg.Command != "x" {
			t.Errorf("got %+v", msg)
		}
	})
}

// When a server is stopped in the middle, what was sent is a beginning of the log: no later command after one that was
// not sent.
func TestApplyChannelLeavesNoGap(t *testing.T) {
	ch := make(chan ApplyMsg, 100)
	stop := make(chan struct{})
	close(stop)
	var commands []Command
	for i := range 100 {
		commands = append(commands, Command{Index: Index(i + 1)})
	}
	machine := applyChannel{ch: ch, stop: stop}
	machine.Apply(commands)
	for i := range len(ch) {
		if msg := <-ch; msg.CommandIndex != i+1 {
			t.Fatalf("command %d was sent as number %d", msg.CommandIndex, i+1)
		}
	}
}

package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// A day of one node, whose peers come and go: what a person reads of it.
func TestWatchSaysThingsOnce(t *testing.T) {
	var out bytes.Buffer
	w := newWatch(hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true}), &config{
		id: "n1", electionTimeout: 300 * time.Millisecond,
	}, "h:1")
	for _, id := range []raft.ServerID{"n1", "n2", "n3", "learner"} {
		w.enter(id, "h:"+strings.TrimPrefix(string(id), "n"))
	}
	config := append(consensus.Configuration{{ID: "learner", Suffrage: consensus.Learner}}, consensus.Voters("n1", "n2", "n3")...)
	refused := func(id raft.ServerID) rpc.Event {
		return rpc.Event{Kind: rpc.DialFailed, Peer: id, Reason: "dial tcp 127.0.0.1:2: connect: connection refused"}
	}
	up, down := rpc.LinkUp, rpc.LinkDown
	for _, step := range []struct {
		at     time.Duration
		events []rpc.Event
		leader raft.ServerID
		gone   raft.ServerID
		want   string
	}{
		{at: 0, events: []rpc.Event{refused("n2"), refused("n3")}},
		{at: 900 * time.Millisecond},
		{
			at:   time.Second,
			want: "[WARN]  cannot reach n2 (h:2): connection refused; trying on\n[WARN]  cannot reach n3 (h:3): connection refused; trying on\n",
		},
		{at: 2 * time.Second, events: []rpc.Event{refused("n2")}},
		{at: 2400 * time.Millisecond, want: "[WARN]  no majority: 1 of 3 nodes reachable, so there is no leader; 2 are needed\n"},
		{at: 30 * time.Second, events: []rpc.Event{refused("n3")}},
		{at: 61 * time.Second, events: []rpc.Event{{Kind: rpc.DialFailed, Peer: "n3", Reason: "i/o timeout"}}, want: "[WARN]  cannot reach n3 (h:3): i/o timeout; trying on\n"},
		{at: 70 * time.Second, events: []rpc.Event{{Kind: up, Peer: "n2"}}},
		{at: 71 * time.Second, leader: "n1"},
		{at: 72 * time.Second, leader: "n1", events: []rpc.Event{{Kind: down, Peer: "n2", Reason: "closed by the other end"}}},
		{at: 73 * time.Second, leader: "n1", want: "[WARN]  cannot reach n2 (h:2): closed by the other end; trying on\n"},
		{at: 74 * time.Second, leader: "n1", events: []rpc.Event{{Kind: up, Peer: "n2"}}},
		{at: 75 * time.Second, leader: "n1", events: []rpc.Event{refused("n2")}},
		{at: 80 * time.Second, leader: "n1"}, // it comes and goes: once a minute is enough
		{at: 133 * time.Second, leader: "n1", want: "[WARN]  cannot reach n2 (h:2): connection refused; trying on\n"},
		{at: 134 * time.Second},
		{at: 137 * time.Second, want: "[WARN]  no majority: 1 of 3 nodes reachable, so there is no leader; 2 are needed\n"},
		{at: 290 * time.Second, leader: "n2", events: []rpc.Event{{Kind: up, Peer: "n2"}}},
		{at: 291 * time.Second},
		{at: 299 * time.Second}, // a majority is there: it will find a leader
		{at: 300 * time.Second, leader: "n2", events: []rpc.Event{{Kind: rpc.DialRefused, Peer: "n2", Reason: "said elsewhere"}, {Kind: up, Peer: "nobody"}}},
		{at: 400 * time.Second, leader: "n2", events: []rpc.Event{refused("n3")}, gone: "n3"}, // a member no more
		{at: 402 * time.Second, leader: "n2", events: []rpc.Event{refused("n3")}},
	} {
		out.Reset()
		now := time.Unix(1, 0).Add(step.at)
		for _, e := range step.events {
			w.event(e, now)
		}
		w.leave(step.gone)
		w.look(now, view{leader: step.leader, config: config, committed: true, member: true})
		if out.String() != step.want {
			t.Errorf("after %v it says %q, want %q", step.at, out.String(), step.want)
		}
	}
}

// What a person reads of a node that waits, is added, is removed, is started again, and is added back.
func TestPlaceIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	c := &config{id: "n4", electionTimeout: 300 * time.Millisecond}
	log := hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true})
	w := newWatch(log, c, "h:4")
	waits := view{}
	before := view{config: consensus.Voters("n1", "n2"), committed: true}
	catchesUp := before
	catchesUp.leader = "n1"
	in := view{config: consensus.Voters("n1", "n4"), committed: true, member: true, leader: "n1"}
	leaving := before
	leaving.leader, leaving.committed = "n1", false
	removed := "[WARN]  n4 is no member of the cluster, which is n1 n2: it was removed"
	for _, step := range []struct {
		at   time.Duration
		v    view
		new  bool // another process
		want string
	}{
		{at: 0, v: waits},
		{at: 3 * time.Second, v: waits, want: "[INFO]  waits to be added to the cluster; with the endpoints of its members, type `raftctl members add n4=h:4`\n"},
		{at: 9 * time.Second, v: waits},
		{at: 10 * time.Second, v: catchesUp},
		{at: 20 * time.Second, v: catchesUp},
		{at: 21 * time.Second, v: in},
		{at: 22 * time.Second, v: leaving},
		{at: 23 * time.Second, v: catchesUp, want: removed},
		{at: 24 * time.Second, v: before},
		{at: 99 * time.Second, v: before},
		{at: 100 * time.Second, v: before, new: true},
		{at: 101 * time.Second, v: catchesUp}, // it is being added back
		{at: 103 * time.Second, v: before},
		{at: 104 * time.Second, v: before},
		{at: 106 * time.Second, v: before, want: removed},
		{at: 120 * time.Second, v: in},
	} {
		if step.new {
			w = newWatch(log, c, "h:4")
		}
		out.Reset()
		w.look(time.Unix(1, 0).Add(step.at), step.v)
		if got := out.String(); got != step.want && (step.want != removed || !strings.HasPrefix(got, removed) || strings.Count(got, "\n") != 1) {
			t.Errorf("after %v it says %q, want %q", step.at, got, step.want)
		}
	}
}

// A member that was started again at another port is dialled in vain.
func TestAMemberWhereNobodyDialsItIsWarned(t *testing.T) {
	for _, c := range []struct {
		listens, configured string
		warned              bool
	}{
		{"127.0.0.1:7014", "127.0.0.1:7004", true},
		{"127.0.0.2:7004", "127.0.0.1:7004", true},
		{"127.0.0.1:7004", "127.0.0.1:7004", false},
		{"127.0.0.1:7004", "localhost:7004", false}, // that may well be here
		{"", "127.0.0.1:7004", false},               // --advertise-peer says how it comes here
	} {
		var out bytes.Buffer
		w := newWatch(hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true}), &config{id: "n4", electionTimeout: 300 * time.Millisecond}, "h:4")
		w.place.listens = c.listens
		v := view{config: consensus.Configuration{{ID: "n4", Address: c.configured, Suffrage: consensus.Voter}}, member: true, leader: "n4"}
		for at := range 3 {
			w.look(time.Unix(int64(at), 0), v)
		}
		want := "[WARN]  the others dial n4 at 127.0.0.1:7004, its address in the configuration, but it listens at " + c.listens + ": start it with --listen-peer 127.0.0.1:7004, unless"
		if got := out.String(); c.warned != strings.HasPrefix(got, want) || c.warned != (got != "") || strings.Count(got, "\n") > 1 {
			t.Errorf("%+v: says %q", c, got)
		}
	}
}

// A founder may be dialled elsewhere on purpose: only --cluster can say so.
func TestAFounderThatIsDialledElsewhereIsTold(t *testing.T) {
	var out bytes.Buffer
	p := place{log: hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true}), id: "n1", listens: "127.0.0.1:7014", founder: true}
	p.look(time.Unix(1, 0), view{config: consensus.Configuration{{ID: "n1", Address: "127.0.0.1:7004", Suffrage: consensus.Voter}}, member: true})
	if got := out.String(); !strings.HasPrefix(got, "[INFO]  the others dial n1 at 127.0.0.1:7004") || strings.Contains(got, "--advertise-peer") {
		t.Errorf("says %q", got)
	}
}

func TestWhereANodeListens(t *testing.T) {
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7014}
	for _, c := range []struct {
		args []string
		want string
	}{
		{good("--id", "n4", "--join", "--listen-peer", "127.0.0.1:7014"), "127.0.0.1:7014"},
		{good("--id", "n4", "--join", "--listen-peer", "127.0.0.1:7014", "--advertise-peer", "127.0.0.1:7004"), ""},
		{good("--listen-peer", "127.0.0.1:7014"), "127.0.0.1:7014"},
		{good("--listen-peer", "0.0.0.0:7014"), ""},
		{good("--listen-peer", "127.0.0.1:0"), ""},
	} {
		cfg, wrong := resolved(t, c.args, nil)
		if wrong != nil {
			t.Fatal(wrong)
		}
		if got := cfg.listens(at); got != c.want {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestOneElectionOfALeaderlessTimeIsTold(t *testing.T) {
	var out bytes.Buffer
	f := facts{log: hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true, Level: hclog.Info})}
	for _, fact := range []consensus.Fact{
		consensus.BecamePreCandidate{NextTerm: 1},
		consensus.BecamePreCandidate{NextTerm: 1},
		consensus.BecameCandidate{Term: 1},
		consensus.VoteGranted{Term: 1, To: "n1"},
		consensus.BecameCandidate{Term: 2},
		consensus.BecameFollower{Term: 3},
		consensus.BecameFollower{Term: 4},
		consensus.BecameCandidate{Term: 5},
		consensus.BecameLeader{Term: 5},
		consensus.BecameFollower{Term: 6, Was: consensus.Leader},
		consensus.BecameCandidate{Term: 7},
		consensus.BecameFollower{Term: 8, Leader: "n2"},
	} {
		f.tell(fact)
	}
	want := "[INFO]  asks whether it would win term 1\n[INFO]  became candidate in term 1\n[INFO]  entered term 3\n[INFO]  became leader of term 5\n" +
		"[INFO]  entered term 6, was leader\n[INFO]  became candidate in term 7\n[INFO]  follows n2 in term 8\n"
	if out.String() != want {
		t.Errorf("the log is\n%swant\n%s", out.String(), want)
	}
}

// Two nodes that were given different members tell their operators what to compare.
func TestNodesOfDifferentClustersSayWhatToDo(t *testing.T) {
	one, two := freeAddress(t), freeAddress(t)
	members := "n1=" + one + ",n2=" + two
	node := func(id, members string) *program {
		return begin(t, "serve", "--id", id, "--data-dir", t.TempDir(), "--listen-client", "127.0.0.1:0", "--cluster", members)
	}
	first, second := node("n1", members), node("n2", members+",n3=127.0.0.1:1")
	advice := "--cluster must be the same on all nodes; here it is "
	first.await(t, advice+members)
	second.await(t, advice+members+",n3=127.0.0.1:1")
	for _, p := range []*program{first, second} {
		p.stop()
		p.end(t, 0)
	}
}

// freeAddress is one that the kernel just gave and took back: a member's address must be known before it starts.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestAnAddressInUseLeavesNothingBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := filepath.Join(t.TempDir(), "n1")
	begin(t, alone(dir, "--listen-client", taken.Addr().String())...).end(t, exitFailed)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory is there: %v", err)
	}
}

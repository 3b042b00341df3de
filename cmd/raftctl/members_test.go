package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// What an operator types to change the cluster, what is printed, what the leader was asked for, and the exit code.
func TestChangesOfTheCluster(t *testing.T) {
	none := consensus.Change{}
	for _, test := range []struct {
		line   string
		fail   error
		exit   int
		stdout string
		stderr string // a part of it
		want   consensus.Change
	}{
		{"members add n4=h:4", nil, 0, "n4 is a voter, since index 21\n", "", consensus.Change{Op: consensus.AddVoter, ID: "n4", Address: "h:4"}},
		{"members add --learner n4=h:4", nil, 0, "n4 is a learner, since index 21\n", "", consensus.Change{Op: consensus.AddLearner, ID: "n4", Address: "h:4"}},
		{"members promote n4", nil, 0, "n4 is a voter, since index 21\n", "", consensus.Change{Op: consensus.Promote, ID: "n4"}},
		{"members demote n4", nil, 0, "n4 is a learner, since index 21\n", "", consensus.Change{Op: consensus.Demote, ID: "n4"}},
		{"members remove n4", nil, 0, "n4 is no member any more, since index 21\n", "", consensus.Change{Op: consensus.Remove, ID: "n4"}},
		{"members remove n4 -o json", nil, 0, `{"index":21,"term":2}` + "\n", "", consensus.Change{Op: consensus.Remove, ID: "n4"}},
		{"members remove n4", raft.ErrChangePending, 1, "", "remove: another change of the members is under way; try again when it is done\nnothing was changed, certainly\n", consensus.Change{Op: consensus.Remove, ID: "n4"}},
		{"members remove n4", &raft.UnknownError{Err: errors.New("gone")}, 2, "", "`raftctl members` and `raftctl status` show it\n", consensus.Change{Op: consensus.Remove, ID: "n4"}},
		{"members remove n4 --timeout 300ms", &raft.NotLeaderError{}, 3, "", "nothing was changed, certainly\n", consensus.Change{Op: consensus.Remove, ID: "n4"}},
		{"members add n4", nil, 64, "", `"n4" is not ID=HOST:PORT, like n4=127.0.0.1:7004`, none},
		{"members add n/4=h:4", nil, 64, "", `the name "n/4" must have`, none},
		{"members add n4=h", nil, 64, "", `"h" is not HOST:PORT`, none},
		{"members add", nil, 64, "", "See `raftctl members add --help`", none},
		{"members rm n4", nil, 64, "", `unknown command "rm"`, none},
		{"transfer-leader n2", nil, 0, "n2 leads, in term 3\n", "", none},
		{"transfer-leader n2 -o json", nil, 0, `{"leader":"n2","term":3}` + "\n", "", none},
		{"transfer-leader n3", nil, 1, "n2 leads, in term 3\n", "an election came in between, and n2 won it", none},
		{"transfer-leader n2", raft.ErrTransferFailed, 1, "", "did not take over within an election timeout", none},
		{"transfer-leader n9", nil, 1, "", `"n9" is no voter of the cluster, which is n1 n2 n3`, none},
		{"transfer-leader", nil, 64, "", "usage: raftctl transfer-leader NODE", none},
	} {
		n, addr := start(t, nil)
		t.Setenv(endpointsEnv, addr)
		n.successor = "n2"
		n.failWith(test.fail)
		stdout, stderr, exit := ctl(t, "", test.line)
		if exit != test.exit || stdout != test.stdout || !strings.Contains(stderr, test.stderr) || (test.stderr == "") != (stderr == "") {
			t.Errorf("raftctl %s: exit %d\nstdout %q\nstderr %q\nwant exit %d\nstdout %q\nstderr %q", test.line, exit, stdout, stderr, test.exit, test.stdout, test.stderr)
		}
		n.mu.Lock()
		if test.want == none && len(n.changes) > 0 || test.want != none && (len(n.changes) == 0 || n.changes[0] != test.want) {
			t.Errorf("raftctl %s: the leader was asked for %+v, want %+v", test.line, n.changes, test.want)
		}
		n.mu.Unlock()
	}
}

func TestSnapshotsOfEachEndpoint(t *testing.T) {
	_, addr := start(t, nil)
	down := nobody(t)
	endpoints := " --endpoints " + addr
	for _, test := range []struct {
		line   string
		exit   int
		stdout string
	}{
		{"snapshot" + endpoints, 0, "ENDPOINT SNAPSHOT BYTES NEW A none: nothing applied since the start yet - -"},
		{"put k v" + endpoints, 0, "index 11, term 2"},
		{"snapshot" + endpoints, 0, "ENDPOINT SNAPSHOT BYTES NEW A index 11 45 yes"},
		{"snapshot" + endpoints, 0, "ENDPOINT SNAPSHOT BYTES NEW A index 11 45 no"},
		{"snapshot -o json" + endpoints, 0, `[{"endpoint":"A","snapshot":{"index":11,"bytes":45,"new":false}}]`},
		{"snapshot" + endpoints + "," + down, 3, "ENDPOINT SNAPSHOT BYTES NEW A index 11 45 no B refused - -"},
	} {
		stdout, stderr, exit := ctl(t, "", test.line)
		got := strings.NewReplacer(addr, "A", down, "B").Replace(strings.Join(strings.Fields(stdout), " "))
		if got != test.stdout || exit != test.exit || (exit == 0) != (stderr == "") || exit != 0 && !strings.HasPrefix(stderr, "raftctl: snapshot: 1 of 2 endpoints took none, ") {
			t.Errorf("raftctl %s: exit %d, %q, stderr %q; want exit %d, %q", test.line, exit, got, stderr, test.exit, test.stdout)
		}
	}
}

// A node that waits to be added says so, at once, to whatever it is asked.
func TestANodeThatWaitsToBeAddedSaysSo(t *testing.T) {
	n, addr := start(t, nil)
	n.failWith(&raft.NotLeaderError{})
	n.mu.Lock()
	n.status.Role, n.status.Leader, n.status.Config, n.status.Members = consensus.Follower, "", nil, nil
	n.mu.Unlock()
	for _, line := range []string{"members add n1=h:1", "put k v", "get k"} {
		_, stderr, exit := ctl(t, "", line+" --timeout 1m --endpoints "+addr)
		if exit != exitNoQuorum || !strings.Contains(stderr, "this node, n1, waits to be added to the cluster; ask another\n") || !strings.Contains(stderr, "names others") {
			t.Errorf("%s: exit %d, %q", line, exit, stderr)
		}
	}
}

// A leader that is none of the endpoints is asked where it serves, as for a write.
func TestTheLeaderIsAskedWhereItIs(t *testing.T) {
	_, leader := start(t, nil)
	follower, addr := start(t, nil)
	follower.mu.Lock()
	follower.status.ID, follower.status.Role, follower.elsewhere = "n2", consensus.Follower, leader
	follower.mu.Unlock()
	stdout, stderr, exit := ctl(t, "", "members --endpoints "+addr)
	if exit != 0 || stderr != "" || !strings.Contains(stdout, "20ms ago") {
		t.Errorf("members: exit %d, %s%s", exit, stdout, stderr)
	}
	stdout, stderr, exit = ctl(t, "", "status --endpoints "+addr)
	if lines := strings.Split(stdout, "\n"); exit != 0 || stderr != "" || len(lines) != 4 || !strings.HasPrefix(lines[2], leader) || !strings.Contains(lines[2], "leader") {
		t.Errorf("status: exit %d, %s%s", exit, stdout, stderr)
	}
	if _, stderr, _ := ctl(t, "", "members --endpoints "+addr+","+nobody(t)); stderr != "" {
		t.Errorf("members with one endpoint down: %s", stderr)
	}
}

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

func TestMembersAreListedAsTheLeaderSeesThem(t *testing.T) {
	leader, follower := pair(t)
	leader.raft.set(func(st *raft.Status) { st.ConfigIndex = 5; st.Config = consensus.Voters("n1", "n2") })
	for target, from := range map[string]*node{"/v1/members": follower, "/v1/members?consistency=stale": leader} {
		got := from.do("GET", target, "")
		from.is(got, 200)
		want := fmt.Sprintf(`{"leader":%q,"term":2,"configuration_index":5,"joint":false,"members":[`, leader.raft.Status().ID)
		if !strings.HasPrefix(got.body, want) {
			t.Errorf("%s says %s, want %s...", target, got.body, want)
		}
		var members api.Members
		if err := json.Unmarshal([]byte(got.body), &members); err != nil {
			t.Fatal(err)
		}
		two, three := members.Members[1], members.Members[2]
		if two.Suffrage != "learner" || !two.CaughtUp || two.Address != "h:2" || three.Suffrage != "joining" || *three.SnapshotSent != 7 || two.SnapshotSent != nil {
			t.Errorf("%s says %s", target, got.body)
		}
	}
	follower.is(follower.do("PUT", "/v1/members", ""), 405, "method-not-allowed")
	follower.is(follower.do("GET", "/v1/members?x=1", ""), 400, "bad-request")
}

func TestStatusTellsOfLogSnapshotAndConfiguration(t *testing.T) {
	n := single(t)
	n.raft.set(func(st *raft.Status) {
		st.FirstLogIndex, st.LogBytes, st.Snapshot.Index, st.SnapshotBytes, st.ConfigIndex = 4, 99, 3, 77, 8
		st.Config = consensus.Configuration{{ID: "n1", Suffrage: consensus.Voter}, {ID: "n2", Suffrage: consensus.Incoming}}
	})
	got := n.do("GET", "/v1/status", "")
	n.is(got, 200)
	for _, want := range []string{
		`"first_index":4,"last_index":10,"log_bytes":99,"snapshot_index":3,"snapshot_bytes":77,"configuration_index":8,"joint":true,"members":[{"id":"n1"`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("status says %s, want %s", got.body, want)
		}
	}
}

func TestAChangeOfTheMembersIsMadeByTheLeader(t *testing.T) {
	leader, follower := pair(t)
	for body, want := range map[string]consensus.Change{
		`{"op":"add","id":"n4","address":"h:4"}`:         {Op: consensus.AddVoter, ID: "n4", Address: "h:4"},
		`{"op":"add-learner","id":"n4","address":"h:4"}`: {Op: consensus.AddLearner, ID: "n4", Address: "h:4"},
		`{"op":"promote","id":"n4"}`:                     {Op: consensus.Promote, ID: "n4"},
		`{"op":"demote","id":"n1"}`:                      {Op: consensus.Demote, ID: "n1"},
		`{"op":"remove","id":"n1"}`:                      {Op: consensus.Remove, ID: "n1"},
	} {
		for _, via := range []*node{leader, follower} {
			got := via.do("POST", "/v1/members", body)
			via.is(got, 200)
			if changes := leader.raft.changed(); len(changes) != 1 || changes[0] != want {
				t.Errorf("%s: the leader was asked for %+v, want %+v", body, changes, want)
			}
			if want := fmt.Sprintf(`{"index":%d,"term":2}`, leader.raft.Status().LastLogIndex) + "\n"; got.body != want {
				t.Errorf("%s: answered %s, want %s", body, got.body, want)
			}
		}
	}
	if follower.raft.changed() != nil {
		t.Error("a follower made a change")
	}
}

func TestAChangeThatMakesNoSenseIsRefused(t *testing.T) {
	n := single(t)
	long := strings.Repeat("x", api.MaxAdminBytes)
	for body, want := range map[string]string{
		"":                                      "the body is empty",
		"{":                                     "the body is not understood",
		"[]":                                    "the body is not understood",
		`{"op":"add","id":"n4","where":"h:4"}`:  `unknown field`,
		`{"op":"ad","id":"n4","address":"h:4"}`: `the op "ad" is none of add, add-learner, promote, demote and remove`,
		`{"op":"add","id":"n4"}`:                `the address is missing`,
		`{"op":"add","id":"n 4","address":"h:4"}`:    `the name "n 4" must have`,
		`{"op":"add","id":"n4","address":"h"}`:       `"h" is not HOST:PORT`,
		`{"op":"add","id":"n4","address":"h:0"}`:     "must be a number from 1",
		`{"op":"remove","id":"n4","address":"h:4"}`:  "an address goes with add and add-learner only",
		`{"op":"remove","id":"n4"} {}`:               "something follows",
		`{"op":"remove","id":"` + long + `"}`:        "at most 4096 bytes",
		`{"op":"remove","id":"n4","force":true}`:     "unknown field",
		`{"op":"add","id":"n4","address":["h:4"]}`:   "not understood",
		`{"op":"promote","id":"n4","address":"h:4"}`: "an address goes with",
	} {
		got := n.do("POST", "/v1/members", body)
		if (got.status != 400 && got.status != 413) || got.problem.Outcome != api.Rejected || !strings.Contains(got.problem.Detail, want) {
			t.Errorf("%.60s: %d %s, want %q", body, got.status, got.body, want)
		}
	}
	n.is(n.do("POST", "/v1/members?force=1", `{"op":"remove","id":"n4"}`), 400, "bad-request")
	n.is(n.do("POST", "/v1/transfer-leader", `{"from":"n1"}`), 400, "bad-request")
	n.is(n.do("GET", "/v1/transfer-leader", ""), 405, "method-not-allowed")
	n.is(n.do("GET", "/v1/snapshot", ""), 405, "method-not-allowed")
	n.is(n.do("POST", "/v1/snapshot", "now"), 400, "bad-request")
	n.is(n.do("POST", "/v1/snapshot?x", ""), 400, "bad-request")
	if n.raft.changed() != nil {
		t.Error("something was changed")
	}
}

// What the algorithm says of a change, as an operator gets it. What may yet happen is unknown, whatever it wraps.
func TestErrorsOfAChange(t *testing.T) {
	n := single(t)
	for _, c := range []struct {
		err     error
		status  int
		code    string
		outcome string
		says    string
	}{
		{raft.ErrChangePending, 409, "change-pending", "rejected", "another change"},
		{fmt.Errorf("%w: %w: far", raft.ErrNotCaughtUp, raft.ErrNotCaughtUp), 409, "not-caught-up", "rejected", "n2 has not caught up yet: it has the log up to index 8 of 10, and last answered 5ms ago; try again later"},
		{fmt.Errorf("%w (%w)", raft.ErrBadChange, fmt.Errorf("%w: n9 is no member", consensus.ErrBadChange)), 409, "change-refused", "rejected", "the change cannot be made: n9 is no member"},
		{&raft.UnknownError{Index: 7, Term: 2, Err: context.DeadlineExceeded}, 504, "outcome-unknown", "unknown", "look at the members to see"},
		{&raft.UnknownError{Index: 7, Term: 2, Err: raft.ErrBadChange}, 504, "outcome-unknown", "unknown", "look at the members"},
		{raft.ErrClosed, 503, "shutting-down", "rejected", ""},
	} {
		n.raft.failWith(func(context.Context) error { return c.err })
		got := n.do("POST", "/v1/members", `{"op":"remove","id":"n2"}`)
		n.is(got, c.status, c.code, c.outcome)
		if !strings.Contains(got.problem.Detail, c.says) {
			t.Errorf("%v: says %q, want %q", c.err, got.problem.Detail, c.says)
		}
	}
}

// A leader that has only just been elected takes the change a moment later.
func TestAChangeWaitsForANewLeaderToBeReady(t *testing.T) {
	n := single(t)
	left := 3
	n.raft.failWith(func(context.Context) error {
		if left--; left > 0 {
			return raft.ErrNotReady
		}
		return nil
	})
	n.is(n.do("POST", "/v1/members", `{"op":"remove","id":"n2"}`), 200)
}

func TestLeadershipIsHandedOver(t *testing.T) {
	for to, want := range map[string]string{"n2": "n2", "": "n3"} {
		leader, follower := pair(t)
		if leader.raft.Status().ID == "n2" {
			t.Fatal("n2 leads already")
		}
		leader.raft.set(func(st *raft.Status) { st.Config = consensus.Voters("n1", "n2", "n3") })
		got := follower.do("POST", "/v1/transfer-leader", fmt.Sprintf(`{"to":%q}`, to))
		follower.is(got, 200)
		if got.body != fmt.Sprintf(`{"leader":%q,"term":3}`, want)+"\n" {
			t.Errorf("to %q: answered %s", to, got.body)
		}
	}
}

func TestATransferThatCannotBe(t *testing.T) {
	n := single(t)
	n.is(n.do("POST", "/v1/transfer-leader", `{"to":"n1"}`), 200) // it leads already
	got := n.do("POST", "/v1/transfer-leader", `{"to":"n9"}`)
	n.is(got, 409, "change-refused", "rejected")
	if !strings.Contains(got.problem.Detail, `"n9" is no voter of the cluster, which is n1 n2 n3`) {
		t.Errorf("says %s", got.problem.Detail)
	}
	n.raft.set(func(st *raft.Status) { st.Members[1].NoSpace = true })
	n.raft.failWith(func(context.Context) error { return raft.ErrTransferFailed })
	got = n.do("POST", "/v1/transfer-leader", `{"to":"n2"}`)
	n.is(got, 409, "change-refused", "rejected")
	if !strings.Contains(got.problem.Detail, "n2 is low on disk space, and does not lead while another can") {
		t.Errorf("says %s", got.problem.Detail)
	}
	n.raft.set(func(st *raft.Status) { st.NoSpace = true }) // no better itself, it tries
	n.is(n.do("POST", "/v1/transfer-leader", `{"to":"n2"}`), 409, "transfer-failed", "rejected")
	n.raft.set(func(st *raft.Status) { st.NoSpace, st.Members[1].NoSpace = false, false })
	for _, c := range []struct {
		err     error
		status  int
		code    string
		outcome string
	}{
		{raft.ErrTransferFailed, 409, "transfer-failed", "rejected"},
		{fmt.Errorf("raft: %w", consensus.ErrTransferring), 409, "change-pending", "rejected"},
		{fmt.Errorf("there is no other server"), 409, "change-refused", "rejected"},
		{raft.ErrClosed, 503, "shutting-down", "rejected"},
	} {
		n.raft.failWith(func(context.Context) error { return c.err })
		n.is(n.do("POST", "/v1/transfer-leader", `{"to":"n2"}`), c.status, c.code, c.outcome)
	}
	n.raft.failWith(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	n.is(n.do("POST", "/v1/transfer-leader?timeout=1ms", `{"to":"n2"}`), 504, "outcome-unknown", "unknown")

	n = single(t)
	n.raft.elects("n1")
	n.is(n.do("POST", "/v1/transfer-leader", `{"to":"n2"}`), 409, "transfer-failed", "rejected")
	n.raft.elects("")
	n.is(n.do("POST", "/v1/transfer-leader?timeout=1ms", `{"to":"n2"}`), 504, "outcome-unknown", "unknown")
}

// A node takes a snapshot of what it has applied, wherever it stands; one that has it already takes none.
func TestASnapshotOnRequest(t *testing.T) {
	leader, follower := pair(t)
	leader.is(leader.do("PUT", "/v1/kv/k", "v"), 200)
	index := leader.raft.Status().LastApplied
	for i, want := range []string{`"new":true`, `"new":false`} {
		got := leader.do("POST", "/v1/snapshot", "")
		leader.is(got, 200)
		if !strings.HasPrefix(got.body, fmt.Sprintf(`{"index":%d,"bytes":`, index)) || !strings.Contains(got.body, want) || strings.Contains(got.body, `"bytes":0`) {
			t.Errorf("request %d: %s, want index %d and %s", i, got.body, index, want)
		}
	}
	got := follower.do("POST", "/v1/snapshot", "")
	follower.is(got, 200)
	if got.body != `{"index":0,"bytes":0,"new":false}`+"\n" || follower.passedOn.Load()+leader.passedOn.Load() != 0 {
		t.Errorf("a node to which nothing happened says %s", got.body)
	}
	leader.is(leader.do("PUT", "/v1/kv/k", "w"), 200)
	leader.raft.failWith(func(ctx context.Context) error { return context.DeadlineExceeded })
	leader.is(leader.do("POST", "/v1/snapshot?timeout=1s", ""), 504, "outcome-unknown", "unknown")
	leader.is(leader.do("POST", "/v1/snapshot", ""), 200) // the fake has it all the same
	leader.raft.failWith(nil)
	leader.is(leader.do("PUT", "/v1/kv/k", "x"), 200)
	left := 3
	leader.raft.failWith(func(context.Context) error {
		if left--; left > 0 {
			return raft.ErrNotApplied // the Store is a moment ahead
		}
		return nil
	})
	leader.is(leader.do("POST", "/v1/snapshot", ""), 200)
	if left != 0 {
		t.Errorf("the snapshot was tried %d times, want 3", 3-left)
	}
	leader.kv.snapshotting.Lock()
	defer leader.kv.snapshotting.Unlock()
	leader.is(leader.do("POST", "/v1/snapshot", ""), 503, "busy", "rejected")
}

// A node that takes no part says so at once, and to readers of old states too: it would be of one state for ever.
func TestANodeThatIsNoMemberServesNothing(t *testing.T) {
	n := single(t)
	n.raft.follow("")
	for says, config := range map[string]consensus.Configuration{
		"waits to be added": nil, "n1, is no member of the cluster, which is n2 n3; ask another": consensus.Voters("n2", "n3"),
	} {
		n.raft.set(func(st *raft.Status) { st.Config, st.ConfigIndex = config, 10 })
		for _, target := range []string{"/v1/kv/k", "/v1/kv/k?consistency=stale", "/v1/members", "/readyz"} {
			got := n.do("GET", target, "")
			n.is(got, 503, "not-member", "rejected")
			if !strings.Contains(got.problem.Detail, says) {
				t.Errorf("%s says %s", target, got.problem.Detail)
			}
		}
		n.is(n.do("PUT", "/v1/kv/k", "v"), 503, "not-member", "rejected")
		n.is(n.do("POST", "/v1/members", `{"op":"remove","id":"n2"}`), 503, "not-member", "rejected")
		if ready := n.do("GET", "/readyz?verbose", ""); ready.status != 503 || !strings.Contains(ready.body, says) {
			t.Errorf("readyz says %s", ready.body)
		}
		n.is(n.do("GET", "/livez", ""), 200)
		n.is(n.do("GET", "/v1/status", ""), 200)
	}
	// After a restart it does not know yet, and may never hear, that its removal is committed.
	n.raft.set(func(st *raft.Status) { st.Config, st.ConfigIndex = consensus.Voters("n2", "n3"), 11 })
	n.is(n.do("GET", "/v1/kv/k?consistency=stale", ""), 503, "not-member", "rejected")
	n.is(n.do("GET", "/v1/kv/k?timeout=1m", ""), 503, "not-member", "rejected")
}

// One that is being added, or that was removed while the leader is still known, passes on like any other.
func TestANodeOutsideThatKnowsALeaderPassesOn(t *testing.T) {
	leader, follower := pair(t)
	follower.raft.set(func(st *raft.Status) { st.Config, st.ConfigIndex = nil, 0 })
	follower.is(follower.do("PUT", "/v1/kv/k", "v"), 200)
	if leader.raft.committed() != 1 {
		t.Error("the leader got nothing")
	}
}

package client

import (
	"context"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
)

func TestChangesOfTheCluster(t *testing.T) {
	s := serve(t, http200(`{"index":7,"term":2}`), http200(`{"leader":"n2","term":3}`), http200(`{"index":9,"bytes":5,"new":true}`),
		http200(`{"leader":"n2","term":3,"members":[{"id":"n2","suffrage":"voter"}]}`))
	c := connect(t, Config{}, s.addr)
	changed, err := c.ChangeMembers(t.Context(), api.MemberChange{Op: api.OpRemove, ID: "n1"})
	if err != nil || changed != (api.Changed{Index: 7, Term: 2}) {
		t.Errorf("got %+v, %v", changed, err)
	}
	now, err := c.TransferLeadership(t.Context(), "n2")
	if err != nil || now != (api.Transferred{Leader: "n2", Term: 3}) {
		t.Errorf("got %+v, %v", now, err)
	}
	taken, err := c.Snapshot(t.Context(), s.addr)
	if err != nil || taken != (api.Snapshotted{Index: 9, Bytes: 5, New: true}) {
		t.Errorf("got %+v, %v", taken, err)
	}
	members, err := c.Members(t.Context())
	if err != nil || len(members.Members) != 1 || members.Members[0].Suffrage != "voter" {
		t.Errorf("got %+v, %v", members, err)
	}
	want := []request{
		{method: "POST", target: "/v1/members", body: `{"op":"remove","id":"n1"}`},
		{method: "POST", target: "/v1/transfer-leader", body: `{"to":"n2"}`},
		{method: "POST", target: "/v1/snapshot"},
		{method: "GET", target: "/v1/members"},
	}
	for i, got := range s.got() {
		if got.method != want[i].method || got.target != want[i].target || got.body != want[i].body {
			t.Errorf("request %d: %s %s %s", i, got.method, got.target, got.body)
		}
	}
}

// A node that takes no part has certainly done nothing, so the next one is asked; and the change gets all the time that there is.
func TestAChangeGoesPastANodeThatIsNoMember(t *testing.T) {
	outside, leader := serve(t, problem(api.CodeNotMember)), serve(t, http200(`{"index":7,"term":2}`))
	c := connect(t, Config{}, outside.addr, leader.addr)
	if changed, err := c.ChangeMembers(t.Context(), api.MemberChange{Op: api.OpRemove, ID: "n1"}); err != nil || changed.Index != 7 {
		t.Fatalf("got %+v, %v", changed, err)
	}
	asked := outside.got()
	got, err := time.ParseDuration(asked[len(asked)-1].header.Get(api.HeaderTimeout)) // behind the look at its status
	if err != nil || got < c.cfg.Timeout*3/4 {
		t.Errorf("of %v the first of two nodes was given %v", c.cfg.Timeout, got)
	}
}

// Nobody can tell whether a repeat of a change would be one: what is in doubt is not sent again.
func TestAChangeInDoubtIsNotRepeated(t *testing.T) {
	s := serve(t, problem(api.CodeUnknown), http200(`{"index":7,"term":2}`))
	_, err := connect(t, Config{}, s.addr).ChangeMembers(t.Context(), api.MemberChange{Op: api.OpRemove, ID: "n1"})
	if CodeOf(err) != api.CodeUnknown || OutcomeOf(err) != api.Unknown || len(s.got()) != 1 {
		t.Errorf("got %v after %d requests", err, len(s.got()))
	}
}

// A node that hangs, or knows no leader, gets a look and not the change: it would keep it for all the time that there is.
func TestAChangeGoesToWhoKnowsALeader(t *testing.T) {
	hangs, alone := serve(t, silent), serve(t, http200(`{"id":"n2","leader":""}`), silent)
	knows := serve(t, http200(`{"id":"n3","leader":"n3"}`), http200(`{"index":7,"term":2}`))
	c := connect(t, Config{Timeout: time.Minute}, hangs.addr, alone.addr, knows.addr)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if changed, err := c.ChangeMembers(ctx, api.MemberChange{Op: api.OpRemove, ID: "n1"}); err != nil || changed.Index != 7 {
		t.Fatalf("got %+v, %v", changed, err)
	}
	for _, s := range []*script{hangs, alone} {
		if got := s.got(); len(got) != 1 || got[0].method != "GET" {
			t.Errorf("%s was asked for %+v", s.addr, got)
		}
	}
}

// Where no endpoint takes part, waiting does not help: what they say is the answer.
func TestWhoIsNoMemberSaysSoAtOnce(t *testing.T) {
	one, two := serve(t, problem(api.CodeNotMember)), serve(t, problem(api.CodeNotMember))
	c := connect(t, Config{Timeout: time.Minute}, one.addr, two.addr)
	_, err := c.Get(t.Context(), "k")
	isError(t, err, api.CodeNotMember, api.Rejected)
	if len(one.got()) != 1 || len(two.got()) != 1 {
		t.Errorf("asked %d and %d times, want once each", len(one.got()), len(two.got()))
	}
}

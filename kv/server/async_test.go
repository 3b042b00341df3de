package server

import "testing"

// With Prefer: respond-async a write is answered as soon as it is in the leader's log, from any node.
func TestAWriteThatDoesNotWait(t *testing.T) {
	leader, follower := pair(t)
	for i, n := range []*node{leader, follower} {
		got := n.do("PUT", "/v1/kv/k", "v", "Prefer: respond-async")
		n.is(got, 202)
		if want := `{"index":1` + itoa(i+1) + `,"term":2}` + "\n"; got.body != want || got.header.Get("Preference-Applied") != "respond-async" {
			t.Errorf("got %s with %v, want %s", got.body, got.header, want)
		}
		n.is(n.do("GET", "/v1/kv/k", ""), 404)
	}
	follower.is(follower.do("PUT", "/v1/kv/k", "v", "Prefer: respond-async", "Raft-Forwarded: n7"), 503, "not-leader", "rejected")
}

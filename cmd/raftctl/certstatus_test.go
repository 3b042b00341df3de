package main

import (
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// Who looks at a cluster sees which certificates expire soon, and what to do.
func TestWhatExpiresSoonIsShown(t *testing.T) {
	at := func(days int, warning string) api.Certificate {
		return api.Certificate{Use: api.ForMembers, NotAfter: time.Unix(0, 0).Add(time.Duration(days) * 24 * time.Hour), DaysLeft: days, Warning: warning}
	}
	for want, certificates := range map[string][]api.Certificate{
		"-": nil, "90 d": {at(400, ""), at(90, "")}, "9 d, soon": {at(9, "soon"), at(90, "")}, "expired": {at(90, ""), at(-1, "it expired")},
	} {
		if got := firstExpiry(certificates); got != want {
			t.Errorf("of %+v it says %q, want %q", certificates, got, want)
		}
	}
	leader := &api.Status{ID: "n1", Role: "leader", Leader: "n1", Certificates: []api.Certificate{at(90, ""), at(9, "the certificate expires in 9 days")}}
	well := &api.Status{ID: "n2", Role: "follower", Leader: "n1", Certificates: []api.Certificate{at(90, "")}}
	if got := closing([]asked{{Status: well}}); got != "" {
		t.Errorf("where all is well it says %q", got)
	}
	got := closing([]asked{{Status: well}, {Status: leader}})
	if want := "n1, for members: the certificate expires in 9 days: put new certificates in their place, and send the nodes SIGHUP"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if strings.Contains(got, "n2") {
		t.Errorf("it says %q of n2", got)
	}
}

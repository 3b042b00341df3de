package integration

import (
	"strings"
	"testing"

	"github.com/raftnode/raft/kv/api"
)

func TestWhatAChangeAsksFor(t *testing.T) {
	config := api.Configuration{Members: []api.Member{{ID: "n1", Suffrage: "voter"}, {ID: "n2", Suffrage: "learner"}, {ID: "n3", Suffrage: "joining"}}}
	for _, c := range []struct {
		op, id string
		want   bool
	}{
		{api.OpAdd, "n1", true},
		{api.OpAdd, "n2", false},
		{api.OpAdd, "n3", false},
		{api.OpAdd, "n4", false},
		{api.OpAddLearner, "n2", true},
		{api.OpAddLearner, "n1", false},
		{api.OpDemote, "n2", true},
		{api.OpPromote, "n2", false},
		{api.OpRemove, "n4", true},
		{api.OpRemove, "n1", false},
	} {
		joint := config
		joint.Joint = true
		if got := fulfilled(api.MemberChange{Op: c.op, ID: c.id}, config); got != c.want {
			t.Errorf("%s %s is fulfilled: %v", c.op, c.id, got)
		}
		if fulfilled(api.MemberChange{Op: c.op, ID: c.id}, joint) {
			t.Errorf("%s %s is fulfilled in a joint configuration, which is not the end", c.op, c.id)
		}
	}
}

// A drill that adds nodes cannot have more rounds than it has nodes to add, nor more nodes than there can be.
func TestDrillsThatAddNodesAreBounded(t *testing.T) {
	for want, opts := range map[string]Options{
		"up to 3 rounds":       {Scenario: "replace", Rounds: 4},
		"no duration":          {Scenario: "replace", Duration: 1},
		"9 are possible":       {Scenario: "replace", Nodes: 7},
		"has 3 to 9":           {Scenario: "crashes", Nodes: 10},
		"there is no scenario": {Scenario: "replaced"},
	} {
		if _, err := opts.resolve(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", opts, err, want)
		}
	}
	if s, err := (&Options{Scenario: "replace"}).resolve(); err != nil || s.Spares != 3 {
		t.Errorf("got %+v, %v", s, err)
	}
}

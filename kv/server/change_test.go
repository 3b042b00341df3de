package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

const addN5 = `{"op":"add","id":"n5","address":"127.0.0.1:7005"}`

// joiningNode is a leader of a cluster that n5 joins.
func joiningNode(t *testing.T, lastContact time.Duration) *node {
	n := single(t)
	n.raft.set(func(st *raft.Status) {
		st.Config = append(consensus.Voters("n1"), consensus.Member{ID: "n5", Address: "127.0.0.1:7005", Suffrage: consensus.Joining})
		st.Members = []consensus.MemberStatus{
			{ID: "n1", Suffrage: consensus.Voter},
			{ID: "n5", Address: "127.0.0.1:7005", Suffrage: consensus.Joining, MatchIndex: 4, LastContact: lastContact},
		}
		st.Now = time.Minute
	})
	return n
}

func TestAnAddressIsThatOfOneMember(t *testing.T) {
	n := joiningNode(t, 0)
	for _, op := range []string{"add", "add-learner"} {
		got := n.do("POST", "/v1/members", `{"op":"`+op+`","id":"n6","address":"127.0.0.1:7005"}`)
		n.is(got, 409, "change-refused", "rejected")
		if !strings.Contains(got.problem.Detail, "127.0.0.1:7005 is the address of n5") {
			t.Errorf("says %s", got.problem.Detail)
		}
	}
	if n.raft.changed() != nil {
		t.Error("it was added")
	}
}

// Who waits for a new member in vain reads why, and what to do, also when the add is repeated.
func TestAMemberThatDoesNotComeIsToldOf(t *testing.T) {
	for lastContact, says := range map[time.Duration]string{
		0: "n5 is joining, but the leader has not heard it at 127.0.0.1:7005: start it or mend its address with " +
			"`raftctl members add n5=HOST:PORT`, or give up with `raftctl members remove n5`",
		30 * time.Second:         "but the leader has not heard it at 127.0.0.1:7005",
		59900 * time.Millisecond: "n5 is joining, has the log up to index 4 of 10, and last answered 100ms ago; it becomes a voter by itself",
	} {
		n := joiningNode(t, lastContact)
		n.raft.failWith(func(context.Context) error {
			return &raft.UnknownError{Index: 7, Term: 2, Err: context.DeadlineExceeded}
		})
		for _, body := range []string{addN5, `{"op":"add","id":"n5","address":"127.0.0.1:7055"}`} {
			got := n.do("POST", "/v1/members?timeout=1ms", body)
			n.is(got, 504, "outcome-unknown", "unknown")
			if !strings.Contains(got.problem.Detail, says) {
				t.Errorf("heard at %v: says %s, want %s", lastContact, got.problem.Detail, says)
			}
		}
	}
}

func TestARepeatedAddWaitsOn(t *testing.T) {
	for _, then := range []struct {
		config consensus.Configuration
		status int
		says   string
	}{
		{consensus.Voters("n1", "n5"), 200, `{"index":9,"term":2}`},
		{consensus.Voters("n1"), 409, "n5 is not joining any more"},
	} {
		n := joiningNode(t, 0)
		looks := 0
		n.raft.looked = func(st *raft.Status) {
			switch looks++; looks {
			case 4:
				st.Config = consensus.Configuration{{ID: "n1", Suffrage: consensus.Voter}, {ID: "n5", Suffrage: consensus.Incoming}}
			case 5:
				st.Config, st.ConfigIndex = then.config, 11
			case 6:
				st.ConfigIndex = 9 // it is committed
			}
		}
		got := n.do("POST", "/v1/members?timeout=1m", addN5)
		n.is(got, then.status)
		if !strings.Contains(got.body, then.says) {
			t.Errorf("says %s, want %s", got.body, then.says)
		}
		if n.raft.changed() != nil {
			t.Error("the change was made again")
		}
	}
}

package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// Who is no member comes in only if that may be this node's own ignorance.
func TestTheDoorIsOpenToWhoMayKnowMore(t *testing.T) {
	now := roll{config: consensus.Voters("n1", "n2", "n3"), index: 17, committed: true}
	early, waiting, founded := now, roll{}, now
	early.committed, waiting.committed, founded.index = false, true, 0
	const removed, unknown = `server "n4" was removed from the cluster: it is not in the configuration at index `, `server "n9" is no member of the cluster: it is not in the configuration at index `
	for name, c := range map[string]struct {
		roll           roll
		id             raft.ServerID
		membership     string
		says, saysToDo string // "": it comes in
	}{
		"a member that is no peer yet":               {now, "n2", "17", "", ""},
		"a member that is behind and no peer yet":    {now, "n2", "9", "", ""},
		"a leader that was added later":              {now, "n9", "18", "", ""},
		"a leader that was removed and added again":  {now, "n4", "18", "", ""},
		"a member as of before it was removed":       {now, "n4", "9", removed + "17", "Stop it"},
		"who knows that it was removed":              {now, "n4", "17", removed + "17", "`raftctl members add n4=h:9` brings this one back"},
		"who was removed and lost its directory":     {now, "n4", waits, removed + "17", "an id that was never used"},
		"who was removed and does not say anything":  {now, "n4", "", removed + "17", "Stop it"},
		"who was never added":                        {now, "n9", "17", unknown + "17", "`raftctl members add n9=h:9` adds it"},
		"who was never added, of another founding":   {founded, "n9", "0", unknown + "0", "n1 n2 n3"},
		"who was never added and says nothing":       {now, "n9", "", unknown + "17", "knows of no later one"},
		"who says nonsense":                          {now, "n9", "-1", unknown + "17", ""},
		"who says more than a number":                {now, "n9", "99999999999999999999", unknown + "17", ""},
		"who waits to be added":                      {now, "n9", waits, `server "n9" waits to be added to the cluster: `, "`raftctl members add n9=h:9` adds it"},
		"a leader that this node's change removes":   {early, "n4", "17", "", ""},
		"whoever comes to a node that waits itself":  {waiting, "n1", "0", "", ""},
		"a leader of before a node that waits spoke": {waiting, "n1", "", "", ""},
	} {
		d := &door{knows: func() roll { return c.roll }, was: func(id raft.ServerID) bool { return id == "n2" || id == "n4" }}
		err := d.judge(c.id, "h:9", c.membership)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.HasPrefix(err.Error(), c.says) || !strings.Contains(err.Error(), c.saysToDo)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	for want, r := range map[string]roll{"17": now, "0": founded, waits: waiting} {
		if got := (&door{knows: func() roll { return r }}).membership(); got != want {
			t.Errorf("it says %q of its membership, want %q", got, want)
		}
	}
}

func TestWhoWasAMemberIsRemembered(t *testing.T) {
	dir := t.TempDir()
	s, _, err := openStores(dir, directory, noAnchor)
	if err != nil {
		t.Fatal(err)
	}
	if s.was("n4") {
		t.Error("n4 was a member before it was one")
	}
	s.enter("n4")
	if err := s.admit("n4", "store", firstStart); err != nil {
		t.Fatal(err)
	}
	again, _, err := openStores(dir, directory, noAnchor) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	if !s.was("n4") || !again.was("n4") || again.was("n5") {
		t.Error("who was a member is forgotten")
	}
}

// That a node waits to be added is nobody's mistake; another refusal is.
func TestWhoWaitsToBeAddedIsNoWarning(t *testing.T) {
	waiting := &door{knows: func() roll { return roll{config: consensus.Voters("n1"), committed: true} }, was: func(raft.ServerID) bool { return false }}
	for _, membership := range []string{waits, "0"} {
		reason := waiting.judge("n9", "h:9", membership).Error()
		for _, kind := range []rpc.EventKind{rpc.IncomingRefused, rpc.DialRefused} {
			var said strings.Builder
			logEvent(hclog.New(&hclog.LoggerOptions{Output: &said}), &config{}, "c")(rpc.Event{Kind: kind, Reason: reason})
			if want := map[bool]string{true: "[INFO]", false: "[WARN]"}[membership == waits]; !strings.Contains(said.String(), want) {
				t.Errorf("%v of one whose membership is %q: %s, want %s", kind, membership, said.String(), want)
			}
		}
	}
}

// Who came in because it might be a leader goes when this node's configuration is as late, and it is not in it.
func TestWhoWasLetInGoesWhenMoreIsKnown(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, alone(dir)...)
	p.await(t, "serving")
	here := readAddresses(t, dir)
	events := make(chan rpc.Event, 1000)
	stranger, err := rpc.New(rpc.Config{
		Cluster: clusterOf(t, dir), ID: "n9", Peers: map[raft.ServerID]string{"n1": here.Peer}, Address: "127.0.0.1:1", Store: "n9's",
		Incarnation: func(raft.ServerID) string { return firstStart }, Membership: func() string { return "1" }, OnEvent: func(e rpc.Event) { events <- e },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Run(t.Context(), ln, func(...consensus.Message) {}) }()
	await := func(kind rpc.EventKind) rpc.Event {
		t.Helper()
		for late := time.After(patience); ; {
			select {
			case e := <-events:
				if e.Kind == kind {
					return e
				}
			case <-late:
				t.Fatalf("there is no event %q", kind)
			}
		}
	}
	await(rpc.LinkUp)
	if status, answer := ask(t, "POST", here.Client, "/v1/members", `{"op":"add-learner","id":"n2","address":"127.0.0.1:1"}`); status != 200 {
		t.Fatalf("a change of the members: %d %s", status, answer)
	}
	await(rpc.LinkDown)
	if e := await(rpc.DialRefused); !strings.Contains(e.Reason, `server "n9" is no member of the cluster`) {
		t.Errorf("event %q", e)
	}
	if err := stranger.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	p.stop()
	p.end(t, 0)
}

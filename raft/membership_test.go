package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// dialedLink is a link that knows whether it was closed, and where it leads.
type dialedLink struct {
	link
	address string
	fleet   *fleet
}

func (l *dialedLink) Close() error {
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	delete(l.fleet.open[l.from], l.to)
	return nil
}

func (l *dialedLink) Carries(msg Message) bool {
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	_, asks := msg.(*consensus.ReadIndex)
	return !asks || !l.fleet.old
}

// fleet is servers with the product's surface, which find each other by Config.PeerFor.
type fleet struct {
	t        *testing.T
	net      *network
	servers  map[ServerID]*Raft
	journals map[ServerID]*journal
	disks    map[ServerID]*MemoryPersister

	mu   sync.Mutex
	open map[ServerID]map[ServerID]string // who has a link to whom, at which address
	old  bool                             // all are of a version that does not know ReadIndex
}

func startFleet(t *testing.T, founders ...ServerID) *fleet {
	f := &fleet{
		t: t, net: newNetwork(), servers: map[ServerID]*Raft{}, journals: map[ServerID]*journal{},
		disks: map[ServerID]*MemoryPersister{}, open: map[ServerID]map[ServerID]string{},
	}
	config := consensus.Voters(founders...)
	for i := range config {
		config[i].Address = "at " + string(config[i].ID)
	}
	for _, id := range founders {
		f.start(id, func(c *Config) { c.Founders = config })
	}
	t.Cleanup(f.closeAll)
	return f
}

// start starts a server, from its disk if it ran before.
func (f *fleet) start(id ServerID, change func(*Config)) {
	j := &journal{}
	if f.disks[id] == nil {
		f.disks[id] = NewMemoryPersister()
	}
	cfg := Config{
		ID: id, Persister: f.disks[id], StateMachine: j, Seed: 7,
		Noop: true, PreVote: true, CheckQuorum: true,
		PeerFor: func(m consensus.Member) Peer {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.open[id] == nil {
				f.open[id] = map[ServerID]string{}
			}
			f.open[id][m.ID] = m.Address
			return &dialedLink{link{f.net, id, m.ID}, m.Address, f}
		},
	}
	change(&cfg)
	r, err := New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.servers[id], f.journals[id] = r, j
	f.net.set(id, r)
	go func() { _ = r.Run(context.Background()) }()
}

// join starts a server that waits to be added, and knows only that n1, n2 and n3 may lead.
func (f *fleet) join(id ServerID) {
	f.start(id, func(c *Config) {
		c.Join = true
		for _, to := range []ServerID{"n1", "n2", "n3"} {
			c.Peers = append(c.Peers, link{f.net, id, to})
		}
	})
}

func (f *fleet) closeAll() {
	for id, r := range f.servers {
		f.net.set(id, nil)
		if err := r.Err(); err != nil {
			f.t.Errorf("%s stopped: %v", id, err)
		}
		_ = r.Close()
		if links := f.links(id); len(links) > 0 {
			f.t.Errorf("%s left links open: %v", id, links)
		}
	}
}

// links lists who a server has links to, and where.
func (f *fleet) links(from ServerID) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var links []string
	for to, address := range f.open[from] {
		links = append(links, fmt.Sprintf("%s %s", to, address))
	}
	slices.Sort(links)
	return links
}

func (f *fleet) leader() (leader *Raft) {
	f.t.Helper()
	await(f.t, "one leads", func() bool {
		for id, r := range f.servers {
			f.net.mu.Lock()
			cut := f.net.cut[id]
			f.net.mu.Unlock()
			if !cut && r.Status().IsLeader() {
				leader = r
				return true
			}
		}
		return false
	})
	return leader
}

// follower gives a server that does not lead.
func (f *fleet) follower() *Raft {
	leader := f.leader()
	for _, id := range []ServerID{"n1", "n2"} {
		if f.servers[id] != leader {
			return f.servers[id]
		}
	}
	return nil
}

// expectState waits until these servers have applied commands 1 to n, and nothing else.
func (f *fleet) expectState(n int, ids ...ServerID) {
	f.t.Helper()
	for _, id := range ids {
		await(f.t, fmt.Sprintf("%s has %d commands", id, n), func() bool {
			commands, _, _ := f.journals[id].state()
			return commands == numbers(n)
		})
	}
}

func addVoter(id ServerID) consensus.Change {
	return consensus.Change{Op: consensus.AddVoter, ID: id, Address: "at " + string(id)}
}

func remove(id ServerID) consensus.Change { return consensus.Change{Op: consensus.Remove, ID: id} }

// A server is added: it gets the log, votes when ChangeMembership returns, and can be reached. One is removed: nobody keeps a
// link to it.
func TestServersComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1", "n2", "n3")
		leader := f.leader()
		proposeN(t, leader, 1, 5)
		f.join("n4")
		index, err := leader.ChangeMembership(aMinute(t), addVoter("n4"))
		if err != nil {
			t.Fatal(err)
		}
		if s := leader.Status(); s.Config.String() != "n1 n2 n3 n4" || s.ConfigIndex != index || s.CommitIndex < index {
			t.Errorf("index %d, but the status is %+v", index, s)
		}
		f.expectState(5, "n1", "n2", "n3", "n4")
		if got := fmt.Sprint(f.links("n4")); got != "[]" { // n4 has all three from its start
			t.Errorf("n4 has more links: %s", got)
		}
		id := leader.Status().ID
		if got := f.links(id); len(got) != 3 || !slices.Contains(got, "n4 at n4") {
			t.Errorf("the leader's links are %v", got)
		}

		gone := f.follower().Status().ID
		if _, err := leader.ChangeMembership(aMinute(t), remove(gone)); err != nil {
			t.Fatal(err)
		}
		if got := leader.Status().Config; len(got) != 3 {
			t.Errorf("%s is removed, but the configuration is %s", gone, got)
		}
		await(t, "all drop the links to it", func() bool {
			for member := range f.servers {
				if member != gone && slices.ContainsFunc(f.links(member), func(l string) bool { return strings.HasPrefix(l, string(gone)) }) {
					return false
				}
			}
			return true
		})
		f.net.setCut(gone, true)
		proposeN(t, leader, 6, 5)
		for member := range f.servers {
			if member != gone {
				f.expectState(10, member)
			}
		}
	})
}

// A member that moves is reached at its new address.
func TestMemberMoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1")
		leader := f.leader()
		proposeN(t, leader, 1, 1)
		for _, address := range []string{"here", "there"} {
			if _, err := leader.ChangeMembership(aMinute(t), consensus.Change{Op: consensus.AddLearner, ID: "n2", Address: address}); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(f.links("n1")); got != "[n2 "+address+"]" {
				t.Errorf("the links are %s", got)
			}
		}
	})
}

// A server that is added to a cluster whose log gave way to a snapshot gets the snapshot, the configuration with it.
func TestServerJoinsBySnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t)
		for _, id := range []ServerID{"n1", "n2", "n3"} {
			f.start(id, func(c *Config) {
				c.Founders = consensus.Voters("n1", "n2", "n3")
				c.SnapshotEntries, c.TrailingBytes = 10, -1
			})
		}
		leader := f.leader()
		proposeN(t, leader, 1, 25)
		f.join("n4")
		if _, err := leader.ChangeMembership(aMinute(t), addVoter("n4")); err != nil {
			t.Fatal(err)
		}
		f.expectState(25, "n4")
		if _, _, restored := f.journals["n4"].state(); len(restored) != 1 {
			t.Errorf("n4 restored snapshots %v", restored)
		}
		if s := f.servers["n4"].Status(); s.LastApplied < 25 || s.Config.String() != "n1 n2 n3 n4" {
			t.Errorf("n4's status is %+v", s)
		}
	})
}

func TestChangesThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1", "n2", "n3")
		leader := f.leader()
		proposeN(t, leader, 1, 1)
		var notLeader *NotLeaderError
		if _, err := f.follower().ChangeMembership(aMinute(t), addVoter("n4")); !errors.As(err, &notLeader) || OutcomeOf(err) != Rejected {
			t.Errorf("a follower: %v", err)
		}
		expect := func(want, also error, changes ...consensus.Change) {
			t.Helper()
			if _, err := leader.ChangeMembership(aMinute(t), changes...); !errors.Is(err, want) || !errors.Is(err, also) || OutcomeOf(err) != Rejected {
				t.Errorf("%v: got %v, want %v", changes, err, want)
			}
		}
		expect(ErrBadChange, ErrBadChange)
		expect(ErrBadChange, consensus.ErrBadChange, remove("n9"))
		expect(ErrBadChange, consensus.ErrBadChange, remove("n1"), remove("n2"), remove("n3"))
		if _, err := leader.ChangeMembership(aMinute(t), consensus.Change{Op: consensus.AddLearner, ID: "n4"}); err != nil {
			t.Fatal(err)
		}
		expect(ErrNotCaughtUp, consensus.ErrNotCaughtUp, consensus.Change{Op: consensus.Promote, ID: "n4"}) // it does not run

		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := leader.ChangeMembership(ended, addVoter("n4")); !errors.Is(err, context.Canceled) || OutcomeOf(err) != Rejected {
			t.Errorf("after the context ended: %v", err)
		}
		f.net.setCut("n1", true)
		f.net.setCut("n2", true)
		f.net.setCut("n3", true)
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			var unknown *UnknownError
			if _, err := leader.ChangeMembership(ctx, remove("n4")); !errors.As(err, &unknown) || unknown.Index == 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a change that cannot be committed: %v", err)
			}
		})
		synctest.Wait()
		expect(ErrChangePending, consensus.ErrChangePending, addVoter("n5"))
		wg.Wait()
	})
}

// A change that another one undoes before it is in force is told to be unknown. It does not wait for ever.
func TestChangeThatIsOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1", "n2", "n3")
		leader := f.leader()
		proposeN(t, leader, 1, 1)
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { _, err = leader.ChangeMembership(aMinute(t), addVoter("n4")) }) // it does not run, so it never catches up
		await(t, "n4 is joining", func() bool { return leader.Status().Config.String() == "n1 n2 n3 n4(joining)" })
		time.Sleep(time.Second)
		if _, err := leader.ChangeMembership(aMinute(t), remove("n4")); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if !errors.Is(err, errOvertaken) || OutcomeOf(err) != Unknown {
			t.Errorf("got %v", err)
		}
	})
}

// Who waits for a change when the server stops is told.
func TestCloseAnswersChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1", "n2", "n3")
		leader := f.leader()
		proposeN(t, leader, 1, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			var unknown *UnknownError
			if _, err := leader.ChangeMembership(aMinute(t), addVoter("n4")); !errors.As(err, &unknown) || !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
		await(t, "n4 is joining", func() bool { return len(leader.Status().Config) == 4 })
		time.Sleep(time.Second)
		_ = leader.Close()
		wg.Wait()
	})
}

// A leader that is removed says so when it is done, and another leads.
func TestLeaderRemovesItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := startFleet(t, "n1", "n2", "n3")
		old := f.leader()
		proposeN(t, old, 1, 5)
		if _, err := old.ChangeMembership(aMinute(t), remove(old.Status().ID)); err != nil {
			t.Fatal(err)
		}
		next := f.leader()
		if s := next.Status(); next == old || len(s.Config) != 2 || s.Term != 2 {
			t.Errorf("%s leads %s in term %d; the one that the old leader told to stand wins term 2", s.ID, s.Config, s.Term)
		}
		proposeN(t, next, 6, 1)
	})
}

// Who waits for a change learns from a snapshot's configuration what became of it.
func TestChangesThatASnapshotCovers(t *testing.T) {
	voters := consensus.Voters("n1", "n2")
	joint := consensus.Configuration{{ID: "n1", Suffrage: consensus.Voter}, {ID: "n2", Suffrage: consensus.Incoming}}
	for name, c := range map[string]struct {
		config consensus.Configuration
		change consensus.Change
		term   Term
		want   string
	}{
		"in force":              {voters, addVoter("n2"), 2, "<nil>"},
		"joint":                 {joint, addVoter("n2"), 2, "waits"},
		"joining":               {consensus.Configuration{{ID: "n2", Suffrage: consensus.Joining}}, addVoter("n2"), 2, "waits"},
		"not to be seen":        {voters, addVoter("n3"), 2, "unknown"},
		"certainly not":         {voters, addVoter("n2"), 9, "rejected"},
		"removed":               {voters, remove("n3"), 2, "<nil>"},
		"not removed":           {voters, remove("n2"), 2, "unknown"},
		"demoted":               {consensus.Configuration{{ID: "n2", Suffrage: consensus.Learner}}, consensus.Change{Op: consensus.Demote, ID: "n2"}, 2, "<nil>"},
		"not demoted":           {voters, consensus.Change{Op: consensus.Demote, ID: "n2"}, 2, "unknown"},
		"not promoted":          {consensus.Configuration{{ID: "n2", Suffrage: consensus.Learner}}, consensus.Change{Op: consensus.Promote, ID: "n2"}, 2, "unknown"},
		"a learner, not a vote": {consensus.Configuration{{ID: "n2", Suffrage: consensus.Learner}}, consensus.Change{Op: consensus.AddLearner, ID: "n2"}, 2, "<nil>"},
	} {
		done := newCaller()
		p := &proposal{changes: []consensus.Change{c.change}, to: done, at: place{9, c.term}}
		a := &applier{machine: restorable{&recorder{}}, growth: &growth{}}
		a.waiting.add(p)
		if err := a.restore(&consensus.Snapshot{Position: consensus.Position{Index: 10, Term: 3}, Config: c.config}); err != nil {
			t.Fatal(err)
		}
		got := "waits"
		select {
		case answer := <-done:
			if got = fmt.Sprint(answer.err); answer.err != nil {
				got = OutcomeOf(answer.err).String()
			}
		default:
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A server that waits to be added answers whom it can reach, and loses what is for others.
func TestAnswerToAStrangerIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n2 := &recordingPeer{id: "n2"}
		r, err := New(Config{ID: "n1", Peers: []Peer{n2}, Join: true, PreVote: true, CheckQuorum: true, Persister: NewMemoryPersister(), StateMachine: &journal{}})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = r.Run(context.Background()) }()
		defer r.Close()
		time.Sleep(time.Minute)
		if s := r.Status(); s.Role != consensus.Follower || s.Term != 0 || len(s.Config) != 0 {
			t.Errorf("it did something by itself: %+v", s)
		}
		for term, from := range []ServerID{"n9", "n2"} {
			r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: from, To: "n1", Term: Term(term + 1)}})
			synctest.Wait()
		}
		if sent := n2.take(); len(sent) != 1 || sent[0].Head().Term != 2 {
			t.Errorf("n2 got %+v", sent)
		}
	})
	bubble(t, func(t *testing.T) {
		strangers := &recordingPeer{}
		r, err := New(Config{ID: "n1", Strangers: strangers.Send, Join: true, PreVote: true, CheckQuorum: true, Persister: NewMemoryPersister(), StateMachine: &journal{}})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = r.Run(context.Background()) }()
		defer r.Close()
		r.Deliver(&consensus.AppendEntries{Header: consensus.Header{From: "n9", To: "n1", Term: 1}})
		synctest.Wait()
		if sent := strangers.take(); len(sent) != 1 || sent[0].Head().To != "n9" {
			t.Errorf("it sent %+v", sent)
		}
	})
}

// What Peers there are, as configurations come, are committed, and are rolled back. n1 is this server, n2 was given.
func TestPeersFollowTheConfiguration(t *testing.T) {
	f := &fleet{open: map[ServerID]map[ServerID]string{"n1": {}}}
	calls := 0
	p := newPeers(&Config{ID: "n1", Peers: []Peer{&recordingPeer{id: "n1"}, &recordingPeer{id: "n2"}}, PeerFor: func(m consensus.Member) Peer {
		if calls++; m.ID == "n9" {
			return nil // nobody knows the way
		}
		f.open["n1"][m.ID] = "open"
		return &dialedLink{link: link{nil, "n1", m.ID}, fleet: f}
	}})
	expect := func(links string, dialed int) {
		t.Helper()
		if got := fmt.Sprint(f.links("n1")); got != links || calls != dialed {
			t.Errorf("links to %s after %d calls, want %s after %d", got, calls, links, dialed)
		}
	}
	p.follow(consensus.Voters("n1", "n2", "n3"))
	expect("[n3 open]", 1)
	p.follow(consensus.Voters("n1", "n2", "n3", "n4", "n9"))
	expect("[n3 open n4 open]", 3)
	p.follow(consensus.Voters("n1", "n2", "n3")) // rolled back, and in force again
	p.drop(1, 10, false)
	p.follow(consensus.Voters("n1", "n2", "n4")) // another leader's change
	p.drop(100, 10, false)
	expect("[n3 open n4 open]", 3)
	p.drop(200, 10, true)
	p.drop(209, 10, true)
	expect("[n3 open n4 open]", 3)
	p.drop(210, 10, true)
	expect("[n4 open]", 3)
	p.follow(consensus.Voters("n4")) // this server is no member any more
	p.drop(300, 10, true)
	p.drop(310, 10, true)
	expect("[n4 open]", 3)
	if table := *p.table.Load(); len(table) != 2 || table["n2"] == nil || table["n4"] == nil {
		t.Errorf("messages can be sent to %v", table)
	}
	p.close()
	expect("[]", 3)
}

func TestReasonsOfTheModule(t *testing.T) {
	r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: &journal{}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, reason := range reasons {
		if err := r.refusal(fmt.Errorf("%w: details", reason.modules)); !errors.Is(err, reason.ours) || !strings.Contains(err.Error(), "details") {
			t.Errorf("%v became %v", reason.modules, err)
		}
	}
	if err := r.refusal(errors.New("something else")); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
}

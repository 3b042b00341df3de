package consensus

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// asks lets n1, which follows n2 in term 3, be asked to read, and gives what it sends.
func asks(t *testing.T, m *Module, id ReadID) *ReadIndex {
	t.Helper()
	if err := m.Read(id); err != nil {
		t.Fatal(err)
	}
	return sentReadIndex(m.Flush())
}

func sentReadIndex(e Effects) *ReadIndex {
	for _, msg := range e.Send {
		if ask, ok := msg.(*ReadIndex); ok {
			return ask
		}
	}
	return nil
}

// replies gives the answers to ReadIndex among what is sent.
func replies(e Effects) (found []*ReadIndexReply) {
	for _, msg := range e.Send {
		if reply, ok := msg.(*ReadIndexReply); ok {
			found = append(found, reply)
		}
	}
	return found
}

func TestAServerWithoutLeaderReadsNothing(t *testing.T) {
	m, err := Restart(0, validConfig(), Saved{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Read(1); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a server that has not heard a leader: %v", err)
	}
	m.Tick(m.Deadline())
	if err := m.Read(1); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a candidate: %v", err)
	}
	// A leader that is no member here, yet: its reply would not be listened to.
	m, err = Restart(0, func() Config { c := validConfig(); c.CheckQuorum = true; return c }(), Saved{})
	if err != nil {
		t.Fatal(err)
	}
	m.Step(0, &AppendEntries{Header: Header{"n9", "n1", 1}})
	if err := m.Read(1); m.leader != "n9" || !errors.Is(err, ErrNotLeader) {
		t.Errorf("a server that follows %q: %v", m.leader, err)
	}
}

// What the answer is for, and what not.
func TestAFollowerTakesOneAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		from ServerID
		term Term
		late uint64
		want int
	}{
		"the answer":                {"n2", 3, 0, 1},
		"one of an earlier term":    {"n2", 2, 0, 0},
		"one of another server":     {"n3", 3, 0, 0},
		"one to the one before":     {"n2", 3, 1, 0},
		"one to one of long before": {"n2", 3, 7, 0},
	} {
		m := follower(t)
		ask := asks(t, m, 1)
		m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: ask.ID, Index: 1})
		m.Flush()
		ask = asks(t, m, 2)
		m.Step(0, &ReadIndexReply{Header: Header{c.from, "n1", c.term}, ID: ask.ID - c.late, Index: 1})
		if got := m.Flush().Reads; len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The answer to a request may be from before a read that came later.
func TestReadsDoNotJoinARequestUnderWay(t *testing.T) {
	m := follower(t)
	first := asks(t, m, 1)
	if late := asks(t, m, 2); late != nil {
		t.Errorf("a second request is under way: %v", late)
	}
	m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: first.ID, Index: 1})
	e := m.Flush()
	if second := sentReadIndex(e); second == nil || second.ID == first.ID || len(e.Reads) != 1 || e.Reads[0].ID != 1 {
		t.Errorf("%v, then %v", e.Reads, second)
	}
}

// Two starts of a server never number their requests alike: what comes late to the second was for the first.
func TestRequestsOfEachStartAreNumberedAnew(t *testing.T) {
	var ids []uint64
	for _, base := range []uint64{1 << 40, 1 << 50} {
		cfg := validConfig()
		cfg.RequestBase = base
		m, err := Restart(0, cfg, Saved{})
		if err != nil {
			t.Fatal(err)
		}
		m.Step(0, &AppendEntries{Header: Header{"n2", "n1", 1}})
		ids = append(ids, asks(t, m, 1).ID)
	}
	if ids[1]-ids[0] < 1<<49 {
		t.Errorf("ids %v", ids)
	}
	cfg := validConfig()
	cfg.Rand = func() uint64 { return 7 << 40 }
	if m, _ := Restart(0, cfg, Saved{}); m.asking.id != 7<<40 {
		t.Errorf("without a base it begins at %d", m.asking.id)
	}
}

// It waits until it has applied the index, however it gets there.
func TestAFollowerWaitsForTheIndex(t *testing.T) {
	m := follower(t)
	m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: asks(t, m, 1).ID, Index: 2})
	if got := m.Flush().Reads; len(got) > 0 {
		t.Fatalf("index 1 is applied, and it reads at %v", got)
	}
	m.Step(0, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2, LeaderCommit: 2})
	if e := m.Flush(); len(e.Reads) != 1 || len(e.Apply) != 1 {
		t.Errorf("applied %v, reads %v", e.Apply, e.Reads)
	}
	m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: asks(t, m, 2).ID, Index: 5})
	m.Step(0, &InstallSnapshot{Header: Header{"n2", "n1", 3}, LastIncluded: Position{7, 3}, Config: Voters("n1", "n2", "n3"), Done: true})
	if e := m.Flush(); len(e.Reads) != 1 || e.Restore == nil {
		t.Errorf("a snapshot up to index 7: restore %v, reads %v", e.Restore, e.Reads)
	}
}

// A read never waits for ever: neither for an answer nor for what it says to be applied.
func TestReadsOfAFollowerAreRefusedInTime(t *testing.T) {
	for name, index := range map[string]Index{"no answer": 0, "it does not come so far": 9} {
		m := follower(t)
		ask := asks(t, m, 1)
		if index > 0 {
			m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: ask.ID, Index: index})
			m.Flush()
		}
		repeats := 0
		for m.now < testTimeout-1 {
			now := min(m.Deadline(), testTimeout-1)
			m.Step(now, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2})
			m.Tick(now)
			e := m.Flush()
			if again := sentReadIndex(e); again != nil && again.ID == ask.ID {
				repeats++
			}
			if len(e.Reads) > 0 {
				t.Errorf("%s: answered after %v: %v", name, m.now, e.Reads)
			}
		}
		if want := int(one(index == 0)) * int(testTimeout/testHeartbeat-1); repeats != want {
			t.Errorf("%s: asked again %d times, want %d", name, repeats, want)
		}
		m.Tick(m.Deadline())
		if e := m.Flush(); m.now != testTimeout || len(e.Reads) != 1 || !e.Reads[0].Refused {
			t.Errorf("%s: after %v: %v", name, m.now, e.Reads)
		}
	}
}

// Who gives up its leader refuses all that it had to ask, and so does one whose leader says that it does not lead.
func TestReadsOfAFollowerAreRefusedWithItsLeader(t *testing.T) {
	for name, lose := range map[string]func(m *Module, ask *ReadIndex){
		"its timeout":    func(m *Module, _ *ReadIndex) { m.cfg.PreVote = true; m.Tick(m.electionDeadline) },
		"another term":   func(m *Module, _ *ReadIndex) { m.Step(0, &RequestVote{Header: Header{"n3", "n1", 4}}) },
		"it is to stand": func(m *Module, _ *ReadIndex) { m.Step(0, &TimeoutNow{Header: Header{"n2", "n1", 3}}) },
		"a later refusal": func(m *Module, ask *ReadIndex) {
			m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 4}, ID: ask.ID, Refused: true})
		},
	} {
		m := follower(t)
		m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: asks(t, m, 1).ID, Index: 2})
		m.Flush()
		ask := asks(t, m, 2)
		asks(t, m, 3)
		lose(m, ask)
		got := m.Flush().Reads
		want := []Read{{ID: 1, Refused: true}, {ID: 2, Refused: true}, {ID: 3, Refused: true}}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
		if err := m.CheckInvariants(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := follower(t)
	m.Step(0, &ReadIndexReply{Header: Header{"n2", "n1", 3}, ID: asks(t, m, 1).ID, Refused: true})
	if got := m.Flush().Reads; !slices.Equal(got, []Read{{ID: 1, Refused: true}}) {
		t.Errorf("a refusal: %v", got)
	}
}

// Members may ask, learners too. Who is none gets no entries, so it must not wait for them.
func TestWhoMayAskALeader(t *testing.T) {
	m := changing(t)
	if _, _, err := m.ChangeMembership(Change{Op: AddLearner, ID: "n4"}); err != nil {
		t.Fatal(err)
	}
	m.Flush()
	for _, from := range []ServerID{"n2", "n4", "n5"} {
		m.Step(m.now, &ReadIndex{Header: Header{from, "n1", 1}, ID: 8})
		e := m.Flush()
		if got := replies(e); from == "n5" && (len(got) != 1 || !got[0].Refused) || from != "n5" && len(got) > 0 {
			t.Errorf("%s is answered %v before a round", from, got)
		}
		m.Step(m.now, &AppendEntriesReply{Header: Header{"n3", "n1", 1}, Success: true, MatchIndex: 1, Round: m.reads.round})
		want := &ReadIndexReply{Header: Header{"n1", from, 1}, ID: 8, Index: 1}
		if got := replies(m.Flush()); from != "n5" && (len(got) != 1 || *got[0] != *want) {
			t.Errorf("%s is answered %v after a round", from, got)
		}
	}
}

// Who does not lead says so, with its term; a leader that is deposed refuses what it has not answered.
func TestWhoDoesNotLeadRefuses(t *testing.T) {
	m := follower(t)
	m.Step(0, &ReadIndex{Header: Header{"n3", "n1", 2}, ID: 5})
	if got := replies(m.Flush()); len(got) != 1 || *got[0] != (ReadIndexReply{Header: Header{"n1", "n3", 3}, ID: 5, Refused: true}) {
		t.Errorf("a follower answers %v", got)
	}
	m = changing(t)
	m.Step(m.now, &ReadIndex{Header: Header{"n2", "n1", 1}, ID: 5})
	m.Flush()
	m.Step(m.now, &ReadIndex{Header: Header{"n3", "n1", 1}, ID: 6})
	m.Step(m.now, &AppendEntries{Header: Header{"n3", "n1", 2}, PrevLogIndex: 1, PrevLogTerm: 1})
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: 1, Round: 1})
	if got := replies(m.Flush()); len(got) != 2 || !got[0].Refused || !got[1].Refused {
		t.Errorf("a leader that was deposed answers %v", got)
	}
}

// A server that asks again and again costs a leader no more than a few requests.
func TestWhatALeaderHasInHandIsBounded(t *testing.T) {
	m := changing(t)
	for id := range uint64(100) {
		for range 3 {
			m.Step(m.now, &ReadIndex{Header: Header{"n2", "n1", 1}, ID: id})
			if id%2 == 0 {
				m.Flush()
			}
		}
		if n := len(m.reads.waiting) + len(m.reads.pending); id == 0 && n != 1 {
			t.Errorf("%d requests in hand, but it is one", n)
		}
	}
	if n := len(m.reads.waiting) + len(m.reads.pending); n != maxAsked {
		t.Errorf("%d requests in hand", n)
	}
	m.Step(m.now, &ReadIndex{Header: Header{"n3", "n1", 1}, ID: 1})
	if n := len(m.reads.waiting) + len(m.reads.pending); n != maxAsked+1 {
		t.Error("one server keeps another out")
	}
}

// Many reads cost few rounds: while two are under way the others wait, and then go together.
func TestTwoRoundsAtMost(t *testing.T) {
	m := changing(t)
	for id := range ReadID(10) {
		if err := m.Read(id); err != nil {
			t.Fatal(err)
		}
		m.Flush()
	}
	if m.reads.round != 2 {
		t.Fatalf("%d rounds for 10 reads", m.reads.round)
	}
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: 1, Round: 1})
	if e := m.Flush(); len(e.Reads) != 1 || m.reads.round != 3 {
		t.Errorf("after the first round %v, and round %d", e.Reads, m.reads.round)
	}
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: 1, Round: 3})
	if e := m.Flush(); len(e.Reads) != 9 {
		t.Errorf("after the others %v", e.Reads)
	}
}

// A request of another server is read under a lease as one of the leader's own, and not once it has run out.
func TestALeaseAnswersARequestAtOnce(t *testing.T) {
	m := leasing(t)
	round := beat(m)
	sent := m.now
	answer(m, round)
	m.Flush()
	m.Step(sent+99*time.Millisecond, &ReadIndex{Header: Header{"n2", "n1", 1}, ID: 1})
	e := m.Flush()
	if got := replies(e); len(got) != 1 || got[0].Refused {
		t.Errorf("with a lease: %v", got)
	}
	if told := slices.ContainsFunc(e.Send, func(msg Message) bool {
		heartbeat, ok := msg.(*AppendEntries)
		return ok && heartbeat.To == "n2" && heartbeat.LeaderCommit == 1
	}); !told {
		t.Error("n2 is not told what is committed, and has to wait for the next heartbeat")
	}
	m.Step(sent+100*time.Millisecond, &ReadIndex{Header: Header{"n2", "n1", 1}, ID: 2})
	if got := replies(m.Flush()); len(got) != 0 {
		t.Errorf("without: %v", got)
	}
}

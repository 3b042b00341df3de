package consensus

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func validConfig() Config {
	return Config{
		ID: "n1", Founders: Voters("n1", "n2", "n3"),
		HeartbeatInterval: testHeartbeat, ElectionTimeout: testTimeout, Rand: func() uint64 { return 0 },
	}
}

func TestConfigMistakesAreNamed(t *testing.T) {
	for name, mistake := range map[string]struct {
		make func(*Config)
		says string
	}{
		"no ID":               {func(c *Config) { c.ID = "" }, "ID is empty"},
		"a member twice":      {func(c *Config) { c.Founders = Voters("n1", "n2", "n1") }, `"n1" is a member twice`},
		"joint founders":      {func(c *Config) { c.Founders[0].Suffrage = Incoming }, "joint"},
		"a lease alone":       {func(c *Config) { c.LeaseDuration = 1 }, "needs CheckQuorum"},
		"no room in flight":   {func(c *Config) { c.MaxInflightMessages = -1 }, "MaxInflightMessages is -1"},
		"chunks of nothing":   {func(c *Config) { c.MaxChunkBytes = -5 }, "MaxChunkBytes is -5"},
		"a trail too long":    {func(c *Config) { c.MaxLogBytes, c.TrailingBytes = 100, 51 }, "TrailingBytes is 51"},
		"a negative trail":    {func(c *Config) { c.TrailingBytes = -2 }, "TrailingBytes is -2"},
		"a long lease":        {func(c *Config) { c.CheckQuorum, c.LeaseDuration = true, c.ElectionTimeout }, "below ElectionTimeout"},
		"a negative lease":    {func(c *Config) { c.CheckQuorum, c.LeaseDuration = true, -1 }, "below ElectionTimeout"},
		"an empty member":     {func(c *Config) { c.Founders = Voters("n1", "") }, "an empty ID"},
		"no randomness":       {func(c *Config) { c.Rand = nil }, "Rand"},
		"no heartbeat":        {func(c *Config) { c.HeartbeatInterval = 0 }, "HeartbeatInterval"},
		"impatient followers": {func(c *Config) { c.ElectionTimeout = testHeartbeat }, "at least twice"},
	} {
		cfg := validConfig()
		mistake.make(&cfg)
		if _, err := Restart(0, cfg, Saved{}); err == nil || !strings.Contains(err.Error(), mistake.says) {
			t.Errorf("%s: got error %v, want one that says %q", name, err, mistake.says)
		}
	}
}

func TestRestartRefusesWhatNoSaveMade(t *testing.T) {
	for name, c := range map[string]struct {
		saved Saved
		says  string
	}{
		"a gap":                    {Saved{HardState: HardState{Term: 1}, Entries: []Entry{{Index: 2, Term: 1}}}, "entry 2 stands where entry 1 belongs"},
		"terms going back":         {Saved{HardState: HardState{Term: 3}, Entries: []Entry{{Index: 1, Term: 2}, {Index: 2, Term: 1}}}, "behind an entry of term 2"},
		"term zero":                {Saved{HardState: HardState{Term: 3}, Entries: []Entry{{Index: 1}}}, "entry 1 has term 0"},
		"an entry from the future": {Saved{HardState: HardState{Term: 1}, Entries: []Entry{{Index: 1, Term: 2}}}, "the current term is 1"},
	} {
		if _, err := Restart(0, validConfig(), c.saved); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got error %v, want one that says %q", name, err, c.says)
		}
	}
}

// follower gives n1 in term 3 with a log of terms 1, 2, which follows n2.
func follower(t *testing.T) *Module {
	t.Helper()
	m, err := Restart(0, validConfig(), Saved{HardState: HardState{Term: 3}, Entries: []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	m.Step(0, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2, LeaderCommit: 1})
	m.Flush()
	return m
}

// leader gives n1 as leader of term 1, with settled votes.
func leader(t *testing.T, limits func(*Config)) *Module {
	t.Helper()
	cfg := validConfig()
	if limits != nil {
		limits(&cfg)
	}
	m, err := Restart(0, cfg, Saved{})
	if err != nil {
		t.Fatal(err)
	}
	m.Tick(m.Deadline())
	m.Flush()
	m.Step(m.now, &RequestVoteReply{Header: Header{"n1", "n1", 1}, VoteGranted: true})
	m.Step(m.now, &RequestVoteReply{Header: Header{"n2", "n1", 1}, VoteGranted: true})
	if m.Status().Role != Leader {
		t.Fatal("n1 does not lead")
	}
	m.Flush()
	return m
}

func TestMessagesThatNoServerSendsChangeNothing(t *testing.T) {
	h := Header{From: "n2", To: "n1", Term: 9}
	for name, msg := range map[string]Message{
		"from a stranger":           &RequestVote{Header: Header{"n7", "n1", 9}, LastLogIndex: 9, LastLogTerm: 9},
		"for another server":        &RequestVote{Header: Header{"n2", "n3", 9}, LastLogIndex: 9, LastLogTerm: 9},
		"without a term":            &AppendEntries{Header: Header{"n2", "n1", 0}},
		"index without term":        &AppendEntries{Header: h, PrevLogIndex: 1},
		"term without index":        &AppendEntries{Header: h, PrevLogTerm: 1},
		"entries with a gap":        &AppendEntries{Header: h, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 4, Term: 9}}},
		"entries going back":        &AppendEntries{Header: h, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 3, Term: 1}}},
		"an entry without a term":   &AppendEntries{Header: h, Entries: []Entry{{Index: 1}}},
		"an entry of a later term":  &AppendEntries{Header: h, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 3, Term: 10}}},
		"prevLog of a later term":   &AppendEntries{Header: h, PrevLogIndex: 2, PrevLogTerm: 10},
		"an answer without index":   &ReadIndexReply{Header: h},
		"a refusal with an index":   &ReadIndexReply{Header: h, Index: 1, Refused: true},
		"an index that wraps round": &AppendEntries{Header: h, PrevLogIndex: math.MaxUint64, PrevLogTerm: 9, Entries: []Entry{{Index: 0, Term: 9}}},
	} {
		m := follower(t)
		before := m.Status()
		m.Step(time.Hour, msg)
		e := m.Flush()
		if after := m.Status(); after.Term != before.Term || after.LastLogIndex != before.LastLogIndex || after.CommitIndex != before.CommitIndex {
			t.Errorf("%s: %+v became %+v", name, before, after)
		}
		if !e.Save.Empty() || len(e.AfterSave)+len(e.Send) > 0 {
			t.Errorf("%s: it had effects: %+v", name, e)
		}
	}
}

// unknownMessage has a header and nothing that this version knows.
type unknownMessage struct{ Header }

func TestMessageOfAnUnknownKindIsIgnored(t *testing.T) {
	m := follower(t)
	m.Step(0, &unknownMessage{Header{"n2", "n1", 3}})
	if e := m.Flush(); len(e.AfterSave)+len(e.Send) > 0 {
		t.Errorf("it was answered: %+v", e)
	}
}

func TestFarAheadRequestIsRefused(t *testing.T) {
	m := follower(t)
	m.Step(0, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: math.MaxUint64 - 5, PrevLogTerm: 3, LeaderCommit: math.MaxUint64})
	e := m.Flush()
	reply := e.AfterSave[0].(*AppendEntriesReply)
	if reply.Success || reply.ConflictIndex != 2 || m.Status().CommitIndex != 1 {
		t.Errorf("got %+v and commitIndex %d", reply, m.Status().CommitIndex)
	}
}

// violation runs f, which must find a promise broken.
func violation(t *testing.T, f func()) (v *Violation) {
	t.Helper()
	defer func() {
		t.Helper()
		var ok bool
		if v, ok = recover().(*Violation); !ok {
			t.Fatal("nothing was found")
		}
	}()
	f()
	return nil
}

func TestTwoLeadersOfOneTermStopTheServer(t *testing.T) {
	m := follower(t)
	v := violation(t, func() { m.Step(0, &AppendEntries{Header: Header{"n3", "n1", 3}}) })
	for _, word := range []string{"Election Safety", "n2 leads term 3", "n3 sent AppendEntries"} {
		if !strings.Contains(v.Error(), word) {
			t.Errorf("%q does not say %q", v, word)
		}
	}
}

func TestOverwritingACommittedEntryStopsTheServer(t *testing.T) {
	m := follower(t)
	v := violation(t, func() {
		m.Step(0, &AppendEntries{Header: Header{"n2", "n1", 3}, Entries: []Entry{{Index: 1, Term: 3}}})
	})
	for _, word := range []string{"State Machine Safety", "entry 1 of term 1 is committed", "leader n2 of term 3 has an entry of term 3"} {
		if !strings.Contains(v.Error(), word) {
			t.Errorf("%q does not say %q", v, word)
		}
	}
}

func TestOnlyALeaderTakesCommands(t *testing.T) {
	m := follower(t)
	if _, _, err := m.Propose(EntryCommand, nil); !errors.Is(err, ErrNotLeader) {
		t.Errorf("Propose: %v", err)
	}
}

func TestFullLogRefuses(t *testing.T) {
	m := leader(t, func(c *Config) { c.MaxLogBytes = 2*entryOverhead + 10 })
	if _, _, err := m.Propose(EntryCommand, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Propose(EntryCommand, make([]byte, 1)); !errors.Is(err, ErrLogFull) {
		t.Errorf("got %v, want ErrLogFull", err)
	}
}

func TestTooMuchUncommittedRefusesUntilItIsCommitted(t *testing.T) {
	m := leader(t, func(c *Config) { c.MaxUncommittedBytes = entryOverhead })
	// One command always fits, however large: otherwise it never would.
	if _, _, err := m.Propose(EntryCommand, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Propose(EntryCommand, nil); !errors.Is(err, ErrTooMuchUncommitted) {
		t.Errorf("got %v, want ErrTooMuchUncommitted", err)
	}
	for _, id := range []ServerID{"n1", "n2"} {
		m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: 1})
	}
	if _, _, err := m.Propose(EntryCommand, nil); err != nil {
		t.Errorf("after it was committed: %v", err)
	}
}

// sentTo counts the AppendEntries with entries to id.
func sentTo(e Effects, id ServerID) (requests, entries int) {
	for _, msg := range e.Send {
		if ae, ok := msg.(*AppendEntries); ok && ae.To == id && len(ae.Entries) > 0 {
			requests++
			entries += len(ae.Entries)
		}
	}
	return requests, entries
}

func TestWindowAndBatchLimits(t *testing.T) {
	m := leader(t, func(c *Config) { c.MaxBatchBytes, c.MaxInflightMessages = 3*entryOverhead, 2 })
	ack := func(match Index) {
		m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: match})
	}
	ack(0)
	for range 10 {
		if _, _, err := m.Propose(EntryCommand, nil); err != nil {
			t.Fatal(err)
		}
	}
	e := m.Flush()
	if requests, entries := sentTo(e, "n2"); requests != 2 || entries != 6 {
		t.Errorf("a window of 2 batches of 3: %d requests with %d entries left", requests, entries)
	}
	if len(e.Save.Entries) != 10 {
		t.Errorf("10 proposals make one Save, but it has %d", len(e.Save.Entries))
	}
	if requests, _ := sentTo(m.Flush(), "n2"); requests != 0 {
		t.Error("the window was closed, but more was sent")
	}
	ack(3)
	if requests, entries := sentTo(m.Flush(), "n2"); requests != 1 || entries != 3 {
		t.Errorf("one batch was acknowledged: %d requests with %d entries left", requests, entries)
	}
	if err := m.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestAcknowledgementOfWhatIsNotThereIsIgnored(t *testing.T) {
	m := leader(t, nil)
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: 99, Round: 99})
	if s := m.Status(); s.Members[1].MatchIndex != 0 || m.followers[1].ackedRound != 0 {
		t.Errorf("got %+v", s.Members[1])
	}
}

func TestElectionTimeoutsLieBetweenTAnd2T(t *testing.T) {
	for _, random := range []uint64{0, 1, uint64(testTimeout) - 1, uint64(testTimeout), math.MaxUint64} {
		cfg := validConfig()
		cfg.Rand = func() uint64 { return random }
		m, err := Restart(time.Second, cfg, Saved{})
		if err != nil {
			t.Fatal(err)
		}
		if d := m.Deadline() - time.Second; d < testTimeout || d >= 2*testTimeout {
			t.Errorf("random %d gives a timeout of %v", random, d)
		}
	}
}

// Only a granted vote and a leader's message reset the election timer (§5.2).
func TestWhatResetsTheElectionTimer(t *testing.T) {
	for name, c := range map[string]struct {
		msg    Message
		resets bool
	}{
		"a granted vote":              {&RequestVote{Header: Header{"n2", "n1", 4}, LastLogIndex: 2, LastLogTerm: 2}, true},
		"a denied vote":               {&RequestVote{Header: Header{"n2", "n1", 4}, LastLogIndex: 1, LastLogTerm: 1}, false},
		"a vote of an old term":       {&RequestVote{Header: Header{"n2", "n1", 2}, LastLogIndex: 2, LastLogTerm: 2}, false},
		"a heartbeat":                 {&AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2}, true},
		"a heartbeat that is refused": {&AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 9, PrevLogTerm: 3}, true},
		"a heartbeat of an old term":  {&AppendEntries{Header: Header{"n2", "n1", 2}, PrevLogIndex: 2, PrevLogTerm: 2}, false},
		"a question before a vote":    {&RequestPreVote{Header: Header{"n2", "n1", 3}, NextTerm: 4, LastLogIndex: 2, LastLogTerm: 2}, false},
		"a reply":                     {&AppendEntriesReply{Header: Header{"n2", "n1", 4}}, false},
	} {
		m := follower(t)
		before := m.Deadline()
		m.Step(testTimeout/2, c.msg)
		if reset := m.Deadline() != before; reset != c.resets {
			t.Errorf("%s: timer reset: %t", name, reset)
		}
	}
}

func TestTickBeforeTheDeadlineDoesNothing(t *testing.T) {
	m := follower(t)
	m.Tick(m.Deadline() - 1)
	if m.Status().Role != Follower || len(m.Flush().AfterSave) != 0 {
		t.Error("it stood for election before its time")
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	m := follower(t)
	m.Step(time.Hour, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2})
	m.Tick(time.Second)
	if m.now != time.Hour {
		t.Errorf("now is %v", m.now)
	}
}

// Entries that were handed out are never changed afterwards: the disk and the network read them while the
// module goes on.
func TestHandedOutEntriesStayAsTheyWere(t *testing.T) {
	m := follower(t)
	h := Header{"n2", "n1", 3}
	m.Step(0, &AppendEntries{Header: h, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 3, Term: 3}, {Index: 4, Term: 3}}})
	handedOut := m.Flush().Save.Entries
	m.Step(0, &AppendEntries{Header: Header{"n3", "n1", 5}, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 3, Term: 5}, {Index: 4, Term: 5}}})
	m.Flush()
	if handedOut[0].Term != 3 || handedOut[1].Term != 3 {
		t.Errorf("what was handed out to the disk became %v", handedOut)
	}
}

func TestStatus(t *testing.T) {
	m := leader(t, nil)
	if _, _, err := m.Propose(EntryCommand, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	m.Flush()
	m.Step(m.now+1, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: 1})
	s := m.Status()
	if s.ID != "n1" || s.Role.String() != "leader" || s.Leader != "n1" || s.VotedFor != "n1" || s.Term != 1 ||
		s.LastLogIndex != 1 || s.LastLogTerm != 1 || s.FirstLogIndex != 1 || s.LogBytes != entryOverhead+3 {
		t.Errorf("got %+v", s)
	}
	if n2 := s.Members[1]; n2.ID != "n2" || n2.MatchIndex != 1 || n2.NextIndex != 2 || n2.LastContact != m.now {
		t.Errorf("got %+v", n2)
	}
	if Candidate.String() != "candidate" || Role(9).String() != "unknown role" {
		t.Error("roles have the wrong names")
	}
}

// What storage knows to be committed goes to the state machine at once, before there is a leader.
func TestWhatWasCommittedIsAppliedAtOnce(t *testing.T) {
	saved := Saved{HardState: HardState{Term: 2}, Entries: []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 2}, {Index: 3, Term: 2}}, Commit: 2}
	m, err := Restart(0, validConfig(), saved)
	if err != nil {
		t.Fatal(err)
	}
	if e := m.Flush(); len(e.Apply) != 2 || e.Apply[1].Index != 2 || m.Status().CommitIndex != 2 {
		t.Errorf("%d entries are applied, up to %d", len(e.Apply), m.Status().CommitIndex)
	}
	saved.Commit = 4
	if _, err := Restart(0, validConfig(), saved); err == nil || !strings.Contains(err.Error(), "index 4 was committed, but the log ends at 3") {
		t.Errorf("committed beyond the log: %v", err)
	}
	var sum Saved
	for _, commit := range []Index{1, 3, 2} {
		sum.Add(Save{Commit: commit})
	}
	if sum.Commit != 3 {
		t.Errorf("the sum of Saves has commitIndex %d", sum.Commit)
	}
}

// The checker must see what it is for: each corruption of a module's state is named.
func TestInvariantsAreSeenBroken(t *testing.T) {
	for says, breakIt := range map[string]func(*Module){
		"the log ends at":         func(m *Module) { m.commitIndex = 9 },
		"lastApplied is":          func(m *Module) { m.lastApplied = 1; m.commitIndex = 0 },
		"the vote went to":        func(m *Module) { m.votedFor = "n2" },
		"the role is candidate":   func(m *Module) { m.role = Candidate; m.votedFor = "" },
		"reads wait":              func(m *Module) { m.role = Follower; m.reads.waiting = []reader{{id: 1}} },
		"wait for an answer":      func(m *Module) { m.role = Follower; m.leader = ""; m.asking.waiting = []ReadID{1} },
		"stands at place":         func(m *Module) { m.log.at(1).Index = 7 },
		"the one before has term": func(m *Module) { m.log.at(1).Term = 1; m.log.at(2).Term = 0 },
		"but currentTerm is":      func(m *Module) { m.log.at(2).Term = 9 },
		"bytes, but":              func(m *Module) { m.log.bytes++ },
		"are uncommitted, but":    func(m *Module) { m.uncommittedBytes++ },
		"nextIndex of n2 is":      func(m *Module) { m.followers[1].nextIndex = 0 },
		"matchIndex of n3 is":     func(m *Module) { m.followers[2].matchIndex, m.followers[2].nextIndex = 8, 9 },
		"is probed, but":          func(m *Module) { m.followers[1].inflight = []inflight{{}} },
		"bytes are under way to":  func(m *Module) { m.followers[1].inflightBytes = 3 },
	} {
		m := leader(t, nil)
		for range 2 {
			if _, _, err := m.Propose(EntryCommand, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.CheckInvariants(); err != nil {
			t.Fatalf("nothing is broken yet, but: %v", err)
		}
		breakIt(m)
		if err := m.CheckInvariants(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

// preCandidate gives n1 of three, which asks whether it would win term 1.
func preCandidate(t *testing.T) *Module {
	t.Helper()
	cfg := validConfig()
	cfg.PreVote, cfg.CheckQuorum = true, true
	m, err := Restart(0, cfg, Saved{})
	if err != nil {
		t.Fatal(err)
	}
	m.Tick(m.Deadline())
	m.Flush()
	if m.Status().Role != PreCandidate || m.Status().Term != 0 {
		t.Fatalf("got %+v", m.Status())
	}
	return m
}

func TestPreVoteOfAnEarlierTerm(t *testing.T) {
	m := preCandidate(t)
	yes := &RequestPreVoteReply{Header: Header{"n2", "n1", 0}, NextTerm: 1, VoteGranted: true}
	// Before the answer comes, term 3 does: the question was another one.
	m.Step(m.now, &AppendEntries{Header: Header{"n3", "n1", 3}})
	m.Step(m.now, yes)
	if s := m.Status(); s.Role != Follower || s.Term != 3 {
		t.Errorf("got %+v", s)
	}
	m.Tick(m.Deadline())
	m.Step(m.now, yes)
	if s := m.Status(); s.Role != PreCandidate || s.Term != 3 {
		t.Errorf("a yes for term 1 counts for term 4: %+v", s)
	}
	m.Step(m.now, &RequestPreVoteReply{Header: Header{"n2", "n1", 3}, NextTerm: 4, VoteGranted: true})
	if s := m.Status(); s.Role != Candidate || s.Term != 4 {
		t.Errorf("got %+v", s)
	}
	m.Step(m.now, &RequestPreVoteReply{Header: Header{"n3", "n1", 3}, NextTerm: 5, VoteGranted: true})
	if s := m.Status(); s.Role != Candidate || s.Term != 4 {
		t.Errorf("a pre-vote counted as a vote: %+v", s)
	}
}

// The vote for itself is on its way to the disk and does not come back: it makes no sense to stand again.
func TestServerWhoseDiskHangsDoesNotStand(t *testing.T) {
	m := preCandidate(t)
	m.Step(m.now, &RequestPreVoteReply{Header: Header{"n2", "n1", 0}, NextTerm: 1, VoteGranted: true})
	m.Flush() // its own vote is in AfterSave; the disk hangs
	for range 5 {
		m.Tick(m.Deadline())
		m.Flush()
	}
	if s := m.Status(); s.Term != 1 || s.Role != Candidate {
		t.Errorf("after five timeouts it is %s of term %d", s.Role, s.Term)
	}
	m.Step(m.now, &RequestVoteReply{Header: Header{"n1", "n1", 1}, VoteGranted: true})
	m.Tick(m.Deadline())
	if s := m.Status(); s.Role != PreCandidate {
		t.Errorf("its disk answered, but it is %s", s.Role)
	}
}

func TestTransferNeedsSomebodyElse(t *testing.T) {
	cfg := validConfig()
	cfg.Founders = Voters("n1")
	m, err := Restart(0, cfg, Saved{})
	if err != nil {
		t.Fatal(err)
	}
	m.Tick(m.Deadline())
	m.Step(m.now, &RequestVoteReply{Header: Header{"n1", "n1", 1}, VoteGranted: true})
	if err := m.TransferLeadership(""); err == nil || !strings.Contains(err.Error(), "no other server") {
		t.Errorf("got %v", err)
	}
	m = leader(t, nil)
	m.Step(m.now+1, &AppendEntriesReply{Header: Header{"n3", "n1", 1}, Success: true})
	if err := m.TransferLeadership(""); err != nil || m.Status().Transfer != "n3" {
		t.Errorf("got %v, to %q; n3 was heard last", err, m.Status().Transfer)
	}
}

func TestQuestionsThatNoServerAsksChangeNothing(t *testing.T) {
	for name, msg := range map[string]Message{
		"a question that skips a term": &RequestPreVote{Header: Header{"n2", "n1", 3}, NextTerm: 9},
		"an answer for no term":        &RequestPreVoteReply{Header: Header{"n2", "n1", 3}, VoteGranted: true},
		"stand now, says a stranger":   &TimeoutNow{Header: Header{"n7", "n1", 3}},
		"stand now, says a follower":   &TimeoutNow{Header: Header{"n3", "n1", 3}},
	} {
		m := follower(t)
		m.Step(0, msg)
		if e := m.Flush(); !e.Save.Empty() || len(e.AfterSave)+len(e.Send) > 0 {
			t.Errorf("%s: it had effects: %+v", name, e)
		}
	}
}

package consensus

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func FuzzDecodeConfiguration(f *testing.F) {
	f.Add(Voters("n1", "n2", "n3").Encode())
	f.Add(Configuration{{ID: "a", Address: "127.0.0.1:1", Suffrage: Incoming}, {ID: "b", Suffrage: Outgoing}}.Encode())
	f.Add([]byte{})
	f.Add([]byte{1, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeConfiguration(b)
		if err == nil && !bytes.Equal(c.Encode(), b) {
			t.Errorf("%x is taken for %v, which is written as %x", b, c, c.Encode())
		}
	})
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", maxNameBytes+1)
	many := make(Configuration, maxMembers+1)
	for i := range many {
		many[i] = Member{ID: ServerID([]byte{'a' + byte(i/100), 'a' + byte(i/10%10), 'a' + byte(i%10)}), Suffrage: Voter}
	}
	for name, c := range map[string]struct {
		config Configuration
		says   string
	}{
		"an empty ID":          {Voters(""), "empty ID"},
		"a long ID":            {Voters(ServerID(long)), "more than 1024 bytes"},
		"a long address":       {Configuration{{ID: "a", Address: long, Suffrage: Voter}}, "more than 1024 bytes"},
		"twice the same":       {Voters("a", "a"), `"a" is a member twice`},
		"out of order":         {Configuration{{ID: "b", Suffrage: Voter}, {ID: "a", Suffrage: Voter}}, "order"},
		"an unknown suffrage":  {Configuration{{ID: "a", Suffrage: 9}}, "suffrage 9"},
		"no suffrage":          {Configuration{{ID: "a"}}, "suffrage 0"},
		"learners alone":       {Configuration{{ID: "a", Suffrage: Learner}}, "nobody would vote"},
		"nobody stays a voter": {Configuration{{ID: "a", Suffrage: Outgoing}}, "nobody would vote"},
		"no old half":          {Configuration{{ID: "a", Suffrage: Incoming}}, "without an old half"},
		"too many":             {many, "257 members"},
	} {
		if err := c.config.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
		if got, err := DecodeConfiguration(c.config.Encode()); err == nil {
			t.Errorf("%s: it was decoded to %v", name, got)
		}
	}
	for name, b := range map[string][]byte{"nothing": {}, "another version": {2}, "cut short": {1, 1, 0, 5, 'a'}, "no address": {1, 1, 0, 1, 'a', 0}} {
		if c, err := DecodeConfiguration(b); err == nil {
			t.Errorf("%s: it was decoded to %v", name, c)
		}
	}
}

func TestNobodyAgreesOnNothing(t *testing.T) {
	if got := (Configuration{}).agreed(func(int) uint64 { return 1 }); got != 0 || (Configuration{}).String() != "" {
		t.Errorf("in an empty configuration there is agreement on %d", got)
	}
	if text := Suffrage(9).String(); text != "unknown" {
		t.Errorf("an unknown suffrage is called %q", text)
	}
}

func TestLeavingAJointConfiguration(t *testing.T) {
	joint := Configuration{
		{ID: "a", Suffrage: Voter},
		{ID: "b", Suffrage: Incoming},
		{ID: "c", Suffrage: Outgoing},
		{ID: "d", Suffrage: Demoted},
		{ID: "e", Suffrage: Learner},
		{ID: "f", Suffrage: Joining},
	}
	want := Configuration{
		{ID: "a", Suffrage: Voter},
		{ID: "b", Suffrage: Voter},
		{ID: "d", Suffrage: Learner},
		{ID: "e", Suffrage: Learner},
		{ID: "f", Suffrage: Joining},
	}
	if got := joint.leaveJoint(); !reflect.DeepEqual(got, want) || got.Joint() || !joint.Joint() {
		t.Errorf("got %v, want %v", got, want)
	}
	if text := joint.String(); text != "a b(incoming) c(outgoing) d(demoted) e(learner) f(joining)" {
		t.Errorf("it is written %q", text)
	}
}

// changing gives n1 as leader of three, which may change its membership, with an entry of its term committed.
func changing(t *testing.T) *Module {
	t.Helper()
	m := leader(t, func(c *Config) { c.CheckQuorum, c.PreVote, c.Noop = true, false, true })
	m.cfg.PreVote = true
	for _, id := range []ServerID{"n1", "n2", "n3"} {
		m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: 1})
	}
	m.Flush()
	return m
}

func TestChangesThatAreRefused(t *testing.T) {
	m := changing(t)
	before := m.Status()
	for name, c := range map[string]struct {
		changes []Change
		want    error
	}{
		"nothing":                {nil, ErrBadChange},
		"an unknown operation":   {[]Change{{ID: "n4"}}, ErrBadChange},
		"a voter as learner":     {[]Change{{Op: AddLearner, ID: "n2"}}, ErrBadChange},
		"a voter promoted":       {[]Change{{Op: Promote, ID: "n2"}}, ErrBadChange},
		"a stranger removed":     {[]Change{{Op: Remove, ID: "n4"}}, ErrBadChange},
		"a stranger demoted":     {[]Change{{Op: Demote, ID: "n4"}}, ErrBadChange},
		"a new member, promoted": {[]Change{{Op: AddLearner, ID: "n4"}, {Op: Promote, ID: "n4"}}, ErrBadChange},
		"everybody removed":      {[]Change{{Op: Remove, ID: "n1"}, {Op: Demote, ID: "n2"}, {Op: Remove, ID: "n3"}}, ErrBadChange},
		"no name":                {[]Change{{Op: AddLearner}}, ErrBadChange},
	} {
		if _, _, err := m.ChangeMembership(c.changes...); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, _, err := follower(t).ChangeMembership(Change{Op: AddLearner, ID: "n4"}); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a follower: got %v", err)
	}
	if after := m.Status(); after.LastLogIndex != before.LastLogIndex || !reflect.DeepEqual(after.Config, before.Config) {
		t.Errorf("refused changes made %+v of %+v", after, before)
	}

	without := leader(t, func(c *Config) { c.Noop = true })
	if _, _, err := without.ChangeMembership(Change{Op: AddLearner, ID: "n4"}); !errors.Is(err, ErrBadChange) || !strings.Contains(err.Error(), "CheckQuorum") {
		t.Errorf("without CheckQuorum: got %v", err)
	}
	early := leader(t, func(c *Config) { c.CheckQuorum, c.Noop = true, true })
	early.cfg.PreVote = true
	if _, _, err := early.ChangeMembership(Change{Op: AddLearner, ID: "n4"}); !errors.Is(err, ErrNotReady) {
		t.Errorf("before an entry of its term is committed: got %v", err)
	}
	if err := m.TransferLeadership("n2"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.ChangeMembership(Change{Op: AddLearner, ID: "n4"}); !errors.Is(err, ErrTransferring) {
		t.Errorf("during a transfer: got %v", err)
	}
}

// A learner may be promoted only after a round of catching up that was short (thesis 4.2.1), and while it is heard.
func TestLearnerIsPromotedWhenItHasCaughtUp(t *testing.T) {
	m := changing(t)
	if _, _, err := m.ChangeMembership(Change{Op: AddLearner, ID: "n4", Address: "there:1"}); err != nil {
		t.Fatal(err)
	}
	ack := func(id ServerID, match Index) {
		m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: match})
		m.Flush()
	}
	ack("n1", 2)
	ack("n2", 2)
	promote := func() error {
		_, _, err := m.ChangeMembership(Change{Op: Promote, ID: "n4"})
		return err
	}
	if err := promote(); !errors.Is(err, ErrNotCaughtUp) {
		t.Errorf("before it has anything: got %v", err)
	}
	m.advanceClock(m.now + m.cfg.ElectionTimeout + 1)
	ack("n4", 2)
	if err := promote(); !errors.Is(err, ErrNotCaughtUp) {
		t.Errorf("after a long round: got %v", err)
	}
	if m.Status().Members[3].CaughtUp {
		t.Error("Status says that it has caught up")
	}
	m.advanceClock(m.now + m.cfg.ElectionTimeout/2)
	ack("n4", 2)
	if !m.Status().Members[3].CaughtUp {
		t.Error("after a short round Status says that it has not caught up")
	}
	m.advanceClock(m.now + m.cfg.ElectionTimeout)
	if err := promote(); !errors.Is(err, ErrNotCaughtUp) {
		t.Errorf("when it was not heard of for long: got %v", err)
	}
	ack("n4", 2)
	ack("n4", 2)
	if err := promote(); err != nil {
		t.Errorf("when it has caught up: got %v", err)
	}
	if member, _ := m.config.Find("n4"); member.Suffrage != Incoming || member.Address != "there:1" {
		t.Errorf("it is %+v", member)
	}
}

// A learner's word counts for nothing: not for what is committed, not for a read, not for the leader's staying.
func TestLearnersDoNotCount(t *testing.T) {
	m := changing(t)
	if _, _, err := m.ChangeMembership(Change{Op: AddLearner, ID: "n4"}, Change{Op: AddLearner, ID: "n5"}, Change{Op: AddVoter, ID: "n6"}); err != nil {
		t.Fatal(err)
	}
	if err := m.Read(1); err != nil {
		t.Fatal(err)
	}
	m.Flush()
	for _, id := range []ServerID{"n1", "n4", "n5", "n6"} {
		m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: 2, Round: m.reads.round})
	}
	if e := m.Flush(); len(e.Reads) > 0 || m.commitIndex != 1 {
		t.Errorf("with the learners' word alone commitIndex is %d, and reads were answered: %v", m.commitIndex, e.Reads)
	}
	for range 20 {
		m.Tick(m.now + 50*time.Millisecond)
		for _, id := range []ServerID{"n4", "n5"} {
			m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: 2})
		}
		m.Step(m.now, &AppendEntriesReply{Header: Header{"n1", "n1", 1}, Success: true, MatchIndex: 2})
		m.Flush()
	}
	if m.role == Leader {
		t.Error("it leads on although it hears learners alone")
	}
}

// While a joint configuration is in force, committed or not, no other change may begin.
func TestNoChangeWhileJoint(t *testing.T) {
	m := changing(t)
	if _, _, err := m.ChangeMembership(Change{Op: Remove, ID: "n3"}); err != nil {
		t.Fatal(err)
	}
	m.Flush()
	m.commitIndex = m.configIndex // as a leader finds it that was elected behind it
	m.uncommittedBytes = 0
	if _, _, err := m.ChangeMembership(Change{Op: AddLearner, ID: "n4"}); !errors.Is(err, ErrChangePending) {
		t.Errorf("got %v", err)
	}
}

// The new configuration may be appended when the joint one is committed, not when something before it is (§6).
func TestJointConfigurationStaysUntilItIsCommitted(t *testing.T) {
	m := changing(t)
	if _, _, err := m.Propose(EntryCommand, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.ChangeMembership(Change{Op: Remove, ID: "n3"}); err != nil {
		t.Fatal(err)
	}
	m.Flush()
	for _, match := range []Index{2, 3} {
		for _, id := range []ServerID{"n1", "n2"} {
			m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: match})
		}
		if got, want := m.config.Joint(), match < 3; got != want || m.commitIndex != match {
			t.Errorf("with commitIndex %d, %v is in force", m.commitIndex, m.config)
		}
	}
}

// Leadership is handed over to those that stay voters, not to those on their way out; and who may not stand does not, whoever asks.
func TestNoTransferToWhoDoesNotStay(t *testing.T) {
	m := changing(t)
	if _, _, err := m.ChangeMembership(Change{Op: Demote, ID: "n2"}, Change{Op: AddLearner, ID: "n4"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []ServerID{"n2", "n4"} {
		if err := m.TransferLeadership(id); err == nil {
			t.Errorf("leadership is handed over to %s, %v", id, m.config)
		}
	}
	if err := m.TransferLeadership(""); err != nil || m.transfer.to != "n3" {
		t.Errorf("it is handed over to %q: %v", m.transfer.to, err)
	}

	cfg := validConfig()
	cfg.Founders = Configuration{{ID: "n1", Suffrage: Learner}, {ID: "n2", Suffrage: Voter}}
	learner, err := Restart(0, cfg, Saved{})
	if err != nil {
		t.Fatal(err)
	}
	learner.Step(0, &AppendEntries{Header: Header{"n2", "n1", 1}})
	learner.Step(0, &TimeoutNow{Header: Header{"n2", "n1", 1}})
	if learner.role != Follower {
		t.Errorf("a learner that is told to stand is a %v", learner.role)
	}
}

// A server that joins is not made a voter before it has caught up.
func TestJoiningServerIsNotPromotedTooEarly(t *testing.T) {
	m := changing(t)
	if _, _, err := m.ChangeMembership(Change{Op: AddVoter, ID: "n4"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []ServerID{"n1", "n2"} {
		m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: 2})
	}
	for range 5 {
		m.Tick(m.heartbeatDeadline)
		m.Flush()
	}
	if m.config.Joint() {
		t.Errorf("%v is in force, although n4 has nothing", m.config)
	}
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n4", "n1", 1}, Success: true, MatchIndex: 2})
	m.Tick(m.heartbeatDeadline)
	if !m.config.Joint() {
		t.Errorf("%v is in force, although n4 has caught up", m.config)
	}
}

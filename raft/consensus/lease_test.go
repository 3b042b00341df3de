package consensus

import (
	"testing"
	"time"
)

// leasing gives n1 as leader with leases of 100 ms and an entry of its term committed.
func leasing(t *testing.T) *Module {
	t.Helper()
	m := changing(t)
	m.cfg.LeaseDuration = 100 * time.Millisecond
	return m
}

// beat lets a heartbeat go out now, and gives its round.
func beat(m *Module) uint64 {
	m.Tick(m.Deadline())
	m.Flush()
	return m.reads.round
}

// answer lets n2 answer in a round, and n1's own disk as well.
func answer(m *Module, round uint64) {
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n1", "n1", 1}, Success: true, MatchIndex: m.log.lastIndex()})
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, MatchIndex: m.log.lastIndex(), Round: round})
}

// served tells whether a read is answered without a message.
func served(t *testing.T, m *Module) bool {
	t.Helper()
	if err := m.Read(1); err != nil {
		t.Fatal(err)
	}
	return len(m.Flush().Reads) == 1
}

func TestLeaseRunsFromWhenTheHeartbeatWasSent(t *testing.T) {
	m := leasing(t)
	if served(t, m) {
		t.Error("there is a lease before any heartbeat was answered")
	}
	round := beat(m)
	sent := m.now
	m.advanceClock(sent + 60*time.Millisecond)
	answer(m, round)
	m.Flush()
	m.advanceClock(sent + 99*time.Millisecond)
	if !served(t, m) {
		t.Error("there is no lease although a majority answered")
	}
	m.advanceClock(sent + 100*time.Millisecond)
	if served(t, m) {
		t.Error("the lease did not run out")
	}
}

// What is remembered of unanswered heartbeats is bounded.
func TestUnansweredHeartbeatsAreForgotten(t *testing.T) {
	m := leasing(t)
	m.cfg.CheckQuorum = false
	for range 10 * maxSentRounds {
		beat(m)
	}
	if n := len(m.lease.sent); n > maxSentRounds {
		t.Errorf("%d rounds are remembered", n)
	}
}

// A successor that was told to stand is listened to whatever was heard, now or later: so there is no lease any more.
func TestLeaseEndsWithATransfer(t *testing.T) {
	m := leasing(t)
	answer(m, beat(m))
	if !served(t, m) {
		t.Fatal("there is no lease")
	}
	// n3 lacks the end of the log, so it is not told yet.
	index := m.log.lastIndex()
	if _, _, err := m.Propose(EntryCommand, nil); err != nil {
		t.Fatal(err)
	}
	m.Flush()
	if err := m.TransferLeadership("n3"); err != nil {
		t.Fatal(err)
	}
	if served(t, m) {
		t.Error("there is a lease during a transfer")
	}
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n3", "n1", 1}, Success: true, MatchIndex: index + 1})
	e := m.Flush()
	if _, ok := e.Send[len(e.Send)-1].(*TimeoutNow); !ok {
		t.Fatalf("n3 was not told: %v", e.Send)
	}
	for m.transfer.to != "" {
		answer(m, beat(m))
	}
	answer(m, beat(m))
	if m.role != Leader || served(t, m) {
		t.Error("there is a lease after a transfer that failed, whose TimeoutNow may still arrive")
	}
}

// §8: a leader does not know what is committed before it has committed an entry of its own.
func TestLeaseServesNothingBeforeAnEntryOfTheTerm(t *testing.T) {
	m := leader(t, func(c *Config) { c.CheckQuorum, c.LeaseDuration, c.Noop = true, 100*time.Millisecond, true })
	round := beat(m) // n2 answers it, but does not have the entry yet
	m.Step(m.now, &AppendEntriesReply{Header: Header{"n2", "n1", 1}, Success: true, Round: round})
	if served(t, m) {
		t.Error("a read was served from a commitIndex of an earlier term")
	}
}

// A server that promised to be quiet keeps it also when it hears of a later term.
func TestLeaseHoldsAgainstALaterTerm(t *testing.T) {
	cfg := validConfig()
	cfg.CheckQuorum, cfg.LeaseDuration = true, 100*time.Millisecond
	m, err := Restart(0, cfg, Saved{})
	if err != nil {
		t.Fatal(err)
	}
	m.Step(time.Second, &AppendEntries{Header: Header{"n2", "n1", 1}})
	m.Step(time.Second, &RequestVoteReply{Header: Header{"n3", "n1", 7}})
	m.Step(time.Second, &RequestVote{Header: Header{"n3", "n1", 8}})
	for _, msg := range m.Flush().AfterSave {
		if vote, ok := msg.(*RequestVoteReply); ok && vote.VoteGranted {
			t.Error("it voted while the leader that it heard may hold a lease")
		}
	}
	m.Step(time.Second+cfg.ElectionTimeout, &RequestVote{Header: Header{"n3", "n1", 8}})
	if e := m.Flush(); len(e.AfterSave) != 1 || !e.AfterSave[0].(*RequestVoteReply).VoteGranted {
		t.Error("it does not vote when the lease has run out")
	}
}

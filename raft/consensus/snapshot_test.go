package consensus

import (
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// applied gives n1 as leader with a log of n committed and applied commands of 100 bytes each.
func applied(t *testing.T, n int, limits func(*Config)) *Module {
	t.Helper()
	m := leader(t, limits)
	for range n {
		if _, _, err := m.Propose(EntryCommand, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	m.Flush()
	for _, id := range []ServerID{"n1", "n2"} {
		m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: Index(n)})
	}
	m.Flush()
	return m
}

func compactAt(t *testing.T, m *Module, index Index, data string) Effects {
	t.Helper()
	snapshot, err := m.Snapshot(index, []byte(data))
	if err == nil {
		err = m.Compact(snapshot)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	return m.Flush()
}

func TestSnapshotsThatAreRefused(t *testing.T) {
	m := applied(t, 5, func(c *Config) { c.MaxSnapshotBytes = 10 })
	if _, _, err := m.Propose(EntryCommand, nil); err != nil { // 6 is not committed
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		index Index
		data  string
		want  error
	}{
		"of what was not applied":     {6, "", ErrNotApplied},
		"of what is not in the log":   {7, "", ErrNotApplied},
		"at the beginning of all":     {0, "", ErrCompacted},
		"larger than what is allowed": {5, "01234567890", ErrSnapshotTooLarge},
	} {
		if _, err := m.Snapshot(c.index, []byte(c.data)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	late, err := m.Snapshot(3, nil)
	if err != nil {
		t.Fatal(err)
	}
	compactAt(t, m, 4, "four")
	if _, err := m.Snapshot(4, nil); !errors.Is(err, ErrCompacted) {
		t.Errorf("one that is there already: got %v", err)
	}
	if err := m.Compact(late); !errors.Is(err, ErrCompacted) || m.Status().Snapshot.Index != 4 {
		t.Errorf("one that was overtaken: got %v, the snapshot is at %v", err, m.Status().Snapshot)
	}
}

// A server that was added does not know who takes part before it has come to the entry that says so.
func TestNoSnapshotWithoutAConfiguration(t *testing.T) {
	cfg := validConfig()
	cfg.Founders, cfg.CheckQuorum = nil, true
	m, err := Restart(0, cfg, Saved{})
	if err != nil {
		t.Fatal(err)
	}
	entries := []Entry{{Index: 1, Term: 1, Kind: EntryCommand}, {Index: 2, Term: 1, Kind: EntryConfiguration, Data: Voters("n2").Encode()}}
	m.Step(0, &AppendEntries{Header: Header{"n2", "n1", 1}, Entries: entries, LeaderCommit: 2})
	m.Flush()
	if _, err := m.Snapshot(1, nil); !errors.Is(err, ErrNoConfiguration) {
		t.Errorf("at 1: got %v", err)
	}
	if s, err := m.Snapshot(2, nil); err != nil || s.Config.String() != "n2" {
		t.Errorf("at 2: got %v, %v", s, err)
	}
}

// What a snapshot says of membership is as of its index, not as of now.
func TestSnapshotCarriesTheConfigurationOfItsIndex(t *testing.T) {
	m := changing(t)
	for i, id := range []ServerID{"x1", "x2"} {
		if _, _, err := m.ChangeMembership(Change{Op: AddLearner, ID: id}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []ServerID{"n1", "n2"} {
			m.Step(m.now, &AppendEntriesReply{Header: Header{id, "n1", 1}, Success: true, MatchIndex: Index(2 + i)})
		}
		m.Flush()
	}
	e := compactAt(t, m, 2, "")
	if got := e.Save.Snapshot.Config.String(); got != "n1 n2 n3 x1(learner)" {
		t.Errorf("at index 2 it was %s", got)
	}
	saved := Saved{HardState: HardState{Term: 1}, Snapshot: e.Save.Snapshot, Base: e.Save.Base}
	saved.Entries = slices.Clone(m.log.slice(m.log.base.Index+1, m.log.lastIndex()))
	again, err := Restart(0, m.cfg, saved)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Status().Config.String(); got != "n1 n2 n3 x1(learner) x2(learner)" {
		t.Errorf("after a restart %s is in force", got)
	}
}

func TestTrailingPartOfTheLogStays(t *testing.T) {
	size := 100 + entryOverhead
	for trailing, first := range map[int]Index{-1: 6, size - 1: 6, size: 5, 3 * size: 3, 100 * size: 1} {
		m := applied(t, 7, func(c *Config) { c.TrailingBytes = trailing })
		e := compactAt(t, m, 5, "five")
		s := m.Status()
		if s.FirstLogIndex != first || e.Save.Base.Index != first-1 || s.LastLogIndex != 7 || s.LogBytes != int(8-first)*size {
			t.Errorf("%d bytes: the log has %d to %d (%d bytes), and is saved from behind %d; want it to begin at %d",
				trailing, s.FirstLogIndex, s.LastLogIndex, s.LogBytes, e.Save.Base.Index, first)
		}
	}
}

// The log that a follower needs behind the snapshot that it is getting stays, while it answers and while the log is not half full.
func TestLogStaysWhileASnapshotIsSent(t *testing.T) {
	behind := func(limits func(*Config)) *Module {
		m := applied(t, 10, func(c *Config) {
			c.TrailingBytes = -1
			if limits != nil {
				limits(c)
			}
		})
		m.Step(m.now+1, &AppendEntriesReply{Header: Header{"n3", "n1", 1}}) // n3 has nothing
		compactAt(t, m, 5, "five")
		if !m.Status().Members[2].SendingSnapshot {
			t.Fatal("n3 gets no snapshot")
		}
		return m
	}
	m := behind(nil)
	compactAt(t, m, 9, "nine")
	if first := m.Status().FirstLogIndex; first != 6 {
		t.Errorf("while n3 answers, the log begins at %d", first)
	}
	m = behind(nil)
	m.advanceClock(m.now + m.cfg.ElectionTimeout)
	compactAt(t, m, 9, "nine")
	if first := m.Status().FirstLogIndex; first != 10 {
		t.Errorf("when n3 is silent, the log begins at %d", first)
	}
	m = behind(func(c *Config) { c.MaxLogBytes = 10 * (100 + entryOverhead); c.MaxUncommittedBytes = c.MaxLogBytes })
	m.cfg.MaxLogBytes = 4 * (100 + entryOverhead)
	compactAt(t, m, 9, "nine")
	if first := m.Status().FirstLogIndex; first != 10 {
		t.Errorf("when the log is full, it begins at %d", first)
	}
}

// chunk gives a message of n2's snapshot, at 9 in term 3, to n1.
func chunk(all string, offset, size int, done bool) *InstallSnapshot {
	end := offset + size
	return &InstallSnapshot{
		Header: Header{"n2", "n1", 3}, LastIncluded: Position{Index: 9, Term: 2}, Config: Voters("n1", "n2", "n3"),
		Offset: uint64(offset), Data: []byte(all[offset:end]), Checksum: crc32.Checksum([]byte(all[:end]), castagnoli), Done: done,
	}
}

// install steps a chunk and gives the reply.
func install(t *testing.T, m *Module, msg *InstallSnapshot) (*InstallSnapshotReply, Effects) {
	t.Helper()
	m.Step(m.now, msg)
	e := m.Flush()
	if err := m.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	if len(e.AfterSave) != 1 {
		t.Fatalf("%d replies", len(e.AfterSave))
	}
	return e.AfterSave[0].(*InstallSnapshotReply), e
}

func TestChunksThatDoNotFit(t *testing.T) {
	const all, other = "the state", "another state"
	m := follower(t)
	if reply, _ := install(t, m, chunk(all, 3, 2, false)); reply.Offset != 0 {
		t.Errorf("a chunk from the middle was taken: offset %d", reply.Offset)
	}
	if reply, _ := install(t, m, chunk(all, 0, 3, false)); reply.Offset != 3 {
		t.Errorf("the first chunk was not taken: offset %d", reply.Offset)
	}
	if reply, _ := install(t, m, chunk(all, 0, 3, false)); reply.Offset != 3 {
		t.Errorf("a repeat changed something: offset %d", reply.Offset)
	}
	if reply, _ := install(t, m, chunk(other, 3, 2, false)); reply.Offset != 0 {
		t.Errorf("a chunk of another snapshot was put behind the first: offset %d", reply.Offset)
	}
	install(t, m, chunk(all, 0, 3, false))
	reply, e := install(t, m, chunk(all, 3, len(all)-3, true))
	if !reply.Installed || e.Restore == nil || string(e.Restore.Data) != all || !e.Save.Installed || e.Save.Snapshot != e.Restore {
		t.Errorf("the last chunk: reply %+v, effects %+v", reply, e)
	}
	if s := m.Status(); s.CommitIndex != 9 || s.LastLogIndex != 9 || s.LastLogTerm != 2 || s.FirstLogIndex != 10 {
		t.Errorf("after it: %+v", s)
	}
	if reply, e := install(t, m, chunk(all, 0, len(all), true)); !reply.Installed || e.Restore != nil || !e.Save.Empty() {
		t.Errorf("the same again: reply %+v, effects %+v", reply, e)
	}
}

func TestSnapshotThatIsTooLargeIsNotTaken(t *testing.T) {
	m := follower(t)
	m.cfg.MaxSnapshotBytes = 5
	install(t, m, chunk("the state", 0, 3, false))
	if reply, e := install(t, m, chunk("the state", 3, 6, true)); reply.Installed || reply.Offset != 0 || e.Restore != nil || m.incoming != nil {
		t.Errorf("reply %+v, effects %+v", reply, e)
	}
}

func TestChunkOfAnEarlierTermIsRefused(t *testing.T) {
	m := follower(t)
	old := chunk("the state", 0, 9, true)
	old.Term = 2
	if reply, e := install(t, m, old); reply.Installed || reply.Term != 3 || e.Restore != nil {
		t.Errorf("reply %+v, effects %+v", reply, e)
	}
}

func TestSnapshotsThatNoServerSendsChangeNothing(t *testing.T) {
	for name, spoil := range map[string]func(*InstallSnapshot){
		"no place":               func(s *InstallSnapshot) { s.LastIncluded = Position{} },
		"no term":                func(s *InstallSnapshot) { s.LastIncluded.Term = 0 },
		"of a later term":        func(s *InstallSnapshot) { s.LastIncluded.Term = 4 },
		"no configuration":       func(s *InstallSnapshot) { s.Config = nil },
		"a bad configuration":    func(s *InstallSnapshot) { s.Config = Voters("n1", "n1") },
		"from this very server":  func(s *InstallSnapshot) { s.From = "n1" },
		"a sender without name ": func(s *InstallSnapshot) { s.From = "" },
	} {
		m := follower(t)
		msg := chunk("the state", 0, 9, true)
		spoil(msg)
		m.Step(0, msg)
		if e := m.Flush(); !e.Save.Empty() || e.Restore != nil || len(e.AfterSave) > 0 {
			t.Errorf("%s: it had effects: %+v", name, e)
		}
	}
}

func TestSavedSnapshotsThatAreRefused(t *testing.T) {
	good := func() Saved {
		return Saved{
			HardState: HardState{Term: 3},
			Snapshot:  &Snapshot{Position: Position{Index: 5, Term: 2}, Config: Voters("n1")},
			Base:      Position{Index: 4, Term: 1},
			Entries:   []Entry{{Index: 5, Term: 2}, {Index: 6, Term: 3}},
		}
	}
	if m, err := Restart(0, validConfig(), good()); err != nil || m.Status().CommitIndex != 5 || m.Flush().Restore == nil {
		t.Fatalf("a good one: %v", err)
	}
	for name, c := range map[string]struct {
		spoil func(*Saved)
		says  string
	}{
		"a base without snapshot":    {func(s *Saved) { s.Snapshot = nil }, "there is no snapshot"},
		"a log that begins too late": {func(s *Saved) { s.Base = Position{Index: 6, Term: 3} }, "gap"},
		"a log that ends too early":  {func(s *Saved) { s.Entries = nil }, "gap"},
		"other terms":                {func(s *Saved) { s.Snapshot.Term = 3 }, "term 2 there"},
		"a term of the future":       {func(s *Saved) { s.HardState.Term = 1 }, "in term 1"},
		"no configuration":           {func(s *Saved) { s.Snapshot.Config = nil }, "no configuration"},
		"a bad configuration":        {func(s *Saved) { s.Snapshot.Config = Voters("") }, "empty ID"},
		"a bad entry":                {func(s *Saved) { s.Entries[1].Kind = EntryConfiguration }, "cannot be used"},
	} {
		saved := good()
		c.spoil(&saved)
		if _, err := Restart(0, validConfig(), saved); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

// "Retain log entries following it" (Figure 13, step 6): what lies behind a snapshot that fits may have been acknowledged.
func TestSnapshotThatFitsKeepsWhatFollows(t *testing.T) {
	m := follower(t) // with entries 1:1 2:2, of which 1 is committed
	m.Step(m.now, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 3, Term: 3}}})
	m.Flush()
	msg := chunk("the state", 0, 9, true)
	msg.LastIncluded = Position{Index: 2, Term: 2}
	reply, e := install(t, m, msg)
	if s := m.Status(); !reply.Installed || e.Restore != nil || s.LastLogIndex != 3 || s.CommitIndex != 2 {
		t.Errorf("reply %+v, effects %+v, status %+v", reply, e, s)
	}
}

// A request that begins before the log's base: what lies before it is committed, so it fits; what lies behind it is new.
func TestEntriesFromBeforeTheBase(t *testing.T) {
	m := follower(t)
	install(t, m, chunk("the state", 0, 9, true)) // up to 9, term 2
	entries := make([]Entry, 0, 5)
	for i := Index(7); i <= 11; i++ {
		entries = append(entries, Entry{Index: i, Term: 2})
	}
	for n, last := range []Index{9, 9, 9, 9, 10, 11} {
		m.Step(m.now, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 6, PrevLogTerm: 1, Entries: entries[:n]})
		reply := m.Flush().AfterSave[0].(*AppendEntriesReply)
		if !reply.Success || reply.MatchIndex != 6+Index(n) || m.log.lastIndex() != last {
			t.Errorf("with %d entries behind 6: reply %+v, the log ends at %d, want %d", n, reply, m.log.lastIndex(), last)
		}
		if err := m.CheckInvariants(); err != nil {
			t.Error(err)
		}
	}
}

// On a slow link a chunk is under way for longer than a heartbeat interval, and what the leader asks meanwhile overtakes it. The
// answers must not make it send the chunk again and again: the link would be busy with repeats, and the transfer would stop.
func TestSlowLinkGetsEachChunkOnce(t *testing.T) {
	m := applied(t, 10, func(c *Config) { c.TrailingBytes, c.MaxChunkBytes = -1, 4 })
	m.Step(m.now+1, &AppendEntriesReply{Header: Header{"n3", "n1", 1}}) // n3 has nothing
	chunks := 0
	answer := func(offset uint64) {
		m.Step(m.now, &InstallSnapshotReply{Header: Header{"n3", "n1", 1}, LastIncluded: Position{Index: 10, Term: 1}, Offset: offset})
	}
	// flush counts the chunks, and lets whatever is no chunk arrive and be answered at once.
	flush := func(has uint64) {
		for _, msg := range m.Flush().Send {
			switch msg, ok := msg.(*InstallSnapshot); {
			case ok && len(msg.Data) > 0:
				chunks++
			case ok:
				answer(has)
			}
		}
	}
	snapshot, err := m.Snapshot(10, []byte("0123456789"))
	if err == nil {
		err = m.Compact(snapshot)
	}
	if err != nil {
		t.Fatal(err)
	}
	flush(0)
	const took = 5 // heartbeats that a chunk needs
	for has := uint64(0); has < 8; has += 4 {
		for range took {
			m.Tick(m.heartbeatDeadline)
			flush(has)
		}
		answer(has + 4)
		flush(has + 4)
	}
	if chunks != 3 {
		t.Errorf("%d chunks were sent, want each of the 3 once", chunks)
	}
	// But one that is lost is sent again, each time after a longer wait.
	for range 200 {
		m.Tick(m.heartbeatDeadline)
		flush(8)
	}
	if chunks < 5 || chunks > 10 {
		t.Errorf("%d chunks were sent after 200 heartbeats without an answer", chunks)
	}
}

// What comes late of an older snapshot, of the same leader, does not cost what is there of the newer one. Another leader's may be older.
func TestLateChunkOfAnOlderSnapshot(t *testing.T) {
	m := follower(t)
	older := func(term Term, offset, size int) *InstallSnapshot {
		msg := chunk("an older one", offset, size, false)
		msg.LastIncluded.Index, msg.Term = 5, term
		return msg
	}
	install(t, m, chunk("the state", 0, 3, false))
	if reply, _ := install(t, m, older(3, 0, 2)); reply.Offset != 0 {
		t.Errorf("of the older one offset %d is there", reply.Offset)
	}
	if reply, _ := install(t, m, chunk("the state", 0, 0, false)); reply.Offset != 3 {
		t.Errorf("of the newer one offset %d is there", reply.Offset)
	}
	m.Step(m.now, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2, LeaderCommit: 2})
	m.Flush()
	old := older(3, 0, 0)
	old.LastIncluded = Position{Index: 2, Term: 2}
	if reply, _ := install(t, m, old); !reply.Installed {
		t.Errorf("one that is here already: %+v", reply)
	}
	if reply, _ := install(t, m, chunk("the state", 0, 0, false)); reply.Offset != 3 {
		t.Errorf("after that, of the newer one offset %d is there", reply.Offset)
	}
	if reply, _ := install(t, m, older(4, 0, 2)); reply.Offset != 2 {
		t.Errorf("of the next leader's offset %d is there", reply.Offset)
	}
}

// In one batch: entries, and then a snapshot in their place.
func TestEntriesAndThenASnapshotInOneBatch(t *testing.T) {
	m := follower(t)
	m.Step(m.now, &AppendEntries{Header: Header{"n2", "n1", 3}, PrevLogIndex: 2, PrevLogTerm: 2, Entries: []Entry{{Index: 3, Term: 3}}})
	m.Step(m.now, chunk("the state", 0, 9, true))
	e := m.Flush()
	if e.Save.Snapshot == nil || len(e.Save.Entries) > 0 {
		t.Errorf("saved is %+v", e.Save)
	}
}

// A log with the default trailing part never fills up for good: there is room again after Compact.
func TestCompactMakesRoom(t *testing.T) {
	m := applied(t, 30, func(c *Config) { c.MaxLogBytes = 30 * (100 + entryOverhead) })
	if _, _, err := m.Propose(EntryCommand, make([]byte, 100)); !errors.Is(err, ErrLogFull) {
		t.Fatalf("the log is not full: %v", err)
	}
	compactAt(t, m, 30, "all")
	if _, _, err := m.Propose(EntryCommand, make([]byte, 100)); err != nil {
		t.Errorf("after Compact: %v", err)
	}
}

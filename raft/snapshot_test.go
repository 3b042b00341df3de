package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// journal is a Snapshotter: its state is what it applied.
type journal struct {
	mu        sync.Mutex
	commands  []string
	applied   Index       // of the last Apply or Restore
	captured  int         // how often Snapshot was called
	restored  []Index     // with which snapshots
	gate      chan string // if set, each encode waits for a token: "", or its error
	brokenAt  Index       // Restore fails at this index
	outOfStep error       // the first command that did not follow
}

func (j *journal) Apply(commands []Command) []any {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range commands {
		if c.Index <= j.applied && j.outOfStep == nil {
			j.outOfStep = fmt.Errorf("command %d came after index %d", c.Index, j.applied)
		}
		j.applied = c.Index
		j.commands = append(j.commands, c.Value.(string))
	}
	return make([]any, len(commands))
}

func (j *journal) Snapshot() func() ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.captured++
	commands := slices.Clip(j.commands)
	return func() ([]byte, error) {
		if j.gate != nil {
			if says := <-j.gate; says != "" {
				return nil, errors.New(says)
			}
		}
		return json.Marshal(commands)
	}
}

func (j *journal) Restore(snapshot []byte, at Index, term Term) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at == j.brokenAt {
		return errors.New("cannot read it")
	}
	j.restored = append(j.restored, at)
	j.applied = at
	j.commands = nil
	return json.Unmarshal(snapshot, &j.commands)
}

func (j *journal) state() (commands string, captured int, restored []Index) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.commands, " "), j.captured, slices.Clone(j.restored)
}

// snapshotting is a cluster of one whose journal is asked for a snapshot every ten entries.
func snapshotting(t *testing.T, j *journal, change func(*Config)) *Raft {
	t.Helper()
	r, _ := single(t, func(c *Config) {
		c.StateMachine, c.SnapshotEntries, c.SnapshotBytes, c.TrailingBytes, c.Noop = j, 10, -1, -1, false
		if change != nil {
			change(c)
		}
	})
	return r
}

// proposeN proposes n commands, named from first on, one after the other.
func proposeN(t *testing.T, r *Raft, first, n int) {
	t.Helper()
	for i := range n {
		if _, err := r.Propose(aMinute(t), fmt.Sprint(first+i)); err != nil {
			t.Fatalf("command %d: %v", first+i, err)
		}
		synctest.Wait() // a snapshot that is due is under way, or done
	}
}

// numbers are the commands of proposeN.
func numbers(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint(i+1))
	}
	return strings.Join(all, " ")
}

// The log gives way to snapshots; a server that restarts begins with the last one and applies only what is behind it.
func TestSnapshotsAreTakenAndRestored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk, j := NewMemoryPersister(), &journal{}
		r := snapshotting(t, j, func(c *Config) { c.Persister = disk })
		proposeN(t, r, 1, 25)
		if s := r.Status(); s.Snapshot.Index != 20 || s.FirstLogIndex != 21 {
			t.Errorf("the snapshot is at %d, the log begins at %d", s.Snapshot.Index, s.FirstLogIndex)
		}
		_ = r.Close()
		if saved, _ := disk.Load(); saved.Snapshot == nil || saved.Snapshot.Index != 20 || len(saved.Entries) != 5 {
			t.Errorf("the disk has %d entries behind %+v", len(saved.Entries), saved.Snapshot)
		}

		again := &journal{}
		r = snapshotting(t, again, func(c *Config) { c.Persister = disk })
		await(t, "the snapshot is restored, and behind it what was known to be committed is applied", func() bool { return r.Status().LastApplied == 24 })
		proposeN(t, r, 26, 5)
		commands, captured, restored := again.state()
		if commands != numbers(30) || !slices.Equal(restored, []Index{20}) || again.outOfStep != nil {
			t.Errorf("after the restart it has %s from snapshots %v (%v)", commands, restored, again.outOfStep)
		}
		if captured != 1 || r.Status().Snapshot.Index != 30 {
			t.Errorf("ten entries behind the restored snapshot there were %d more, the last at %d", captured, r.Status().Snapshot.Index)
		}
	})
}

// While a snapshot is encoded, commands are applied and no second one is begun; Close waits for it.
func TestEncodingHoldsUpNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{gate: make(chan string)}
		r := snapshotting(t, j, nil)
		proposeN(t, r, 1, 35)
		if commands, captured, _ := j.state(); commands != numbers(35) || captured != 1 {
			t.Errorf("it applied %s and began %d snapshots", commands, captured)
		}
		if at := r.Status().Snapshot.Index; at != 0 {
			t.Errorf("there is a snapshot at %d that was not encoded", at)
		}
		j.gate <- ""
		synctest.Wait()
		if at := r.Status().Snapshot.Index; at != 10 {
			t.Errorf("the snapshot is at %d", at)
		}
		proposeN(t, r, 36, 1) // the next one is overdue
		closed := make(chan struct{})
		go func() {
			_ = r.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for the snapshot that is being encoded")
		default:
		}
		j.gate <- ""
		<-closed
	})
}

// logSink collects what is logged.
func logSink() (hclog.Logger, *strings.Builder) {
	var text strings.Builder
	return hclog.New(&hclog.LoggerOptions{Output: &text, Level: hclog.Error}), &text
}

// A snapshot that cannot be encoded is logged, and tried again after ten more entries. The server goes on.
func TestFailingEncodeIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, text := logSink()
		j := &journal{gate: make(chan string, 10)}
		r := snapshotting(t, j, func(c *Config) { c.Logger = log })
		j.gate <- "out of ink"
		j.gate <- ""
		proposeN(t, r, 1, 19)
		if _, captured, _ := j.state(); captured != 1 || r.Status().Snapshot.Index != 0 {
			t.Errorf("%d attempts, a snapshot at %d", captured, r.Status().Snapshot.Index)
		}
		proposeN(t, r, 20, 1)
		if _, captured, _ := j.state(); captured != 2 || r.Status().Snapshot.Index != 20 {
			t.Errorf("%d attempts, a snapshot at %d", captured, r.Status().Snapshot.Index)
		}
		_ = r.Close()
		if !strings.Contains(text.String(), "out of ink") || strings.Count(text.String(), "\n") != 1 {
			t.Errorf("the log says %q", text)
		}
	})
}

// preparing is a persister that writes snapshots ahead, each when it gets a token.
type preparing struct {
	*MemoryPersister
	gate     chan error
	mu       sync.Mutex
	prepared []consensus.Position
	bare     bool // a snapshot came that was not prepared
}

func (p *preparing) PrepareSnapshot(snapshot *consensus.Snapshot) error {
	err := <-p.gate
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prepared = append(p.prepared, snapshot.Position)
	return err
}

func (p *preparing) Save(batch []consensus.Save) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, save := range batch {
		if save.Snapshot != nil && !slices.Contains(p.prepared, save.Snapshot.Position) {
			p.bare = true
		}
	}
	return p.MemoryPersister.Save(batch)
}

// A snapshot is written beside what is appended meanwhile, and comes in a Save only then. One that cannot be written is
// logged, and the next one is tried.
func TestSnapshotIsPreparedBesideSaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, text := logSink()
		disk, j := &preparing{MemoryPersister: NewMemoryPersister(), gate: make(chan error, 10)}, &journal{}
		r := snapshotting(t, j, func(c *Config) { c.Persister, c.Logger = disk, log })
		proposeN(t, r, 1, 15)
		if commands, _, _ := j.state(); commands != numbers(15) || r.Status().Snapshot.Index != 0 {
			t.Errorf("with a snapshot being written it has %s, and a snapshot at %d", commands, r.Status().Snapshot.Index)
		}
		disk.gate <- errors.New("no space left on device")
		synctest.Wait()
		proposeN(t, r, 16, 10)
		if at := r.Status().Snapshot.Index; at != 0 {
			t.Errorf("there is a snapshot at %d that could not be written", at)
		}
		disk.gate <- nil
		synctest.Wait()
		if s := r.Status(); s.Snapshot != (consensus.Position{Index: 20, Term: 1}) || s.FirstLogIndex != 21 {
			t.Errorf("the snapshot is at %v, the log begins at %d", s.Snapshot, s.FirstLogIndex)
		}
		_ = r.Close()
		if disk.bare || len(disk.prepared) != 2 || !strings.Contains(text.String(), "no space left") {
			t.Errorf("prepared: %v, saved without: %t, logged: %s", disk.prepared, disk.bare, text)
		}
	})
}

func TestFailingRestoreStopsTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := NewMemoryPersister()
		r := snapshotting(t, &journal{}, func(c *Config) { c.Persister = disk })
		proposeN(t, r, 1, 10)
		_ = r.Close()

		r = snapshotting(t, &journal{brokenAt: 10}, func(c *Config) { c.Persister = disk })
		awaitDone(t, r)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "cannot restore the snapshot at index 10: cannot read it") {
			t.Errorf("it stopped with %v", err)
		}
		_, err := New(Config{ID: "n1", Persister: disk, StateMachine: &recorder{}})
		if err == nil || !strings.Contains(err.Error(), "no method Restore") {
			t.Errorf("a state machine that cannot restore: %v", err)
		}
	})
}

// A server that was away gets a snapshot. A state machine that cannot restore it stops the server, one that can goes on.
func TestLeadersSnapshotNeedsRestore(t *testing.T) {
	chunk := &consensus.InstallSnapshot{
		Header:       consensus.Header{From: "n2", To: "n1", Term: 1},
		LastIncluded: consensus.Position{Index: 7, Term: 1}, Config: consensus.Voters("n1", "n2", "n3"), Done: true,
	}
	bubble(t, func(t *testing.T) {
		r, disk, n2 := gated(t)
		close(disk.gate)
		r.Deliver(chunk)
		awaitDone(t, r)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "no method Restore") {
			t.Errorf("it stopped with %v after %v", err, n2.take())
		}
	})
}

func TestCompact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		machine := &recorder{}
		r, _ := single(t, func(c *Config) {
			c.StateMachine, c.MaxSnapshotBytes, c.TrailingBytes = restorable{machine}, 100, -1
		})
		for i := range 9 { // behind the no-op
			if _, err := r.Propose(aMinute(t), i); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Compact(aMinute(t), 11, nil); !errors.Is(err, ErrNotApplied) || !strings.Contains(err.Error(), "11") {
			t.Errorf("beyond the log: %v", err)
		}
		if err := r.Compact(aMinute(t), 5, make([]byte, 101)); !errors.Is(err, ErrSnapshotTooLarge) {
			t.Errorf("too large: %v", err)
		}
		if err := r.Compact(aMinute(t), 5, []byte("state")); err != nil {
			t.Error(err)
		}
		if s := r.Status(); s.Snapshot.Index != 5 || s.FirstLogIndex != 6 || s.SnapshotBytes != 5 {
			t.Errorf("the status is %+v", s)
		}
		for _, stale := range []Index{5, 4, 0} {
			if err := r.Compact(aMinute(t), stale, nil); !errors.Is(err, ErrCompacted) {
				t.Errorf("at %d: %v", stale, err)
			}
		}
		_ = r.Close()
		if err := r.Compact(aMinute(t), 6, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// What is committed and waits for the state machine to apply it is not in its state yet.
func TestCompactWaitsForTheStateMachine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		r, _ := single(t, func(c *Config) { c.StateMachine, c.Noop = restorable{&recorder{gate: gate}}, false })
		defer close(gate)
		r.Start("x")
		await(t, "x is committed", func() bool { return r.Status().CommitIndex == 1 })
		if err := r.Compact(aMinute(t), 1, nil); !errors.Is(err, ErrNotApplied) {
			t.Errorf("got %v", err)
		}
	})
}

// A snapshot comes before the commands of the same delivery, which lie behind it.
func TestSnapshotComesBeforeCommands(t *testing.T) {
	j := &journal{}
	a := &applier{machine: j, growth: &growth{}}
	d := &delivery{
		restore: &consensus.Snapshot{Position: consensus.Position{Index: 2, Term: 1}, Data: []byte(`["1","2"]`)},
		entries: []consensus.Entry{{Index: 3, Term: 1, Kind: consensus.EntryValue, Data: []byte("s3")}},
	}
	if err := a.deliver(d); err != nil {
		t.Fatal(err)
	}
	if commands, _, _ := j.state(); commands != numbers(3) || j.outOfStep != nil {
		t.Errorf("it has %q (%v)", commands, j.outOfStep)
	}
}

// restorable can restore, and takes no snapshots of itself.
type restorable struct{ *recorder }

func (restorable) Restore([]byte, Index, Term) error { return nil }

// Who waits for a snapshot when the server stops is told.
func TestCloseAnswersCompact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &preparing{MemoryPersister: NewMemoryPersister(), gate: make(chan error)}
		r, _ := single(t, func(c *Config) { c.Persister, c.StateMachine = disk, restorable{&recorder{}} })
		if _, err := r.Propose(aMinute(t), "x"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range Index(2) { // one is being written, one waits
			wg.Go(func() {
				if err := r.Compact(context.Background(), i+1, nil); !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Compact(ctx, 2, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		wg.Go(func() { _ = r.Close() })
		synctest.Wait()
		disk.gate <- nil
		wg.Wait()
	})
}

// The service may call Snapshot from the goroutine that reads applyCh, whatever the server is doing: it waits for nobody.
func TestSnapshotNeverBlocks(t *testing.T) {
	r, err := New(Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: restorable{&recorder{}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		r.Snapshot(i, nil) // nothing runs yet
	}
	r.Kill()
	r.Snapshot(1, nil)
}

// The classic interface: who was away gets a snapshot on applyCh, then the commands behind it. A server that restarts gets its
// own one first. Snapshots that are too old, or of the future, change nothing.
func TestSnapshotsOnApplyChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startCluster(t, 3)
		defer c.killAll()
		leader := c.leader()
		away := (leader + 1) % 3
		c.net.setCut(c.ids[away], true)
		for i := range 20 {
			c.servers[leader].Start(i + 1)
		}
		await(t, "20 commands are applied", func() bool { return len(c.appliedBy(leader)) == 20 })
		for _, index := range []int{15, 15, 9, -1, 10000} {
			c.servers[leader].Snapshot(index, []byte("up to 15"))
		}
		synctest.Wait()
		if s := c.servers[leader].Status(); s.Snapshot.Index != 15 || s.FirstLogIndex != 16 {
			t.Errorf("the leader's snapshot is at %d, its log begins at %d", s.Snapshot.Index, s.FirstLogIndex)
		}
		c.net.setCut(c.ids[away], false)
		await(t, "all is applied", func() bool { return len(c.appliedBy(away)) == 6 })
		expectSnapshotFirst(t, c.appliedBy(away))

		c.kill(away)
		c.start(away)
		await(t, "all is applied again", func() bool { return len(c.appliedBy(away)) == 6 })
		expectSnapshotFirst(t, c.appliedBy(away))
	})
}

func expectSnapshotFirst(t *testing.T, got []ApplyMsg) {
	t.Helper()
	if m := got[0]; !m.SnapshotValid || m.CommandValid || string(m.Snapshot) != "up to 15" || m.SnapshotIndex != 15 || m.SnapshotTerm != 1 {
		t.Errorf("the first message is %+v", m)
	}
	for i, m := range got[1:] {
		if !m.CommandValid || m.SnapshotValid || m.CommandIndex != 16+i || m.Command != 16+i {
			t.Errorf("then came %+v", m)
		}
	}
}

// A cut-off leader's callers, when a snapshot comes in place of the log in which their commands would be seen.
func TestCommandsThatASnapshotCovers(t *testing.T) {
	for _, c := range []struct {
		index   Index
		term    Term
		outcome string
	}{
		{10, 3, "unknown"}, // it is the snapshot's last command: but the result is not known
		{10, 2, "replaced"},
		{9, 4, "replaced"}, // terms never decrease: an entry of term 4 cannot stand before one of term 3
		{9, 3, "unknown"},
		{9, 2, "unknown"},
		{11, 3, "waits"},
	} {
		done := newCaller()
		p := &proposal{to: done, at: place{c.index, c.term}}
		a := &applier{machine: restorable{&recorder{}}, growth: &growth{}}
		a.waiting.add(p)
		if err := a.restore(&consensus.Snapshot{Position: consensus.Position{Index: 10, Term: 3}}); err != nil {
			t.Fatal(err)
		}
		got := "waits"
		select {
		case answer := <-done:
			if got = OutcomeOf(answer.err).String(); errors.Is(answer.err, ErrReplaced) {
				got = "replaced"
			}
		default:
		}
		if got != c.outcome || a.applied.Load() != 10 {
			t.Errorf("index %d of term %d: %s, want %s; applied up to %d", c.index, c.term, got, c.outcome, a.applied.Load())
		}
	}
}

// A large state is not written again for a little log.
func TestWhenSnapshotsAreDue(t *testing.T) {
	entries := func(n int) []consensus.Entry { return make([]consensus.Entry, n) } // of 48 bytes each
	for name, c := range map[string]struct {
		entries, bytes, last, log, due int
	}{
		"entries":            {entries: 10, bytes: -1, due: 10},
		"bytes":              {entries: -1, bytes: 480, due: 10},
		"what comes first":   {entries: 20, bytes: 480, due: 10},
		"a large snapshot":   {entries: -1, bytes: 480, last: 960, log: 1 << 20, due: 20},
		"larger than logs":   {entries: -1, bytes: 480, last: 1 << 30, log: 4 * 1440, due: 30},
		"a small snapshot":   {entries: -1, bytes: 480, last: 48, log: 1 << 20, due: 10},
		"never":              {entries: -1, bytes: -1, due: -1},
		"entries as written": {entries: 10, bytes: -1, last: 1 << 30, log: 1 << 40, due: 10},
	} {
		g := newGrowth(&Config{StateMachine: &journal{}, SnapshotEntries: c.entries, SnapshotBytes: c.bytes, MaxLogBytes: c.log})
		g.lastSize.Store(int64(c.last))
		due := -1
		for i := range 100 {
			if g.count(entries(1)); g.due() {
				due = i + 1
				break
			}
		}
		if due != c.due {
			t.Errorf("%s: due after %d entries, want %d", name, due, c.due)
		}
	}
	if g := newGrowth(&Config{StateMachine: &recorder{}, SnapshotEntries: 1}); g.due() {
		t.Error("a state machine that takes no snapshots is asked for one")
	}
}

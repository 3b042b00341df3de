package wal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

const (
	killDirVariable   = "WAL_TEST_CHILD_DIR"
	killRoundVariable = "WAL_TEST_CHILD_ROUND"
	killLimitVariable = "WAL_TEST_CHILD_LIMIT" // of the size of a file; 0: none
	savesPerLife      = 50
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killDirVariable); dir != "" {
		live := child
		if name := os.Getenv(scriptVariable); name != "" {
			live = scripts[name]
		}
		if err := live(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var killOptions = Options{Cluster: "c1", Node: "n1", SegmentBytes: 64 << 10}

// child saves and says so, until it is killed.
func child(dir string) error {
	round, err := strconv.ParseUint(os.Getenv(killRoundVariable), 10, 64)
	if err != nil {
		return err
	}
	l, err := Open(dir, killOptions)
	if err != nil {
		return err
	}
	saved, err := l.Load()
	if err != nil {
		return err
	}
	limit, err := limitFiles(os.Getenv(killLimitVariable))
	if err != nil {
		return err
	}
	for i, save := range lifeOf(round, saved) {
		if save.Snapshot != nil && limit == 0 && i%2 == 0 {
			if err := l.PrepareSnapshot(save.Snapshot); err != nil {
				return err
			}
		}
		if err := l.Save([]consensus.Save{save}); errors.Is(err, syscall.EFBIG) {
			fmt.Println("failed")
			break
		} else if err != nil {
			return err
		}
		fmt.Println("acked", i)
		if i%3 == 0 {
			continue // as if the next one waited already
		}
		if err := l.Mark(); errors.Is(err, syscall.EFBIG) {
			break
		} else if err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, os.Stdin) // the parent is slow: wait for the kill
	return errors.Join(err, l.Close())
}

// limitFiles lets the kernel take only a part of the write that goes over the limit: as on a full disk.
func limitFiles(bytes string) (limit uint64, err error) {
	limit, err = strconv.ParseUint(bytes, 10, 64)
	if err != nil || limit == 0 {
		return limit, err
	}
	signal.Ignore(syscall.SIGXFSZ)
	return limit, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit})
}

// lifeOf is what the child saves in one life: always the same for the same round and start.
func lifeOf(round uint64, start consensus.Saved) []consensus.Save {
	m := &life{random: rand.New(rand.NewPCG(round, 1)), sum: start, term: start.HardState.Term + 1}
	saves := []consensus.Save{{HardState: hard(m.term, "n1")}}
	m.sum.Add(saves[0])
	for len(saves) < savesPerLife {
		var save consensus.Save
		if m.random.IntN(6) == 0 && m.last() > m.floor()+20 {
			save = m.snapshot(m.last() - 20)
		} else {
			save = m.entries()
		}
		m.sum.Add(save)
		saves = append(saves, save)
	}
	return saves
}

type life struct {
	random *rand.Rand
	sum    consensus.Saved
	term   consensus.Term
}

func (m *life) last() consensus.Index {
	return m.sum.Base.Index + consensus.Index(len(m.sum.Entries))
}

// floor is what is committed for certain.
func (m *life) floor() consensus.Index {
	if m.sum.Snapshot == nil {
		return 0
	}
	return m.sum.Snapshot.Index
}

// snapshot takes one at an entry, with a base some entries before it, or installs one that is ahead.
func (m *life) snapshot(at consensus.Index) consensus.Save {
	if m.random.IntN(4) == 0 {
		p := position(m.last()+5, m.term)
		return consensus.Save{Snapshot: snapshotAt(p.Index, p.Term), Base: p, Installed: true}
	}
	base := at - min(consensus.Index(m.random.IntN(10)), at-m.sum.Base.Index-1)
	term := func(i consensus.Index) consensus.Term { return m.sum.Entries[i-m.sum.Base.Index-1].Term }
	return consensus.Save{Snapshot: snapshotAt(at, term(at)), Base: position(base, term(base))}
}

func (m *life) entries() consensus.Save {
	last := m.last()
	first := last + 1
	if m.random.IntN(4) == 0 && last > 0 {
		// A conflict: up to four are overwritten.
		first = max(first-consensus.Index(m.random.IntN(int(min(last, 5)))), m.floor()+1)
	}
	save := consensus.Save{}
	if m.random.IntN(5) == 0 {
		m.term++
		save.HardState = hard(m.term, "n2")
	}
	n := 1 + m.random.IntN(8)
	if m.random.IntN(3) == 0 {
		n = 1 + m.random.IntN(400)
	}
	if first <= last {
		m.term++
		save.HardState = hard(m.term, "n3")
	}
	for i := range consensus.Index(n) {
		data := bytes.Repeat(fmt.Appendf(nil, "%d/%d ", first+i, m.term), 8)
		save.Entries = append(save.Entries, consensus.Entry{Index: first + i, Term: m.term, Kind: consensus.EntryCommand, Data: data})
	}
	return save
}

// A process is killed with SIGKILL, again and again, at a random one of its Saves. Each
// time the directory opens, with all that was acknowledged, and at most a part of the Save that was on its way.
func TestKill(t *testing.T) {
	const kills = 40
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 6))
	var state consensus.Saved
	var count tally
	defer count.report(t, "SIGKILLs of one log, at random")
	torn, unacked, compacted := 0, 0, 0
	for round := range uint64(kills) {
		acked := liveAndDie(t, dir, round, random.IntN(20), 0, func(int) {})
		life := lifeOf(round, state)
		count.faults++
		count.acknowledged += acked
		l := mustOpen(t, dir, killOptions)
		if l.Recovery().Repaired != nil {
			torn++
		}
		got := mustLoad(t, l)
		mustClose(t, l)
		more, found := prefixOfLife(got, state, life, acked)
		if !found {
			count.blame(got, onTop(state, life[:acked]))
			t.Fatalf("round %d, killed behind %d acknowledged Saves: got %s, want %s and perhaps a part of the next Save",
				round, acked, brief(got), brief(onTop(state, life[:acked])))
		}
		if more {
			unacked++
		}
		if segmentNames(t, dir)[0] != segmentName(1) {
			compacted++
		}
		state = got
	}
	if compacted < kills/2 {
		t.Errorf("only %d of the directories were compacted", compacted)
	}
	t.Logf("%d kills: %d torn tails were cut, %d times records that nobody acknowledged were there", kills, torn, unacked)
}

// liveAndDie starts the child, calls last and kills it when it has acknowledged more than killAt Saves, or when one
// failed at the limit, and gives how many it acknowledged.
func liveAndDie(t *testing.T, dir string, round uint64, killAt int, limit uint64, last func(pid int)) (acked int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDirVariable+"="+dir, killRoundVariable+"="+fmt.Sprint(round), killLimitVariable+"="+fmt.Sprint(limit))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// To the end: what it said before it died counts.
	for lines := bufio.NewScanner(out); lines.Scan(); {
		failed := lines.Text() == "failed"
		if !failed && lines.Text() != fmt.Sprint("acked ", acked) {
			t.Errorf("the child says %q", lines.Text())
		}
		if !failed {
			acked++
		}
		if failed || acked == killAt+1 {
			last(cmd.Process.Pid)
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the child was not killed: %v\n%s", err, stderr.String())
	}
	return acked
}

func onTop(state consensus.Saved, saves []consensus.Save) consensus.Saved {
	for _, s := range saves {
		state.Add(s)
	}
	return state
}

// prefixOfLife tells whether got is state, with all acked Saves of life and the first records of the next one; more if there are any of those.
func prefixOfLife(got, state consensus.Saved, life []consensus.Save, acked int) (more, found bool) {
	base := onTop(state, life[:acked])
	if equal(got, base) {
		return false, true
	}
	return true, acked < len(life) && isPrefixOnTop(got, base, life[acked])
}

// A write stops in the middle, as on a full disk: the Save fails, and the next process cuts off the half that
// was written.
func TestWriteThatStopsInTheMiddle(t *testing.T) {
	torn := 0
	var count tally
	for _, limit := range []uint64{1, 100, 4096, 20_000, 50_001, 60_000} {
		dir := t.TempDir()
		acked := liveAndDie(t, dir, limit, savesPerLife, limit, func(int) {})
		count.faults++
		count.acknowledged += acked
		l := mustOpen(t, dir, killOptions)
		if r := l.Recovery().Repaired; r != nil {
			torn++
		}
		got := mustLoad(t, l)
		if _, found := prefixOfLife(got, consensus.Saved{}, lifeOf(limit, consensus.Saved{}), acked); !found {
			count.blame(got, onTop(consensus.Saved{}, lifeOf(limit, consensus.Saved{})[:acked]))
			t.Errorf("limit %d, %d Saves acknowledged: got %s", limit, acked, brief(got))
		}
		mustClose(t, l)
	}
	count.report(t, "writes that stopped in the middle")
	if torn < 3 {
		t.Errorf("only %d of the writes were torn", torn)
	}
}

// The kernel lets go of the lock of a process that was killed; one that lives keeps it.
func TestLockOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	liveAndDie(t, dir, 0, 0, 0, func(pid int) {
		_, err := Open(dir, killOptions)
		if want := fmt.Sprintf("in use by process %d", pid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open beside it: %v, want %q in it", err, want)
		}
	})
	mustClose(t, mustOpen(t, dir, killOptions))
	reportCount(t, 1, "second process on a directory in use: refused, and let in when the first was killed")
}

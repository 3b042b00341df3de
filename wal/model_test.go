package wal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// model makes random Saves that a correct server could make, and keeps what they sum up to.
type model struct {
	random *rand.Rand
	sum    consensus.Saved
	commit consensus.Index
	// keepFiles lets nothing be removed, as if the crash came before: removals then lists what would have been.
	keepFiles bool
	removals  []string
}

func (m *model) open(t *testing.T, dir string) *Log {
	t.Helper()
	d := realDisk
	d.remove = func(path string) error {
		if m.keepFiles {
			m.removals = append(m.removals, path)
			return nil
		}
		return os.Remove(path)
	}
	l, err := open(dir, m.options(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (m *model) last() consensus.Index {
	return m.sum.Base.Index + consensus.Index(len(m.sum.Entries))
}

func (m *model) snapshotIndex() consensus.Index {
	if m.sum.Snapshot == nil {
		return 0
	}
	return m.sum.Snapshot.Index
}

// at is a place in the log.
func (m *model) at(i consensus.Index) consensus.Position {
	if i == m.sum.Base.Index {
		return m.sum.Base
	}
	return position(i, m.sum.Entries[i-m.sum.Base.Index-1].Term)
}

func (m *model) next() consensus.Save {
	var save consensus.Save
	h := m.sum.HardState
	switch m.random.IntN(4) {
	case 0:
		save.HardState = hard(h.Term+1+consensus.Term(m.random.IntN(3)), "")
	case 1:
		save.HardState = hard(h.Term+1, consensus.ServerID(fmt.Sprint("n", m.random.IntN(5))))
	case 2:
		if h.Term > 0 && h.VotedFor == "" {
			save.HardState = hard(h.Term, "n2")
		}
	}
	if save.HardState != nil {
		h = *save.HardState
	}
	if h.Term > 0 && m.random.IntN(4) == 0 {
		m.snapshot(&save, h.Term)
		if save.Installed {
			return save
		}
	}
	if h.Term > 0 && m.random.IntN(5) > 0 {
		// Behind the log, or in place of a part that is not committed.
		first := m.commit + 1 + consensus.Index(m.random.IntN(int(m.last()-m.commit)+1))
		if m.random.IntN(2) == 0 {
			first = m.last() + 1
		}
		save.Entries = entries(first, h.Term, m.random.IntN(30))
		for i := range save.Entries {
			if m.random.IntN(3) == 0 {
				save.Entries[i].Data = make([]byte, m.random.IntN(1500)) // zeros: the hard case for repairs
			}
		}
	}
	last := m.last()
	if n := len(save.Entries); n > 0 {
		last = save.Entries[n-1].Index
	}
	save.Commit = m.commit + consensus.Index(m.random.IntN(int(last-m.commit)+1))
	return save
}

// snapshot puts one into the save: of what is committed, or one from a leader that is ahead.
func (m *model) snapshot(save *consensus.Save, term consensus.Term) {
	if m.random.IntN(5) == 0 {
		at := position(max(m.commit, m.snapshotIndex())+1+consensus.Index(m.random.IntN(40)), term)
		save.Snapshot, save.Base, save.Installed, save.Commit = snapshotAt(at.Index, at.Term), at, true, at.Index
		return
	}
	if m.commit <= m.snapshotIndex() {
		return
	}
	at := m.at(m.snapshotIndex() + 1 + consensus.Index(m.random.IntN(int(m.commit-m.snapshotIndex()))))
	base := m.at(m.sum.Base.Index + consensus.Index(m.random.IntN(int(at.Index-m.sum.Base.Index)+1)))
	save.Snapshot, save.Base = snapshotAt(at.Index, at.Term), base
}

func (m *model) apply(saves ...consensus.Save) {
	m.sum = onTop(m.sum, saves)
	for _, s := range saves {
		m.commit = max(m.commit, s.Commit, m.snapshotIndex())
	}
}

// Random lives: each Save is acknowledged, or the crash comes first, and leaves any prefix of the bytes
// that it wrote. The log must be the model's, with the records that are whole in that prefix.
func TestModel(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := &model{random: rand.New(rand.NewPCG(seed, 7))}
			dir := t.TempDir()
			l := m.open(t, dir)
			for range 25 {
				before := m.sum
				batch := m.batch()
				if m.random.IntN(4) > 0 {
					m.save(t, l, batch)
					continue
				}
				m.crash(t, dir, l, batch, before)
				l = m.open(t, dir)
				got := mustLoad(t, l)
				if !equal(got, m.sum) {
					t.Fatalf("after the crash: got %s, want %s", brief(got), brief(m.sum))
				}
			}
			mustClose(t, l)
			checkSaved(t, reopened(t, dir), m.sum)
		})
	}
}

func (m *model) options() Options {
	return Options{Cluster: "c1", Node: "n1", SegmentBytes: minSegmentBytes + m.random.IntN(10000)}
}

// batch gives some Saves and applies them.
func (m *model) batch() []consensus.Save {
	var batch []consensus.Save
	for range 1 + m.random.IntN(3) {
		save := m.next()
		m.apply(save)
		batch = append(batch, save)
	}
	return batch
}

// save is followed by a mark, as when there is nothing more to do, or not.
func (m *model) save(t *testing.T, l *Log, batch []consensus.Save) {
	t.Helper()
	if m.random.IntN(2) == 0 {
		mustSave(t, l, batch...)
	} else if err := l.Save(batch); err != nil {
		t.Fatalf("save: %v", err)
	}
}

// crash saves the batch, and then leaves only a prefix of what that wrote, as if the crash had come before
// it was done. The model's sum becomes what the prefix holds.
func (m *model) crash(t *testing.T, dir string, l *Log, batch []consensus.Save, sum consensus.Saved) {
	before := records(t, dir)
	newest := files(t, dir)[newestName]
	m.keepFiles, m.removals = true, nil
	m.save(t, l, batch)
	m.keepFiles = false
	abandon(t, l)
	after := records(t, dir)
	// A place in the records of the batch; the last of them may stay whole.
	cut := len(before) + m.random.IntN(len(after)-len(before)+1)
	for cut < len(after) && after[cut-1].Seq == after[cut].Seq {
		cut-- // a record of several entries is there as a whole or not at all
	}
	m.sum = statesOnTop(sum, after[len(before):])[cut-len(before)]
	m.commit = m.snapshotIndex()
	for _, r := range after[:cut] {
		m.commit = max(m.commit, r.Commit)
	}
	if cut == len(after) {
		m.removeSome(t)
		return
	}
	torn := after[cut]
	if err := os.Truncate(filepath.Join(dir, torn.File), torn.Offset+m.random.Int64N(torn.Bytes)); err != nil {
		t.Fatal(err)
	}
	for name := range files(t, dir) {
		if len(name) == 20 && name > torn.File {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The crash came before a new segment was announced.
	if newest != nil {
		writeTestFile(t, dir, newestName, newest)
	}
}

// removeSome does any of the removals of a compaction: no fsync puts them into an order.
func (m *model) removeSome(t *testing.T) {
	for _, path := range m.removals {
		if m.random.IntN(2) == 0 {
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

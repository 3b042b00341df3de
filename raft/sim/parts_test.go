package sim

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Events come out in the order of their times, and those of one time in the order in which they were planned.
func TestQueue(t *testing.T) {
	chance := newStream(1, forPlan, 0)
	var q queue
	var want []event
	for i := range 5000 {
		e := event{at: int64(chance.below(50)), number: uint64(i)}
		q.push(e)
		want = append(want, e)
		if i%3 == 2 {
			i := slices.Index(want, minEvent(want))
			if got := q.pop(); got != want[i] {
				t.Fatalf("got %v, want %v", got, want[i])
			}
			want = slices.Delete(want, i, i+1)
		}
	}
	slices.SortFunc(want, func(a, b event) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
	for i := range want {
		if got := q.pop(); got != want[i] {
			t.Fatalf("event %d: got %v, want %v", i, got, want[i])
		}
	}
}

func minEvent(events []event) event {
	return slices.MinFunc(events, func(a, b event) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
}

// Clocks: when is the first moment at which local shows a time.
func TestClock(t *testing.T) {
	for _, rate := range []int64{1, 800, 999, 1000, 1001, 1200, 50_000} {
		c := clock{rate: rate, shown: 7 * time.Second}
		c.change(12_345, rate, time.Second)
		for _, local := range []time.Duration{0, 8 * time.Second, 8*time.Second + 1, 9 * time.Second, time.Minute + 17} {
			at := c.when(local)
			if c.local(at) < local || at > c.since && c.local(at-1) >= local {
				t.Errorf("rate %d: %v is shown first at %d, where it is %v, and %v just before", rate, local, at, c.local(at), c.local(at-1))
			}
		}
	}
}

// An image of a disk is the sum of its Saves, as consensus.Saved has it.
func TestImageIsTheSumOfSaves(t *testing.T) {
	founders := consensus.Voters("n1", "n2", "n3")
	for seed := range uint64(50) {
		chance := newStream(seed, forPlan, 0)
		d, sum := newImage(founders, true), consensus.Saved{}
		term := consensus.Term(1)
		for range 40 {
			save := anySave(&chance, &d, &term, founders)
			sum.Add(save)
			if save.HardState != nil {
				d.hard = *save.HardState
			}
			if save.Snapshot != nil {
				d.setSnapshot(&save, 0)
			}
			if len(save.Entries) > 0 {
				if first := uint64(save.Entries[0].Index); first <= d.last() {
					d.truncate(first)
				}
				for i := range save.Entries {
					d.append(&save.Entries[i], link{term: uint64(save.Entries[i].Term)})
				}
			}
			got := d.saved()
			if got.HardState != sum.HardState || got.Base != sum.Base || got.Snapshot != sum.Snapshot || len(got.Entries) != len(sum.Entries) ||
				len(got.Entries) > 0 && !reflect.DeepEqual(got.Entries, sum.Entries) {
				t.Fatalf("seed %d: the image has %+v, the sum is %+v", seed, got, sum)
			}
		}
	}
}

// anySave is a Save that could follow: a hard state, a snapshot of the log or in place of it, entries anywhere behind what is applied.
func anySave(chance *stream, d *image, term *consensus.Term, config consensus.Configuration) (save consensus.Save) {
	if chance.chance(300) {
		*term++
		save.HardState = &consensus.HardState{Term: *term, VotedFor: "n2"}
	}
	low, last := uint64(d.base.Index), d.last()
	if d.snapshot != nil {
		low = uint64(d.snapshot.Index)
	}
	position := func(i uint64) consensus.Position {
		l, _ := d.at(i)
		return consensus.Position{Index: consensus.Index(i), Term: consensus.Term(l.term)}
	}
	switch {
	case chance.chance(150) && last > low:
		at := low + 1 + uint64(chance.below(int(last-low)))
		base := uint64(d.base.Index) + uint64(chance.below(int(at-uint64(d.base.Index))+1))
		save.Snapshot, save.Base = &consensus.Snapshot{Position: position(at), Config: config}, position(base)
		low = at
	case chance.chance(80):
		at := consensus.Position{Index: consensus.Index(last + 1 + uint64(chance.below(5))), Term: *term}
		save.Snapshot, save.Base, save.Installed = &consensus.Snapshot{Position: at, Config: config}, at, true
		low, last = uint64(at.Index), uint64(at.Index)
	}
	if chance.chance(700) {
		first := low + 1 + uint64(chance.below(int(last-low)+1))
		for i := range uint64(1 + chance.below(4)) {
			save.Entries = append(save.Entries, consensus.Entry{Index: consensus.Index(first + i), Term: *term, Kind: consensus.EntryCommand})
		}
	}
	return save
}

// A Save that was torn is a prefix: the hard state, then the snapshot, then the entries.
func TestPartsOfASave(t *testing.T) {
	whole := consensus.Save{
		HardState: &consensus.HardState{Term: 2}, Snapshot: &consensus.Snapshot{}, Entries: make([]consensus.Entry, 2), Commit: 3,
	}
	for parts, want := range [][3]int{{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 1, 2}, {1, 1, 2}} {
		p := partOf(whole, parts)
		got := [3]int{0, 0, len(p.Entries)}
		if p.HardState != nil {
			got[0] = 1
		}
		if p.Snapshot != nil {
			got[1] = 1
		}
		if got != want {
			t.Errorf("%d parts: hard state, snapshot, entries are %v, want %v", parts, got, want)
		}
	}
}

// The store restores what it gave, and its digest tells states apart.
func TestStoreSnapshots(t *testing.T) {
	a, b := NewStore(), NewStore()
	for i := range uint64(200) {
		c := command{client: i % 7, seq: i, op: "pac"[i%3], key: []byte{'a' + byte(i%5)}, expected: []byte("x"), value: []byte("x")}
		a.Apply(i+1, c.encode())
		if err := b.Restore(a.Snapshot()); err != nil || b.Digest() != a.Digest() {
			t.Fatalf("after %d commands: digest %x becomes %x, error %v", i+1, a.Digest(), b.Digest(), err)
		}
		again := a.Apply(i+2, c.encode())
		if string(again) != string(b.Apply(i+2, c.encode())) || resultIndex(again) != i+1 || a.Digest() != b.Digest() {
			t.Fatalf("a repeat of command %d gives %x, and changes the digest %x to %x", i, again, b.Digest(), a.Digest())
		}
	}
	snapshot := a.Snapshot()
	for _, bad := range [][]byte{nil, snapshot[:len(snapshot)-1], append(slices.Clone(snapshot), 0)} {
		if b.Restore(bad) == nil {
			t.Errorf("a snapshot of %d bytes is taken, the right one has %d", len(bad), len(snapshot))
		}
	}
	if got := a.Apply(999, []byte("?")); got[0] != statusBad {
		t.Errorf("a command that is none gives %q", got)
	}
}

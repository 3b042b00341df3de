package raft

import (
	"slices"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// countingDisk remembers how many Saves each batch had.
type countingDisk struct {
	*MemoryPersister
	batches []int
}

func (d *countingDisk) Save(batch []consensus.Save) error {
	d.batches = append(d.batches, len(batch))
	return nil
}

func entriesOf(bytes int) work {
	return work{save: consensus.Save{Entries: []consensus.Entry{{Data: make([]byte, bytes)}}}}
}

// A lot that waits is written in pieces, so that a disk that works is seen to work.
func TestSavesAreBounded(t *testing.T) {
	for _, c := range []struct {
		works []int // bytes
		want  []int // works in each batch
	}{
		{[]int{1, 1, 1}, []int{3}},
		{[]int{maxSaveBytes, 1, maxSaveBytes / 2, maxSaveBytes / 2, 1}, []int{1, 2, 2}},
		{[]int{2 * maxSaveBytes, 2 * maxSaveBytes}, []int{1, 1}},
	} {
		var works []work
		for _, bytes := range c.works {
			works = append(works, entriesOf(bytes))
		}
		var got []int
		for len(works) > 0 {
			n := batch(works)
			got, works = append(got, n), works[n:]
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: batches of %v works, want %v", c.works, got, c.want)
		}
	}
}

// Who waits for the disk hears of each batch, when it is on stable storage.
func TestTheSaverTellsWhenTheDiskIsDone(t *testing.T) {
	disk := &countingDisk{}
	s := &saver{persister: disk, release: func([]Message) {}, queue: newQueue[work]()}
	var told [][2]int // how many works waited, and how many batches were written
	s.saved = func() { told = append(told, [2]int{int(s.waiting.Load()), len(disk.batches)}) }
	works := []work{entriesOf(maxSaveBytes), entriesOf(1), {}, entriesOf(1)}
	for _, w := range works {
		s.waiting.Add(1)
		s.queue.put(w)
	}
	for len(works) > 0 {
		n := batch(works)
		if err := s.save(works[:n]); err != nil {
			t.Fatal(err)
		}
		works = works[n:]
	}
	if want := [][2]int{{3, 1}, {0, 2}}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	if !slices.Equal(disk.batches, []int{1, 2}) {
		t.Errorf("batches of %v Saves", disk.batches)
	}
}

// Of acknowledgements that leave together the last says it all; but none is dropped that says more, or something else.
func TestAcknowledgementsAreJoined(t *testing.T) {
	ack := func(to ServerID, match Index, round uint64) *consensus.AppendEntriesReply {
		return &consensus.AppendEntriesReply{Header: consensus.Header{From: "n2", To: to, Term: 1}, Success: true, MatchIndex: match, Round: round}
	}
	refusal := ack("n1", 0, 1)
	refusal.Success = false
	vote := &consensus.RequestVoteReply{}
	a, b, c, d, e, f := ack("n1", 5, 1), ack("n1", 7, 1), ack("n1", 6, 2), ack("n1", 8, 1), ack("n3", 9, 2), ack("n1", 8, 2)
	own := ack("n2", 5, 1) // the module counts what comes back to itself
	got := promises([]work{{after: []Message{a, b}}, {}, {after: []Message{c}}, {after: []Message{d, refusal}}, {after: []Message{a, vote, f, e, e}}, {after: []Message{own, own}}})
	if want := []Message{b, c, d, refusal, a, vote, f, e, own, own}; !slices.Equal(got, want) {
		t.Errorf("%d messages leave: %v, want %v", len(got), got, want)
	}
}

// The module counts what it promised itself: an acknowledgement that did not come back would look like a disk that hangs.
func TestAcknowledgementsToOneselfAreNotJoined(t *testing.T) {
	var own []Message
	var works []work
	for i := range 3 {
		own = append(own, &consensus.AppendEntriesReply{Header: consensus.Header{From: "n2", To: "n2", Term: 1}, Success: true, MatchIndex: Index(i + 1)})
		works = append(works, work{after: own[i : i+1]})
	}
	if got := promises(works); !slices.Equal(got, own) {
		t.Errorf("%d messages leave: %v, want %v", len(got), got, own)
	}
}

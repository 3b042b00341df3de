package raft

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/raftnode/raft/raft/consensus"
)

// slowDisk is a Persister with a mark. It says what begins, and then waits for a token.
type slowDisk struct {
	*MemoryPersister
	begun []string
	gate  chan error
}

func (d *slowDisk) do(what string) error {
	d.begun = append(d.begun, what)
	return <-d.gate
}

func (d *slowDisk) Save([]consensus.Save) error { return d.do("save") }
func (d *slowDisk) Mark() error                 { return d.do("mark") }

// step gives the saver some works, lets go what the disk does, and gives what was begun or left since.
func (d *slowDisk) step(s *saver, works ...work) []string {
	d.begun = nil
	for _, w := range works {
		s.submit(w)
	}
	if len(works) == 0 {
		d.gate <- nil
	}
	synctest.Wait()
	return d.begun
}

// Nobody waits for the mark: promises leave before it, and there is none while another Save waits, whose records say the same.
func TestTheMarkIsBehindThePromises(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &slowDisk{gate: make(chan error)}
		s := &saver{persister: disk, mark: disk.Mark, saved: func() {}, queue: newQueue[work](), stop: t.Context().Done()}
		s.release = func(promises []Message) { disk.begun = append(disk.begun, slices.Repeat([]string{"promise"}, len(promises))...) }
		ended := make(chan error)
		go func() { ended <- s.run() }()
		save := work{consensus.Save{HardState: &consensus.HardState{Term: 1}}, []Message{nil}}
		promise := work{after: []Message{nil}}
		for i, step := range []struct {
			works []work
			want  []string
		}{
			{[]work{save}, []string{"save"}},
			{[]work{save, promise}, nil}, // they wait
			{nil, []string{"promise", "save"}},
			{nil, []string{"promise", "promise", "mark"}},
			{[]work{promise}, []string{"promise"}}, // it rests on what was saved, not on the mark
			{[]work{save}, nil},
			{nil, []string{"save"}},
			{[]work{promise}, nil},
			{nil, []string{"promise", "promise", "mark"}},
		} {
			if got := disk.step(s, step.works...); !slices.Equal(got, step.want) {
				t.Fatalf("step %d: it did %q, want %q", i, got, step.want)
			}
		}
		disk.gate <- errors.New("input/output error")
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "cannot mark") {
			t.Errorf("it ended with %v", err)
		}
	})
}

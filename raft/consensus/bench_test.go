package consensus

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkReplicate measures what the algorithm itself costs: five modules, with nothing between them, replicate and commit one
// command of 128 bytes after the other, or in batches. An event is one call of Step.
func BenchmarkReplicate(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("5nodes/batch%d", batch), func(b *testing.B) {
			w := newWire(b, 5)
			data := make([]byte, 128)
			b.ReportAllocs()
			events := w.events
			for b.Loop() {
				for range batch {
					if _, _, err := w.modules[0].Propose(EntryCommand, data); err != nil {
						b.Fatal(err)
					}
				}
				w.run(0)
				if w.modules[0].log.bytes > 1<<20 {
					w.compact(b)
				}
			}
			b.ReportMetric(float64(w.events-events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// wire joins modules by nothing but a queue.
type wire struct {
	modules []*Module
	place   map[ServerID]int
	queue   []Message
	now     time.Duration
	events  int
}

func newWire(b *testing.B, n int) *wire {
	w := &wire{place: map[ServerID]int{}}
	var ids []ServerID
	for i := range n {
		ids = append(ids, ServerID(fmt.Sprintf("n%d", i+1)))
		w.place[ids[i]] = i
	}
	for _, id := range ids {
		m, err := Restart(0, Config{
			ID: id, Founders: Voters(ids...), HeartbeatInterval: testHeartbeat, ElectionTimeout: testTimeout,
			Rand: func() uint64 { return 0 }, Noop: true, PreVote: true, CheckQuorum: true, TrailingBytes: -1,
		}, Saved{})
		if err != nil {
			b.Fatal(err)
		}
		w.modules = append(w.modules, m)
	}
	w.now = w.modules[0].Deadline()
	w.modules[0].Tick(w.now)
	w.run(0)
	if w.modules[0].role != Leader {
		b.Fatal("nobody leads")
	}
	return w
}

// run flushes a module, and then everybody, until nothing is under way.
func (w *wire) run(i int) {
	w.flush(i)
	for next := 0; next < len(w.queue); next++ {
		msg := w.queue[next]
		to := w.place[msg.Head().To]
		w.events++
		w.modules[to].Step(w.now, msg)
		w.flush(to)
	}
	w.queue = w.queue[:0]
}

func (w *wire) flush(i int) {
	e := w.modules[i].Flush()
	w.queue = append(append(w.queue, e.Send...), e.AfterSave...)
}

func (w *wire) compact(b *testing.B) {
	w.now += testHeartbeat
	w.modules[0].Tick(w.now) // tells the others what is committed
	w.run(0)
	for _, m := range w.modules {
		snapshot, err := m.Snapshot(m.lastApplied, nil)
		if err == nil {
			err = m.Compact(snapshot)
		}
		if err != nil {
			b.Fatal(err)
		}
		m.Flush()
	}
}

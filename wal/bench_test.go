package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	tidwall "github.com/tidwall/wal"

	"github.com/raftnode/raft/raft/consensus"
)

var batchSizes = []int{1, 16, 64, 256, 4096}

const benchDataBytes = 128

// BenchmarkAppend: one group commit of n entries of 128 bytes, in turn by a Log, by write(2) and fdatasync(2) of as many bytes, which
// is what the device can do, and by tidwall/wal alone with an fsync. They take turns so that what else the machine does
// hits all alike. The times are medians, wal/bare and wal/tidwall are ratios of means over the whole run: the mean has the ends of segments in it.
func BenchmarkAppend(b *testing.B) {
	for _, n := range batchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ours, mark := appendToLog(b, n)
			rivals := []func(){ours, appendBare(b, n), appendToTidwall(b, n)}
			took := make([][]time.Duration, len(rivals))
			b.SetBytes(int64(n * benchDataBytes))
			for b.Loop() {
				for i, rival := range rivals {
					began := time.Now()
					rival()
					took[i] = append(took[i], time.Since(began))
				}
				mark() // for which nobody waits
			}
			for i, unit := range []string{"wal-µs", "bare-µs", "tidwall-µs"} {
				slices.Sort(took[i])
				b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds()), unit)
			}
			b.ReportMetric(trimmedSum(took[0])/trimmedSum(took[1]), "wal/bare")
			b.ReportMetric(trimmedSum(took[0])/trimmedSum(took[2]), "wal/tidwall")
			b.ReportMetric(float64(n)*float64(len(took[0]))/trimmedSum(took[0])*1e9, "entries/s")
		})
	}
}

// trimmedSum is the sum of what was measured, without the longest hundredth: there other processes were waited for.
func trimmedSum(took []time.Duration) (sum float64) {
	for _, d := range took[:len(took)-len(took)/100] {
		sum += float64(d)
	}
	return sum
}

func appendToLog(b *testing.B, n int) (save, mark func()) {
	l := mustOpen(b, b.TempDir(), Options{Cluster: "c1", Node: "n1"})
	mustSave(b, l, consensus.Save{HardState: hard(1, "n1")})
	batch := []consensus.Save{{Entries: benchEntries(n)}}
	save = func() {
		if err := l.Save(batch); err != nil {
			b.Fatal(err)
		}
	}
	mark = func() {
		if err := l.Mark(); err != nil {
			b.Fatal(err)
		}
		for i := range batch[0].Entries {
			batch[0].Entries[i].Index += consensus.Index(n)
		}
	}
	return save, mark
}

func appendBare(b *testing.B, n int) func() {
	f, err := os.OpenFile(filepath.Join(b.TempDir(), "bare"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	data := make([]byte, n*(benchDataBytes+16))
	return func() {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}

func appendToTidwall(b *testing.B, n int) func() {
	l, err := tidwall.Open(b.TempDir(), &tidwall.Options{SegmentSize: defaultSegmentBytes})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	data := make([]byte, benchDataBytes+16)
	batch, last := new(tidwall.Batch), uint64(0)
	return func() {
		for range n {
			last++
			batch.Write(last, data)
		}
		if err := l.WriteBatch(batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVote: a change of term and vote, which is one fsync, beside one of bare write and fdatasync.
func BenchmarkVote(b *testing.B) {
	l := mustOpen(b, b.TempDir(), Options{Cluster: "c1", Node: "n1"})
	bare := appendBare(b, 1)
	var took, bareTook []time.Duration
	for term := consensus.Term(1); b.Loop(); term++ {
		began := time.Now()
		if err := l.Save([]consensus.Save{{HardState: hard(term, "n2")}}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		began = time.Now()
		bare()
		bareTook = append(bareTook, time.Since(began))
	}
	slices.Sort(took)
	slices.Sort(bareTook)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "wal-µs")
	b.ReportMetric(float64(bareTook[len(bareTook)/2].Microseconds()), "bare-µs")
}

// BenchmarkOpen: recovery of a million entries of 128 bytes.
func BenchmarkOpen(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	l := mustOpen(b, dir, Options{Cluster: "c1", Node: "n1"})
	mustSave(b, l, consensus.Save{HardState: hard(1, "n1"), Entries: benchEntries(n)})
	mustClose(b, l)
	b.ReportAllocs()
	for b.Loop() {
		l := mustOpen(b, dir, Options{Cluster: "c1", Node: "n1"})
		if got := len(mustLoad(b, l).Entries); got != n {
			b.Fatalf("%d entries", got)
		}
		mustClose(b, l)
	}
}

func benchEntries(n int) []consensus.Entry {
	made := make([]consensus.Entry, n)
	for i := range made {
		made[i] = consensus.Entry{Index: consensus.Index(i + 1), Term: 1, Kind: consensus.EntryCommand, Data: make([]byte, benchDataBytes)}
	}
	return made
}

// BenchmarkPrepareSnapshot: a snapshot file of 64 MiB, with nothing beside it.
func BenchmarkPrepareSnapshot(b *testing.B) {
	l := mustOpen(b, b.TempDir(), Options{Cluster: "c1", Node: "n1"})
	s := consensus.Snapshot{Config: consensus.Voters("n1", "n2", "n3"), Data: make([]byte, 64<<20)}
	b.SetBytes(int64(len(s.Data)))
	for b.Loop() {
		s.Index++
		next := s
		if err := l.PrepareSnapshot(&next); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := os.Remove(filepath.Join(l.dir, snapshotName(s.Position))); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkStall: the longest Save of one entry while a snapshot of 64 MiB is taken: written by the Save that names it,
// or prepared beside the Saves.
func BenchmarkStall(b *testing.B) {
	for _, prepared := range []bool{false, true} {
		b.Run(fmt.Sprint("prepared=", prepared), func(b *testing.B) {
			var longest, typical time.Duration
			for b.Loop() {
				l := mustOpen(b, b.TempDir(), Options{Cluster: "c1", Node: "n1"})
				most, median := stall(b, l, prepared)
				longest, typical = max(longest, most), max(typical, median)
				mustClose(b, l)
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
			b.ReportMetric(float64(typical.Microseconds())/1000, "median-ms")
		})
	}
}

// stall measures the Saves during and at the end of a snapshot, which drops 64 MiB of log.
func stall(b *testing.B, l *Log, prepared bool) (longest, median time.Duration) {
	const n = 500_000
	mustSave(b, l, consensus.Save{HardState: hard(1, "n1"), Entries: benchEntries(n), Commit: n})
	save := consensus.Save{Snapshot: &consensus.Snapshot{Position: position(n-100, 1), Data: make([]byte, 64<<20)}, Base: position(n-200, 1)}
	done := make(chan error, 1)
	if prepared {
		go func() { done <- l.PrepareSnapshot(save.Snapshot) }()
	} else {
		done <- nil
	}
	var took []time.Duration
	last := consensus.Index(n)
	for finished := false; !finished; {
		batch := []consensus.Save{{Entries: entries(last+1, 1, 1)}}
		last++
		select {
		case err := <-done:
			if err != nil {
				b.Fatal(err)
			}
			batch, finished = append(batch, save), true
		default:
		}
		began := time.Now()
		mustSave(b, l, batch...)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)-1], took[len(took)/2]
}

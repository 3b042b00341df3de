package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

var batchSizes = []int{1, 16, 64, 256, 4096}

const benchDataBytes = 128

// BenchmarkSave: one group commit of n entries of 128 bytes.
func BenchmarkSave(b *testing.B) {
	for _, n := range batchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := mustOpen(b, b.TempDir(), Options{Cluster: "c1", Node: "n1"})
			mustSave(b, l, consensus.Save{HardState: hard(1, "n1")})
			save := []consensus.Save{{Entries: benchEntries(n)}}
			b.SetBytes(int64(n * benchDataBytes))
			for b.Loop() {
				if err := l.Save(save); err != nil {
					b.Fatal(err)
				}
				for i := range save[0].Entries {
					save[0].Entries[i].Index += consensus.Index(n)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkBareWrite: the same bytes with write(2) and fsync(2) alone: what the device can do.
func BenchmarkBareWrite(b *testing.B) {
	for _, n := range batchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f, err := os.OpenFile(filepath.Join(b.TempDir(), "bare"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			data := make([]byte, n*(benchDataBytes+16))
			b.SetBytes(int64(n * benchDataBytes))
			for b.Loop() {
				if _, err := f.Write(data); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkOpen: recovery of 100,000 entries of 128 bytes.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
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

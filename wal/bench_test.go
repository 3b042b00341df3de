package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

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

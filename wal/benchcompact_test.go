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

const (
	compactRounds  = 8
	compactEntries = 500_000 // of 128 bytes: 17 segments
)

// BenchmarkCompaction: how long the append of one entry takes that has to wait for a compaction of 64 MiB and more of log. In turn: a Save that
// names a snapshot whose file is there; tidwall/wal's TruncateFront and Write; the unlink of as many files, a write and an fdatasync.
func BenchmarkCompaction(b *testing.B) {
	names := []string{"wal", "tidwall", "bare"}
	took := make([][]time.Duration, len(names))
	for b.Loop() {
		for range compactRounds {
			for i, prepare := range []func(b *testing.B, dir string) (compact, done func()){compactLog, compactTidwall, compactBare} {
				dir := filepath.Join(b.TempDir(), "log")
				compact, done := prepare(b, dir)
				began := time.Now()
				compact()
				took[i] = append(took[i], time.Since(began))
				done()
				if err := os.RemoveAll(dir); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for i, name := range names {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds())/1000, name+"-median-ms")
		b.ReportMetric(float64(took[i][len(took[i])-1].Microseconds())/1000, name+"-longest-ms")
	}
}

func compactLog(b *testing.B, dir string) (compact, done func()) {
	l := mustOpen(b, dir, Options{Cluster: "c1", Node: "n1"})
	mustSave(b, l, consensus.Save{HardState: hard(1, "n1"), Entries: benchEntries(compactEntries), Commit: compactEntries})
	save := consensus.Save{
		Snapshot: &consensus.Snapshot{Position: position(compactEntries-100, 1), Data: make([]byte, 1<<10)}, Base: position(compactEntries-200, 1),
		Entries: entries(compactEntries+1, 1, 1),
	}
	if err := l.PrepareSnapshot(save.Snapshot); err != nil {
		b.Fatal(err)
	}
	before := len(l.spans)
	return func() { mustSave(b, l, save) }, func() {
		if len(l.spans) > 2 || before < 16 {
			b.Fatalf("%d of %d segments remain", len(l.spans), before)
		}
		mustClose(b, l)
	}
}

func compactTidwall(b *testing.B, dir string) (compact, done func()) {
	l, err := tidwall.Open(dir, &tidwall.Options{SegmentSize: defaultSegmentBytes})
	if err != nil {
		b.Fatal(err)
	}
	batch, data := new(tidwall.Batch), make([]byte, benchDataBytes+16)
	for i := range uint64(compactEntries) {
		if batch.Write(i+1, data); i%4096 == 0 || i == compactEntries-1 {
			if err := l.WriteBatch(batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	return func() {
			if err := l.TruncateFront(compactEntries - 200); err != nil {
				b.Fatal(err)
			}
			if err := l.Write(compactEntries+1, data); err != nil {
				b.Fatal(err)
			}
		}, func() {
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		}
}

func compactBare(b *testing.B, dir string) (compact, done func()) {
	if err := os.Mkdir(dir, dirMode); err != nil {
		b.Fatal(err)
	}
	var files []*os.File
	for i := range compactEntries * (benchDataBytes + 16) / defaultSegmentBytes {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(i)), os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = f.Write(make([]byte, defaultSegmentBytes)); err == nil {
			err = f.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, f)
	}
	last := files[len(files)-1]
	for _, f := range files[:len(files)-1] {
		_ = f.Close()
	}
	return func() {
		for _, f := range files[:len(files)-1] {
			if err := os.Remove(f.Name()); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := last.Write(make([]byte, benchDataBytes+16)); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(last.Fd())); err != nil {
			b.Fatal(err)
		}
	}, func() { _ = last.Close() }
}

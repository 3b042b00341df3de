package main

import (
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"

	"github.com/raftnode/raft/scripts/bench/raw"
)

// However a stream is cut, each piece tells the last batch that ended in it.
func TestBatchesInAStreamThatComesInPieces(t *testing.T) {
	var stream []byte
	ends := map[int]uint64{} // offset to number
	for number := range uint64(200) {
		requests := make([]raw.Request, 1+rand.IntN(3))
		for i := range requests {
			requests[i].Command = make([]byte, rand.IntN(50))
		}
		stream = append(stream, encode(nil, number+1, requests)...)
		ends[len(stream)] = number + 1
	}
	for range 100 {
		var p parser
		for at := 0; at < len(stream); {
			next := min(len(stream), at+1+rand.IntN(150))
			want := uint64(0)
			for i := at + 1; i <= next; i++ {
				want = max(want, ends[i])
			}
			if got, ended := p.feed(stream[at:next]); got != want || ended != (want != 0) {
				t.Fatalf("the bytes from %d to %d end batch %d, %t; want %d", at, next, got, ended, want)
			}
			at = next
		}
	}
}

// A write is answered when two of three have it, not before, and whoever they are.
func TestAMajorityAnswers(t *testing.T) {
	for _, acknowledge := range [][2]int{{0, 1}, {1, 2}, {2, 0}} {
		l := &leader{store: raw.NewStore(), onDisk: make([]uint64, 3), batches: []batch{{number: 1}, {number: 2}}}
		l.acknowledged(acknowledge[0], 2)
		if len(l.batches) != 2 {
			t.Errorf("one of three is enough")
		}
		l.acknowledged(acknowledge[1], 1)
		if len(l.batches) != 1 || l.batches[0].number != 2 {
			t.Errorf("%v acknowledged batch 1: %d wait", acknowledge, len(l.batches))
		}
	}
}

func TestTheDiskAllocatesAhead(t *testing.T) {
	d, err := create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.file.Close()
	for range 2 {
		if err := d.append([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 20)
	if _, err := d.file.ReadAt(got, 0); err != nil || string(got) != "01234567890123456789" || d.allocated != chunkBytes {
		t.Errorf("%v, %q, %d allocated", err, got, d.allocated)
	}
}

func TestAFollowerAcknowledgesWhatIsOnDisk(t *testing.T) {
	d, err := create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.file.Close()
	leader, follower := net.Pipe()
	defer leader.Close()
	go keep(follower, d)
	out := encode(nil, 7, []raw.Request{{Command: []byte("command")}})
	if _, err := leader.Write(out); err != nil {
		t.Fatal(err)
	}
	var number [8]byte
	if _, err := leader.Read(number[:]); err != nil || number[0] != 7 {
		t.Fatalf("%v, %v", number, err)
	}
	kept := make([]byte, len(out))
	if _, err := d.file.ReadAt(kept, 0); err != nil || string(kept) != string(out) {
		t.Errorf("%v: on disk is %q", err, kept)
	}
}

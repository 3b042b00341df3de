package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"reflect"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// chunkReader gives its bytes in pieces whose sizes the fuzzer chooses.
type chunkReader struct {
	data, sizes []byte
	next        int
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	size := len(r.data)
	if len(r.sizes) > 0 {
		size = int(r.sizes[r.next%len(r.sizes)])%32 + 1
		r.next++
	}
	n := copy(p, r.data[:min(size, len(r.data))])
	r.data = r.data[n:]
	return n, nil
}

// Whatever comes, in whatever pieces: the reader ends with an error, the pieces do not matter,
// and what it takes is what appending frames would have made.
func FuzzFrames(f *testing.F) {
	good := append(frame(KindRequestVote, 1, "abc"), frame(KindKeepalive, 2, "")...)
	f.Add(good, []byte{0, 3})
	f.Add(good[:len(good)-1], []byte{})
	f.Add([]byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"), []byte{1})
	f.Add(bytes.Repeat([]byte{0xff}, 40), []byte{7})
	f.Add(make([]byte, 40), []byte{})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		read := func(r io.Reader) (again []byte, err error) {
			in := &frameReader{r: r, max: 1 << 16}
			for {
				kind, payload, err := in.next()
				if err != nil {
					return again, err
				}
				start := len(again)
				again = append(beginFrame(again), payload...)
				endFrame(again, start, kind, in.sequence)
			}
		}
		again, err := read(&chunkReader{data: stream, sizes: sizes})
		whole, wholeErr := read(bytes.NewReader(stream))
		if !bytes.HasPrefix(stream, again) {
			t.Errorf("read %x from %x", again, stream)
		}
		if !bytes.Equal(again, whole) || err.Error() != wholeErr.Error() {
			t.Errorf("in pieces %x, %v; whole %x, %v", again, err, whole, wholeErr)
		}
		if err == io.EOF && len(again) != len(stream) {
			t.Errorf("a clean end after %d of %d bytes", len(again), len(stream))
		}
	})
}

// A hello or an answer that is taken is, byte for byte, one that would be written; not a byte behind
// it is read.
func FuzzHandshake(f *testing.F) {
	yes := &answer{accepted: true, version: highestVersion, cluster: "test", server: "a"}
	f.Add(goodHello().append(nil), []byte{5})
	f.Add(yes.append(nil), []byte{})
	h := goodHello()
	h.address, h.incarnation = "", ""
	old := h.append(nil)
	old = old[:len(old)-4-4] // without address, incarnation and checksum
	old[len(magic)], old[len(magic)+1], old[blockHead-1] = 1, 1, old[blockHead-1]-4
	f.Add(binary.BigEndian.AppendUint32(old, crc32.Checksum(old, castagnoli)), []byte{})
	f.Add([]byte(magic), []byte{0})
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), []byte{})
	f.Add([]byte("\x16\x03\x01\x02\x00\x01"), []byte{2})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		cfg := config("a", map[consensus.ServerID]string{"b": "b:1"})
		in := newIncoming(&cfg, newRoster(&cfg, nil), nil)
		r := &chunkReader{data: stream, sizes: sizes}
		if h, err := readHello(r); err == nil {
			again := append(h.append(nil), r.data...)
			if h.highest == highestVersion && !bytes.Equal(again, stream) { // others may have fewer fields, or more
				t.Errorf("%x was taken for %x", stream, again)
			}
			if _, err := in.judge(h, ""); err == nil && (h.cluster != "test" || h.sender != "b" || h.receiver != "a") {
				t.Errorf("accepted %+v", h)
			}
		}
		r = &chunkReader{data: stream, sizes: sizes}
		if a, err := readAnswer(r); err == nil {
			again := append(a.append(nil), r.data...)
			if a.version == highestVersion && !bytes.Equal(again, stream) && a.reason == "" {
				t.Errorf("%x was taken for %x", stream, again)
			}
		}
	})
}

// fuzzCodec checks one codec: what it decodes is a message that it would write with these bytes; what passes
// the door survives a round trip.
func fuzzCodec(f *testing.F, name string) {
	c := lookup(name)
	for _, m := range []consensus.Message{
		&consensus.RequestVote{Header: consensus.Header{Term: 300}, LastLogIndex: 70000, LastLogTerm: 2},
		&consensus.RequestVoteReply{Header: consensus.Header{Term: 1}, VoteGranted: true},
		&consensus.AppendEntries{Header: consensus.Header{Term: 1 << 40}},
		manyEntries(nil, []byte{}, []byte("abc")),
		&consensus.AppendEntriesReply{Header: consensus.Header{Term: 3}, Success: true, MatchIndex: 9},
		chunk(3, 10),
		&consensus.InstallSnapshotReply{Header: consensus.Header{Term: 3}, LastIncluded: consensus.Position{Index: 9, Term: 2}, Offset: 300},
		&consensus.ReadIndex{Header: consensus.Header{Term: 3}, ID: 1 << 63},
		&consensus.ReadIndexReply{Header: consensus.Header{Term: 3}, ID: 1 << 63, Index: 300},
	} {
		payload, err := c.Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(KindOf(m)), payload)
	}
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		before := bytes.Clone(payload)
		m, err := decode(c, Kind(kind), payload)
		if !bytes.Equal(payload, before) {
			t.Fatal("Decode wrote into the payload")
		}
		if err != nil {
			return
		}
		again, err := c.Append(nil, m)
		if err != nil || !bytes.Equal(again, payload) {
			t.Errorf("%x was taken for %x (%v)", payload, again, err)
		}
		m2, err := decode(c, Kind(kind), again)
		if err != nil || !reflect.DeepEqual(m, m2) {
			t.Errorf("%+v became %+v (%v)", m, m2, err)
		}
	})
}

func FuzzMsgpack(f *testing.F) { fuzzCodec(f, "msgpack") }

// What is read by hand is what go-msgpack reads, and nothing else.
func FuzzByHand(f *testing.F) {
	for _, m := range []consensus.Message{
		&consensus.AppendEntries{Header: consensus.Header{Term: 1 << 40}},
		manyEntries(nil, []byte{}, []byte("abc")),
		manyEntries(make([][]byte, 16)...),
		&consensus.AppendEntriesReply{Header: consensus.Header{Term: 3}, Success: true, MatchIndex: 9},
		chunk(3, 10),
	} {
		payload, err := reflected.Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(KindOf(m)), payload)
	}
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) { sameReading(t, Kind(kind), payload) })
}

func FuzzJSON(f *testing.F) { fuzzCodec(f, "json") }

// A link that is cut and joined anywhere by something in between delivers a prefix, or finds out.
func FuzzFramesSpliced(f *testing.F) {
	f.Add(uint16(3), uint16(40), uint16(10))
	f.Add(uint16(0), uint16(30), uint16(0))
	f.Fuzz(func(t *testing.T, from, to, at uint16) {
		var stream []byte
		for s := uint64(1); s <= 5; s++ {
			stream = append(stream, frame(KindRequestVote, s, string(rune('a'+s)))...)
		}
		i, j, k := int(from)%len(stream), int(to)%len(stream), int(at)%len(stream)
		spliced := append(append(bytes.Clone(stream[:k]), stream[min(i, j):max(i, j)]...), stream[k:]...)
		got, err := readFrames(bytes.NewReader(spliced), 100)
		for n, payload := range got {
			if payload != string(rune('b'+n)) {
				t.Errorf("frame %d is %q", n+1, payload)
			}
		}
		if i != j && err == io.EOF && len(got) == 5 && !bytes.Equal(spliced, stream) {
			t.Errorf("nobody noticed: %x", spliced)
		}
		if errors.Is(err, io.EOF) && len(got) > 5 {
			t.Errorf("%d frames came of 5", len(got))
		}
	})
}

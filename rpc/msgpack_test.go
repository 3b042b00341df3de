package rpc

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// anyNumber gives a number of any length, often one at the end of a length.
func anyNumber(rng *rand.Rand) uint64 {
	n := uint64(1)<<rng.IntN(64) + rng.Uint64N(3) - 1
	if rng.IntN(2) == 0 {
		n = rng.Uint64() >> rng.IntN(64)
	}
	return n
}

// anyBytes gives nil, or bytes of any length, often one at the end of a spelling.
func anyBytes(rng *rand.Rand) []byte {
	var n int
	switch rng.IntN(8) {
	case 0:
		return nil
	case 1:
		n = math.MaxUint8 + rng.IntN(3) - 1
	case 2:
		n = math.MaxUint16 + rng.IntN(3) - 1
	default:
		n = rng.IntN(300)
	}
	return bytes.Repeat([]byte{byte(rng.Uint32())}, n)
}

// anyMessage gives one of the messages that are packed by hand, with whatever can be in its fields.
func anyMessage(rng *rand.Rand) consensus.Message {
	number := func() uint64 { return anyNumber(rng) }
	index := func() consensus.Index { return consensus.Index(number()) }
	term := func() consensus.Term { return consensus.Term(number()) }
	header := consensus.Header{Term: term()}
	switch rng.IntN(4) {
	case 0:
		return &consensus.AppendEntriesReply{
			Header: header, Success: rng.IntN(2) == 0, MatchIndex: index(), PrevLogIndex: index(), Round: number(),
			ConflictIndex: index(), ConflictTerm: term(), NoSpace: rng.IntN(2) == 0,
		}
	case 1:
		m := &consensus.InstallSnapshot{
			Header: header, LastIncluded: consensus.Position{Index: index(), Term: term()}, Offset: number(),
			Data: anyBytes(rng), Checksum: uint32(number()), Done: rng.IntN(2) == 0, Round: number(),
		}
		if rng.IntN(2) == 0 {
			m.Config = someConfig()
		}
		return m
	}
	m := &consensus.AppendEntries{Header: header, PrevLogIndex: index(), PrevLogTerm: term(), LeaderCommit: index(), Round: number()}
	count := rng.IntN(20)
	if rng.IntN(100) == 0 {
		count = math.MaxUint16 + rng.IntN(3) - 1
	}
	for i := range count {
		e := consensus.Entry{Index: m.PrevLogIndex + 1 + consensus.Index(i), Term: term(), Kind: consensus.EntryKind(rng.Uint32())}
		if count < 100 {
			e.Data = anyBytes(rng)
		}
		m.Entries = append(m.Entries, e)
	}
	return m
}

// What is packed by hand is what go-msgpack writes, and each reads it as the other does.
func TestByHandIsAsByReflection(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		m := anyMessage(rng)
		want, err := reflected.Append([]byte("before"), m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := msgpackCodec{}.Append([]byte("before"), m)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%T: %v\nby hand       %.300x\nby reflection %.300x", m, err, got, want)
		}
		again := sameReading(t, KindOf(m), want[len("before"):])
		if !reflect.DeepEqual(again, m) {
			t.Fatalf("%.300x is read as another message than was written", want)
		}
	}
}

// sameReading decodes a payload by hand and by reflection, and fails if they differ in what they take or make of it.
func sameReading(t *testing.T, kind Kind, payload []byte) consensus.Message {
	t.Helper()
	want, refused := reflected.Decode(kind, payload)
	got, err := msgpackCodec{}.Decode(kind, payload)
	if (err == nil) != (refused == nil) {
		t.Fatalf("%v %.300x: by hand %v, by reflection %v", kind, payload, err, refused)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%v %.300x:\nby hand       %+v\nby reflection %+v", kind, payload, got, want)
	}
	return got
}

// Whatever one refuses the other refuses: what was cut, what has another byte somewhere, another spelling of a number, bytes more.
func TestByHandRefusesWhatReflectionRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for range 200 {
		m := anyMessage(rng)
		payload, err := reflected.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if len(payload) > 4<<10 {
			continue
		}
		for range 200 {
			at := rng.IntN(len(payload))
			spoilt := bytes.Clone(payload)
			switch rng.IntN(4) {
			case 0:
				spoilt = spoilt[:at]
			case 1:
				spoilt = append(spoilt[:at:at], append([]byte{byte(rng.Uint32())}, payload[at:]...)...)
			default:
				spoilt[at] = byte(rng.Uint32())
			}
			if sameReading(t, KindOf(m), spoilt) != nil {
				taken++
			}
		}
	}
	if taken == 0 {
		t.Error("nothing was taken: the payloads are too bad to tell")
	}
}

// A payload says how many entries there are before they are there. The first refuses; the second has as many bytes as entries at the least.
func TestACountOfEntriesIsNotBelieved(t *testing.T) {
	const head = "\x96\x01\x00\x00\x00\x00"
	for name, c := range map[string]struct {
		payload string
		limit   uint64
	}{
		"4 Gi entries, none there":  {head + "\xdd\xff\xff\xff\xff", 1 << 10},
		"as many bytes as entries":  {head + "\xdd\x00\x01\x00\x00" + string(make([]byte, 1<<16)), 1 << 10},
		"a quarter is what can fit": {head + "\xdc\x40\x00" + string(make([]byte, 1<<16)), 13 << 16},
	} {
		payload := []byte(c.payload)
		var err error
		got := allocated(func() { _, err = msgpackCodec{}.Decode(KindAppendEntries, payload) })
		if got > c.limit || err == nil {
			t.Errorf("%s: %d bytes allocated, limit %d; error %v", name, got, c.limit, err)
		}
	}
}

// What the codec and the frames cost per message: the message, the array of its entries, and one block for their data.
func TestAllocationsOfTheHotPath(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget on purpose, and allocates")
	}
	reply := &consensus.AppendEntriesReply{Header: consensus.Header{From: "a", To: "b", Term: 1}, Success: true, MatchIndex: 1 << 20}
	heartbeat := &consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}}
	for _, c := range []struct {
		name         string
		m            consensus.Message
		send, decode float64
	}{
		{"64 entries", batch(), 0, 3},
		{"heartbeat", heartbeat, 0, 1},
		{"reply", reply, 0, 1},
	} {
		w := benchWriter(t)
		if got := testing.AllocsPerRun(100, func() {
			w.link.queue.put(c.m)
			if w.gather(); w.messages != 1 {
				t.Fatal("it was not sent")
			}
		}); got != c.send {
			t.Errorf("%s: to send it takes %v allocations, want %v", c.name, got, c.send)
		}
		frame := bytes.Clone(w.buf)
		stream := bytes.NewReader(frame)
		in := &frameReader{r: stream, max: 1 << 20}
		if got := testing.AllocsPerRun(100, func() {
			stream.Reset(frame)
			in.sequence = w.sequence - 1
			kind, payload, err := in.next()
			if err == nil {
				_, err = decode(msgpackCodec{}, kind, payload)
			}
			if err != nil {
				t.Fatal(err)
			}
		}); got != c.decode {
			t.Errorf("%s: to receive it takes %v allocations, want %v", c.name, got, c.decode)
		}
	}
}

// benchWriter is a writer of a to b that never writes.
func benchWriter(tb testing.TB) *writer {
	cfg, err := config("a", map[consensus.ServerID]string{"b": "b:1"}).normalize()
	if err != nil {
		tb.Fatal(err)
	}
	l := newLink(&cfg, func(e Event) { tb.Error(e) }, "b", "b:1")
	l.queue.setUp(true)
	l.agree(new(answer))
	return newWriter(l, nil)
}

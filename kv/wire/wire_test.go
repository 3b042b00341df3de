package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
)

// The bytes are between programs of different releases: they never change.
func TestTheBytes(t *testing.T) {
	put := &command.Command{Op: command.Put, Key: "k", Value: []byte("v"), Client: "me", Seq: 7}
	for name, test := range map[string]struct {
		got  []byte
		want string
	}{
		"write":   {AppendWrite(nil, 3, 1500*time.Microsecond, put), "\x19\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x00\x01\x01\x00\x00\x02me\x07\x01k\x01v"},
		"get":     {AppendGet(nil, 4, StaleGet, time.Second, "key"), "\x10\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03\xe8\x03\x00\x00key"},
		"written": {AppendWritten(nil, 3, 17, 2), "\x19\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x11\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"},
		"value":   {append(AppendValueHead(nil, 4, 17, 0, 5, 1), 'v'), "\x22\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00v"},
		"problem": {AppendProblem(nil, Problem, 4, 0, 0, api.NewProblem(api.CodeBusy, "x")), "\x20\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03" + strings.Repeat("\x00", 16) + "\x01\x04busyx"},
		"leader":  {AppendLeader(nil, "h:1"), "\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04" + strings.Repeat("\x00", 16) + "h:1"},
	} {
		if string(test.got) != test.want {
			t.Errorf("%s is %q, want %q", name, test.got, test.want)
		}
	}
}

func TestAnswersComeBackAsTheyWentIn(t *testing.T) {
	problem := api.NewProblem(api.CodeUnknown, "who knows")
	for _, test := range []struct {
		frame []byte
		want  Answer
	}{
		{AppendWritten(nil, 1, 2, 3), Answer{ID: 1, Kind: Written, Index: 2, Term: 3}},
		{append(AppendValueHead(nil, 1, 2, 0, 9, 3), "abc"...), Answer{ID: 1, Kind: Value, Index: 2, Version: 9, Data: []byte("abc")}},
		{AppendProblem(nil, Problem, 1, 2, 3, problem), Answer{ID: 1, Kind: Problem, Index: 2, Term: 3, Outcome: api.Unknown, Code: api.CodeUnknown, Detail: []byte("who knows")}},
		{AppendProblem(nil, Goodbye, 8, 0, 0, api.NewProblem(api.CodeClosing, "")), Answer{ID: 8, Kind: Goodbye, Outcome: api.Rejected, Code: api.CodeClosing}},
		{AppendLeader(nil, "h:1"), Answer{Kind: Leader, Data: []byte("h:1")}},
	} {
		got, err := ParseAnswer(test.frame[lengthBytes:])
		same := got.ID == test.want.ID && got.Kind == test.want.Kind && got.Index == test.want.Index && got.Term == test.want.Term && got.Version == test.want.Version &&
			bytes.Equal(got.Data, test.want.Data) && got.Outcome == test.want.Outcome && got.Code == test.want.Code && bytes.Equal(got.Detail, test.want.Detail)
		if err != nil || !same {
			t.Errorf("%+v came back as %+v, %v", test.want, got, err)
		}
	}
	for _, frame := range []string{"", strings.Repeat("\x00", answerHead), strings.Repeat("\x02", answerHead), strings.Repeat("\x03", answerHead) + "\x01\x00", strings.Repeat("\x03", answerHead) + "\x01\x05busy"} {
		var rule *Error
		if _, err := ParseAnswer([]byte(frame)); !errors.As(err, &rule) {
			t.Errorf("%q was taken for an answer: %v", frame, err)
		}
	}
}

// However the bytes come, the frames are the same; kept ones stay what they were.
func TestFramesComeInWhole(t *testing.T) {
	var stream []byte
	sizes := []int{0, 1, 100, 5000, ChunkBytes - 17, ChunkBytes, 3 * ChunkBytes, 1 << 20, 7}
	for i := range 40 {
		sizes = append(sizes, i*i*10)
	}
	for i, size := range sizes {
		stream = AppendGet(stream, uint64(i+1), Get, time.Second, strings.Repeat(string(rune('a'+i%26)), size))
	}
	for name, from := range map[string]func() io.Reader{
		"at once": func() io.Reader { return bytes.NewReader(stream) },
		"halves":  func() io.Reader { return iotest.HalfReader(bytes.NewReader(stream)) },
		"bytes":   func() io.Reader { return iotest.OneByteReader(bytes.NewReader(stream)) },
	} {
		for _, keep := range []bool{true, false} {
			r := NewReader(from(), nil, keep)
			var kept []Request
			for i, size := range sizes {
				frame, err := r.Next()
				if err != nil {
					t.Fatalf("%s, frame %d: %v", name, i, err)
				}
				request, err := ParseRequest(frame)
				if err != nil || request.ID != uint64(i+1) || len(request.Body) != size {
					t.Fatalf("%s, frame %d: %d bytes, %v", name, i, len(request.Body), err)
				}
				if kept = append(kept, request); !keep {
					kept = kept[i:]
					kept = append(make([]Request, i), kept...)
				}
			}
			for i, request := range kept {
				if keep && strings.Trim(string(request.Body), string(rune('a'+i%26))) != "" {
					t.Fatalf("%s: frame %d was written over", name, i)
				}
			}
			if _, err := r.Next(); err != io.EOF || r.Partial() {
				t.Errorf("%s: the end is %v", name, err)
			}
		}
	}
}

// What a length claims costs nothing before it has come.
func TestALengthAloneCostsNothing(t *testing.T) {
	head := AppendGet(nil, 1, Get, time.Second, strings.Repeat("k", 1<<20))[:200]
	r := NewReader(io.MultiReader(bytes.NewReader(head), iotest.ErrReader(errors.New("slow"))), nil, true)
	if _, err := r.Next(); err == nil || !r.Partial() || len(r.buf) > ChunkBytes {
		t.Errorf("%v; %d bytes of room for %d that came", err, len(r.buf), len(head))
	}
	for _, bad := range []string{"\xff\xff\xff\xff", "\x00\x00\x00\x00", "\x0c\x00\x00\x00"} {
		r := NewReader(strings.NewReader(bad+strings.Repeat("x", 100)), nil, true)
		var rule *Error
		if _, err := r.Next(); !errors.As(err, &rule) {
			t.Errorf("the length %q: %v", bad, err)
		}
	}
}

// A large frame that is not admitted is thrown away, and the next one is there.
func TestALargeFrameThatIsNotAdmitted(t *testing.T) {
	stream := AppendGet(nil, 5, Get, time.Second, strings.Repeat("k", 100<<10))
	stream = AppendGet(stream, 6, Get, time.Second, "k")
	r := NewReader(iotest.HalfReader(bytes.NewReader(stream)), nil, true)
	asked := 0
	r.Admit = func(size int) bool { asked = size; return false }
	frame, err := r.Next()
	request, _ := ParseRequest(frame)
	if err != nil || !r.Refused || request.ID != 5 || len(request.Body) != 0 || asked != lengthBytes+requestHead+100<<10 || len(r.buf) > ChunkBytes {
		t.Errorf("%+v, refused %v, asked for %d, %v", request, r.Refused, asked, err)
	}
	if frame, err = r.Next(); err != nil || r.Refused {
		t.Fatal(err)
	}
	if request, _ := ParseRequest(frame); request.ID != 6 {
		t.Errorf("behind it came %+v", request)
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, 4096)
	put := &command.Command{Op: command.Put, Key: "k", Value: make([]byte, 128), Client: "me", Seq: 7}
	if n := testing.AllocsPerRun(100, func() {
		buf = AppendWrite(buf[:0], 1, time.Second, put)
		_, _ = ParseRequest(buf[lengthBytes:])
		buf = AppendWritten(buf[:0], 1, 2, 3)
		_, _ = ParseAnswer(buf[lengthBytes:])
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(AppendWrite(nil, 1, time.Second, &command.Command{Op: command.Put, Key: "k"}), 1)
	f.Add(AppendProblem(nil, Problem, 1, 2, 3, api.NewProblem(api.CodeBusy, "x")), 7)
	f.Add([]byte("\xff\xff\xff\xff"), 2)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		cut = max(0, min(cut, len(stream)))
		r := NewReader(io.MultiReader(bytes.NewReader(stream[:cut]), bytes.NewReader(stream[cut:])), nil, len(stream)%2 == 0)
		for {
			frame, err := r.Next()
			if err != nil {
				break
			}
			_, _ = ParseRequest(frame)
			if a, err := ParseAnswer(frame); err == nil && a.Kind == Problem && (a.Code == "" || a.Outcome == "") {
				t.Fatalf("%+v", a)
			}
			if len(r.buf) > max(2*len(stream), ChunkBytes) {
				t.Fatalf("%d bytes of room for %d", len(r.buf), len(stream))
			}
		}
	})
}

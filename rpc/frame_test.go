package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// frame gives one frame with that payload.
func frame(kind Kind, sequence uint64, payload string) []byte {
	buf := append(beginFrame(nil), payload...)
	endFrame(buf, 0, kind, sequence)
	return buf
}

// readFrames reads all frames of a stream, and gives their payloads and the error at its end.
func readFrames(r io.Reader, limit int) (payloads []string, err error) {
	f := &frameReader{r: r, max: limit}
	for {
		_, payload, err := f.next()
		if err != nil {
			return payloads, err
		}
		payloads = append(payloads, string(payload))
	}
}

func TestFramesComeBackHoweverTheyAreCut(t *testing.T) {
	big := string(bytes.Repeat([]byte("x"), 3*growStep))
	stream := bytes.Join([][]byte{
		frame(KindRequestVote, 1, "one"), frame(KindKeepalive, 2, ""), frame(KindAppendEntries, 3, big), frame(KindAppendEntries, 4, ""),
	}, nil)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "halves": iotest.HalfReader(bytes.NewReader(stream)),
		"bytes": iotest.OneByteReader(bytes.NewReader(stream)), "error with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		got, err := readFrames(r, len(big))
		if len(got) != 4 || got[0] != "one" || got[1] != "" || got[2] != big || got[3] != "" || err != io.EOF {
			t.Errorf("%s: %d frames, error %v", name, len(got), err)
		}
	}
}

func TestAFrameCutAnywhereIsNoFrame(t *testing.T) {
	whole := frame(KindRequestVote, 1, "some payload")
	for n := range whole {
		got, err := readFrames(bytes.NewReader(whole[:n]), 100)
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if len(got) != 0 || !errors.Is(err, want) {
			t.Errorf("cut at %d: frames %q, error %v, want %v", n, got, err, want)
		}
	}
}

func TestAFlippedBitIsFound(t *testing.T) {
	whole := frame(KindRequestVote, 1, "some payload")
	for bit := range 8 * len(whole) {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		if got, err := readFrames(bytes.NewReader(flipped), 100); len(got) != 0 || err == io.EOF {
			t.Errorf("bit %d: frames %q, error %v", bit, got, err)
		}
	}
}

func TestAFrameOverTheLimitIsRefusedBeforeItIsRead(t *testing.T) {
	for _, length := range []uint32{101, 1 << 20, 0xffffffff} {
		header := frame(KindRequestVote, 1, "")
		binary.BigEndian.PutUint32(header, length)
		rest := &countingReader{r: io.LimitReader(neverEnding{}, 1<<20)}
		got := allocated(func() {
			_, err := readFrames(io.MultiReader(bytes.NewReader(header), rest), 100)
			if !errors.As(err, new(violation)) {
				t.Errorf("length %d: error %v", length, err)
			}
		})
		if rest.n != 0 || got > 64<<10 {
			t.Errorf("length %d: read %d bytes of the payload, allocated %d", length, rest.n, got)
		}
	}
}

// A length within the limit is only a promise: memory follows the bytes.
func TestMemoryFollowsTheBytesThatCome(t *testing.T) {
	header := frame(KindAppendEntries, 1, "")
	binary.BigEndian.PutUint32(header, 1<<30)
	const came = 1 << 20
	stream := io.MultiReader(bytes.NewReader(header), io.LimitReader(neverEnding{}, came))
	got := allocated(func() {
		if _, err := readFrames(stream, 1<<30); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
	if got > 8*came {
		t.Errorf("%d bytes allocated when %d came", got, came)
	}
}

func TestAFrameOutOfTurnIsRefused(t *testing.T) {
	for name, sequences := range map[string][]uint64{
		"not from 1": {2}, "from 0": {0}, "gap": {1, 3}, "repeat": {1, 1}, "backwards": {1, 2, 1},
	} {
		var stream []byte
		for _, s := range sequences {
			stream = append(stream, frame(KindRequestVote, s, "x")...)
		}
		got, err := readFrames(bytes.NewReader(stream), 100)
		if len(got) != len(sequences)-1 || !errors.As(err, new(violation)) {
			t.Errorf("%s: %d frames, error %v", name, len(got), err)
		}
	}
}

func TestAKeepaliveIsEmpty(t *testing.T) {
	_, err := readFrames(bytes.NewReader(frame(KindKeepalive, 1, "x")), 100)
	if !errors.As(err, new(violation)) {
		t.Errorf("error %v", err)
	}
}

func TestAnIdleReaderDoesNotKeepABigBuffer(t *testing.T) {
	stream := append(frame(KindAppendEntries, 1, string(make([]byte, 4*maxScratch))), frame(KindAppendEntries, 2, "x")...)
	f := &frameReader{r: bytes.NewReader(stream), max: 8 * maxScratch}
	for range 2 {
		if _, _, err := f.next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(f.buf) > maxScratch {
		t.Errorf("%d bytes kept", cap(f.buf))
	}
}

// What came is taken in one read, however many frames it is.
func TestManyFramesAreOneRead(t *testing.T) {
	var stream []byte
	for i := range 50 {
		stream = append(stream, frame(KindAppendEntries, uint64(i+1), string(make([]byte, 100)))...)
	}
	reads := &readCounter{r: bytes.NewReader(stream)}
	f := &frameReader{r: reads, max: 100}
	for range 50 {
		if _, _, err := f.next(); err != nil {
			t.Fatal(err)
		}
	}
	if reads.n != 1 {
		t.Errorf("%d reads", reads.n)
	}
}

// What comes with the last bytes is told behind them, and nothing is read after it: the reader that shows the other end that we live
// fails so.
func TestAnErrorThatComesWithAFrameIsTold(t *testing.T) {
	reads := &readCounter{r: iotest.DataErrReader(bytes.NewReader(frame(KindRequestVote, 1, "x")))}
	f := &frameReader{r: reads, max: 100}
	if _, payload, err := f.next(); err != nil || string(payload) != "x" {
		t.Fatalf("%q, %v", payload, err)
	}
	if _, _, err := f.next(); err != io.EOF || reads.n != 1 {
		t.Errorf("%v, after %d reads", err, reads.n)
	}
}

type readCounter struct {
	r io.Reader
	n int // reads
}

func (c *readCounter) Read(p []byte) (int, error) {
	c.n++
	return c.r.Read(p)
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

package wire

import (
	"encoding/binary"
	"io"
)

// The sizes of a Reader's chunks: the first, and the largest that is made without asking.
const (
	firstChunk = 4 << 10
	ChunkBytes = 32 << 10
)

// Reader gives the frames of a connection, as many as one read brought without a copy. It is for one goroutine.
type Reader struct {
	from io.Reader
	buf  []byte // read, up to w; given away, up to r
	r, w int

	keep bool
	// Admit, if it is set, is asked before room is made for a frame that no chunk holds. If it says no, the frame is read and thrown away, but for its beginning:
	// Next gives that, and Refused is set until the next Next.
	Admit   func(size int) bool
	Refused bool

	admitted bool // the frame that is coming in is larger than a chunk, and Admit agreed

	left int    // of a frame that is thrown away
	head []byte // of that frame
}

// NewReader reads from there, behind what was read already. With keep each frame is the caller's for good: its memory is not used again. Otherwise it is,
// at the next Next.
func NewReader(from io.Reader, already []byte, keep bool) *Reader {
	size := ChunkBytes
	if keep {
		size = firstChunk // they grow with what comes
	}
	r := &Reader{from: from, keep: keep, buf: make([]byte, max(size, len(already)))}
	r.w = copy(r.buf, already)
	return r
}

// Partial tells whether a frame has begun to come in and is not whole.
func (r *Reader) Partial() bool { return r.left > 0 || r.w > r.r && !r.Ready() }

// Ready tells whether Next gives a frame, or what is wrong with it, without waiting.
func (r *Reader) Ready() bool {
	n, known := r.length()
	return known && (checkLength(n) != nil || r.w-r.r >= lengthBytes+n)
}

func (r *Reader) length() (n int, known bool) {
	if r.w-r.r < lengthBytes {
		return 0, false
	}
	return int(binary.LittleEndian.Uint32(r.buf[r.r:])), true
}

func checkLength(n int) error {
	if n < requestHead || n > MaxFrame {
		return broken("a frame of %d bytes; possible are %d to %d", n, requestHead, MaxFrame)
	}
	return nil
}

// Next gives the next frame, without its length. A connection that ends between two frames gives io.EOF, and within one io.ErrUnexpectedEOF. After
// an error of the connection that passes, such as a deadline, it goes on where it was.
func (r *Reader) Next() ([]byte, error) {
	r.Refused = false
	if r.left > 0 {
		return r.skip()
	}
	for {
		want := lengthBytes
		if n, known := r.length(); known {
			if err := checkLength(n); err != nil {
				return nil, err
			}
			want += n
		}
		if r.w-r.r >= want && want > lengthBytes {
			frame := r.buf[r.r+lengthBytes : r.r+want : r.r+want]
			r.r += want
			r.admitted = false
			return frame, nil
		}
		// The head is there first, so that whoever is refused can be told.
		if want > ChunkBytes && !r.admitted && r.Admit != nil && r.w-r.r >= lengthBytes+requestHead {
			if !r.Admit(want) {
				r.left = want - (r.w - r.r)
				r.head = append([]byte(nil), r.buf[r.r+lengthBytes:r.r+lengthBytes+requestHead]...)
				r.r, r.w, r.buf = 0, 0, make([]byte, firstChunk)
				return r.skip()
			}
			r.admitted = true
		}
		r.makeRoom(want)
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func (r *Reader) fill() error {
	n, err := r.from.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == io.EOF && r.w > r.r { //nolint:errorlint // a connection gives it bare
		return io.ErrUnexpectedEOF
	}
	return err
}

// makeRoom sees to it that something can be read, of a frame that has that many bytes with its length. It takes at most twice what has come: a
// length alone costs nothing.
func (r *Reader) makeRoom(want int) {
	have := r.w - r.r
	if !r.keep && want <= len(r.buf) && (have == 0 || r.r+want > len(r.buf) || len(r.buf)-r.w <= len(r.buf)/8) {
		copy(r.buf, r.buf[r.r:r.w])
		r.r, r.w = 0, have
	}
	room := len(r.buf) - r.w
	switch {
	case want > lengthBytes && r.r+want <= len(r.buf): // it fits, and what has come of it need not be copied
		return
	case want == lengthBytes && room > len(r.buf)/8: // else what is read at once would be little
		return
	case room > 0 && 2*have > len(r.buf): // a large frame that has not filled what there is
		return
	}
	// A chunk that was filled is followed by a larger one.
	size := min(max(2*len(r.buf), firstChunk), ChunkBytes)
	if want > ChunkBytes {
		size = max(size, min(want, 2*have))
	}
	buf := make([]byte, size)
	r.w = copy(buf, r.buf[r.r:r.w])
	r.r, r.buf = 0, buf
}

// skip reads the rest of a frame that is thrown away, over what was read of it.
func (r *Reader) skip() ([]byte, error) {
	for r.left > 0 {
		n, err := r.from.Read(r.buf[:min(r.left, len(r.buf))])
		r.left -= n
		if n == 0 && err != nil {
			if err == io.EOF { //nolint:errorlint // a connection gives it bare
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	r.Refused = true
	return r.head, nil
}

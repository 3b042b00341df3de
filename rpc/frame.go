package rpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// A frame on the wire, all numbers big endian:
//
//	 0  u32  length of the payload
//	 4  u8   kind
//	 5  u64  sequence: 1 for a connection's first frame, then one more for each
//	13  u32  CRC32C of bytes 0 to 12 and the payload
//	17       payload
//
// The checksum is there because TCP's own misses errors at the rates that
// networks and their equipment produce; the sequence, because a proxy or a bug that drops
// or repeats whole frames leaves every checksum right.
const frameHeader = 17

// growStep is what a reader has room for, and how much of a frame is made room for ahead of its bytes: a length field alone
// costs the receiver no more than this.
const growStep = 32 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// violation is an error that the other end is to blame for: it broke the protocol, or what it
// sent was damaged on the way. Other errors of a connection are the network's.
type violation struct{ error }

func violationf(format string, args ...any) error {
	return violation{fmt.Errorf(format, args...)}
}

// beginFrame appends the room for a header; the payload comes behind it.
func beginFrame(dst []byte) []byte {
	return append(dst, make([]byte, frameHeader)...)
}

// endFrame fills in the header of the frame that begins at buf[start] and ends with buf.
func endFrame(buf []byte, start int, kind Kind, sequence uint64) {
	frame := buf[start:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-frameHeader))
	frame[4] = byte(kind)
	binary.BigEndian.PutUint64(frame[5:], sequence)
	binary.BigEndian.PutUint32(frame[13:], frameSum(frame[:13], frame[frameHeader:]))
}

// appendEmptyFrame appends a frame without payload.
func appendEmptyFrame(dst []byte, kind Kind, sequence uint64) []byte {
	start := len(dst)
	dst = beginFrame(dst)
	endFrame(dst, start, kind, sequence)
	return dst
}

func frameSum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, payload)
}

// frameReader reads the frames of one connection. It reads what has come, as much as there is in one read, and
// gives each frame where it lies: decoding is the only copy.
type frameReader struct {
	r        io.Reader
	max      int    // of a payload
	sequence uint64 // of the last good frame
	buf      []byte
	at       int   // buf[at:] was read and is still to be given
	err      error // why no more can be read

	pace  *pace     // bounds the time that a frame takes, if it is set
	begun time.Time // when the first bytes of the next frame were there
}

// next gives the next frame. The payload is valid until the call after. At the end of the
// stream the error is io.EOF between frames and io.ErrUnexpectedEOF inside one.
func (f *frameReader) next() (Kind, []byte, error) {
	f.begun = time.Time{}
	header, err := f.peek(frameHeader)
	if err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(header)
	if uint64(length) > uint64(f.max) {
		return 0, nil, violationf("a frame of %d bytes is over the limit of %d", length, f.max)
	}
	frame, err := f.peek(frameHeader + int(length))
	if err != nil {
		return 0, nil, err
	}
	f.at += len(frame)
	header, payload := frame[:frameHeader], frame[frameHeader:]
	if frameSum(header[:13], payload) != binary.BigEndian.Uint32(header[13:]) {
		return 0, nil, violationf("a frame of %d bytes does not match its checksum", length)
	}
	if got := binary.BigEndian.Uint64(header[5:]); got != f.sequence+1 {
		return 0, nil, violationf("frame %d came where frame %d should", got, f.sequence+1)
	}
	f.sequence++
	kind := Kind(header[4])
	if kind == KindKeepalive && length != 0 {
		return 0, nil, violationf("a keepalive has a payload of %d bytes", length)
	}
	return kind, payload, nil
}

// ready tells whether the next frame is at hand as a whole: next will not wait for it.
func (f *frameReader) ready() bool {
	rest := f.buf[f.at:]
	return len(rest) >= frameHeader && uint64(len(rest)-frameHeader) >= uint64(binary.BigEndian.Uint32(rest))
}

// peek gives the next n bytes, and leaves them to be given again.
func (f *frameReader) peek(n int) ([]byte, error) {
	for len(f.buf)-f.at < n {
		if errors.Is(f.err, io.EOF) && len(f.buf) > f.at {
			return nil, io.ErrUnexpectedEOF
		}
		if f.err != nil {
			return nil, f.err
		}
		f.hurry(n)
		f.makeRoom(n)
		have := len(f.buf)
		got, err := f.r.Read(f.buf[have:cap(f.buf)])
		f.buf, f.err = f.buf[:have+got], err
	}
	return f.buf[f.at : f.at+n : f.at+n], nil
}

// hurry bounds the time until the next n bytes must be there, if some of them are.
func (f *frameReader) hurry(n int) {
	if f.pace == nil {
		return
	}
	if len(f.buf) == f.at {
		f.pace.none()
		return
	}
	if f.begun.IsZero() {
		f.begun = time.Now()
	}
	f.pace.expect(f.begun, n)
}

// makeRoom moves what is there to the front of a buffer that has room for more. That is growStep, or if n bytes are waited for and as many are
// there, twice as much: so the buffer grows as the bytes come.
func (f *frameReader) makeRoom(n int) {
	rest := f.buf[f.at:]
	room := growStep
	if len(rest) >= room {
		room = min(n, 2*len(rest))
	}
	switch {
	case cap(f.buf) < room, cap(f.buf) > maxScratch && room == growStep: // do not keep the memory of a rare big frame
		f.buf = append(make([]byte, 0, room), rest...)
	case f.at > 0:
		f.buf = f.buf[:copy(f.buf, rest)]
	}
	f.at = 0
}

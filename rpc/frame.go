package rpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
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

// growStep is how much of a frame is made room for ahead of its bytes: a length field alone
// costs the receiver no more than this.
const growStep = 64 << 10

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

// frameReader reads the frames of one connection.
type frameReader struct {
	r        io.Reader
	max      int    // of a payload
	sequence uint64 // of the last good frame
	header   [frameHeader]byte
	buf      []byte
}

// next gives the next frame. The payload is valid until the call after. At the end of the
// stream the error is io.EOF between frames and io.ErrUnexpectedEOF inside one.
func (f *frameReader) next() (Kind, []byte, error) {
	if _, err := io.ReadFull(f.r, f.header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(f.header[:])
	if uint64(length) > uint64(f.max) {
		return 0, nil, violationf("a frame of %d bytes is over the limit of %d", length, f.max)
	}
	payload, err := f.payload(int(length))
	if err != nil {
		return 0, nil, err
	}
	if frameSum(f.header[:13], payload) != binary.BigEndian.Uint32(f.header[13:]) {
		return 0, nil, violationf("a frame of %d bytes does not match its checksum", length)
	}
	if got := binary.BigEndian.Uint64(f.header[5:]); got != f.sequence+1 {
		return 0, nil, violationf("frame %d came where frame %d should", got, f.sequence+1)
	}
	f.sequence++
	kind := Kind(f.header[4])
	if kind == KindKeepalive && length != 0 {
		return 0, nil, violationf("a keepalive has a payload of %d bytes", length)
	}
	return kind, payload, nil
}

// payload reads n bytes into the reader's buffer, which grows as they come.
func (f *frameReader) payload(n int) ([]byte, error) {
	if cap(f.buf) > maxScratch {
		f.buf = nil // do not keep the memory of a rare big frame
	}
	buf := f.buf[:0]
	for len(buf) < n {
		start := len(buf)
		step := min(n-start, max(start, growStep))
		buf = slices.Grow(buf, step)[:start+step]
		if _, err := io.ReadFull(f.r, buf[start:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	f.buf = buf
	return buf, nil
}

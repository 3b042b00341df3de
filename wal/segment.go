package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxSegmentBytes bounds Options.SegmentBytes, and so how long a segment file can be.
const maxSegmentBytes = 1 << 30

// segmentFile reads the frames of one segment file in order: uvarint length, payload.
type segmentFile struct {
	segment
	file   *os.File
	size   int64 // when it was opened
	offset int64 // of the next frame
	r      *bufio.Reader
	room   room
}

// room gives memory for records, many from one allocation: a million of their own keep the garbage collector busy. A
// piece keeps its chunk alive, so a chunk is small beside what a log holds.
type room struct{ rest []byte }

const roomBytes = 64 << 10

func (r *room) take(n int) []byte {
	if n > roomBytes/8 {
		return make([]byte, n)
	}
	if n > len(r.rest) {
		r.rest = make([]byte, roomBytes)
	}
	piece := r.rest[:n:n]
	r.rest = r.rest[n:]
	return piece
}

func openSegment(dir string, seg segment, flag int) (*segmentFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, seg.name), flag, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > maxSegmentBytes+maxPayloadBytes+binary.MaxVarintLen64 {
		err = &DamageError{
			File: seg.name, Offset: maxSegmentBytes, Expected: "the end of the file",
			Found: fmt.Sprintf("it has %d bytes, more than any segment can have: this program did not write it", info.Size()),
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s := &segmentFile{segment: seg, file: f, size: info.Size()}
	s.rewind()
	return s, nil
}

// rewind makes next read at s.offset.
func (s *segmentFile) rewind() {
	rest := s.size - s.offset
	s.r = bufio.NewReaderSize(io.NewSectionReader(s.file, s.offset, rest), int(min(rest, 256<<10)))
}

// badFrame says why a frame is not a record of this log.
type badFrame struct {
	end    int64 // where it would end; behind the end of the file if it runs off it
	reason string
	// The length cannot be right, so nobody knows where it would end.
	endless bool
	// Not a torn write, whatever else the file holds: its checksum is right, but it does not belong here.
	misplaced bool
	// The checksum is right for the salt of another store, which this is, then.
	implied salt
}

// next reads one frame and moves behind it. It gives a badFrame, and does not move, when there is no record
// that this store wrote. It allocates no more than what the file holds.
func (s *segmentFile) next(salt salt) (payload []byte, bad *badFrame, err error) {
	head, err := s.r.Peek(int(min(binary.MaxVarintLen64, s.size-s.offset)))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s at offset %d: %w", s.name, s.offset, err)
	}
	length, n := binary.Uvarint(head)
	switch {
	case n == 0:
		return nil, &badFrame{end: s.size + 1, reason: "the file ends inside the length of a record"}, nil
	case n < 0 || length > maxPayloadBytes:
		return nil, &badFrame{end: s.size, endless: true, reason: "the length of the record is more than a record can have"}, nil
	case length < minPayloadBytes:
		return nil, &badFrame{end: s.offset + int64(n) + int64(length), reason: fmt.Sprintf("the length of the record is %d, and the shortest has %d", length, minPayloadBytes)}, nil
	}
	end := s.offset + int64(n) + int64(length)
	if end > s.size {
		return nil, &badFrame{end: end, reason: fmt.Sprintf("the record ends at offset %d, behind the end of the file, %d", end, s.size)}, nil
	}
	payload = s.room.take(int(length))
	_, err = s.r.Discard(n)
	if err == nil {
		_, err = io.ReadFull(s.r, payload)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s at offset %d: %w", s.name, s.offset, err)
	}
	if !salt.verify(payload) {
		implied := impliedSalt(payload)
		return nil, &badFrame{end: end, implied: implied, reason: fmt.Sprintf("the checksum is wrong (off by %08x)", uint32(implied^salt))}, nil
	}
	s.offset = end
	return payload, nil, nil
}

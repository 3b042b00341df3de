package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// sectorBytes is what a disk writes as a whole or not at all.
const sectorBytes = 512

// judge decides about the first bad frame of the last segment: empty if it is what a write that was
// never acknowledged can leave behind, and may be cut off with all behind it; else how
// it is known to be damage. seq is the number that the record had to have; behind written the file has only zeros.
func judge(s *segmentFile, salt salt, seq uint64, bad *badFrame, written int64) (damage string, err error) {
	if bad.misplaced {
		return bad.reason, nil
	}
	proof, err := findProof(s, salt, seq)
	if err != nil {
		return "", err
	}
	if proof != 0 {
		return fmt.Sprintf("%s; it was on stable storage once, since the record at offset %d says so", bad.reason, proof), nil
	}
	if bad.end > s.size {
		return "", nil // the end of the write never got here
	}
	foreign, err := isForeign(s, bad)
	if err != nil {
		return "", err
	}
	if foreign {
		return bad.reason + "; the record behind it has the same fault, so the file belongs to another store", nil
	}
	end := bad.end
	if bad.endless {
		end = written
	}
	missing, err := sectorMissing(s, end)
	if err != nil {
		return "", err
	}
	if !missing && written >= end {
		// All of it was written, and then it changed; or the file system shows what was on the disk
		// before. Refusing costs a node, cutting might cost what was acknowledged.
		return bad.reason + "; nothing of it is missing, so this is not a write that was interrupted", nil
	}
	return "", nil
}

// findProof looks behind the bad frame for a record that says that record seq was synced. It tries every
// offset, since the bad frame's length cannot be believed. It returns the offset, or 0.
func findProof(s *segmentFile, salt salt, seq uint64) (int64, error) {
	const window, header = 1 << 20, binary.MaxVarintLen64 + maxOverheadBytes
	buf := make([]byte, min(window+header, s.size-s.offset))
	for base := s.offset; base < s.size; base += window {
		n, err := s.file.ReadAt(buf[:min(int64(len(buf)), s.size-base)], base)
		if err != nil && err != io.EOF {
			return 0, fmt.Errorf("read %s: %w", s.name, err)
		}
		for i := 0; i < min(n, window); i++ {
			if buf[i] < minPayloadBytes {
				continue // in a run of zeros, for one
			}
			found, err := provesAt(s, salt, seq, base+int64(i), buf[i:n])
			if err != nil || found {
				return base + int64(i), err
			}
		}
	}
	return 0, nil
}

// provesAt tells whether a good record begins at offset, and says that seq was synced. head is what
// the file holds there, long enough for all but an entry's data.
func provesAt(s *segmentFile, salt salt, seq uint64, offset int64, head []byte) (bool, error) {
	length, n := binary.Uvarint(head)
	if n <= 0 || length < minPayloadBytes || length > maxPayloadBytes || offset+int64(n)+int64(length) > s.size {
		return false, nil
	}
	// Look at the cheap fields first: most offsets end here.
	d := decoder{rest: head[min(len(head), n+checksumBytes):]}
	kind, number, back := recordType(d.byte()), d.uvarint(), d.uvarint()
	if d.bad || kind < recordHard || kind > recordStart || number <= seq || back > number || number-back < seq {
		return false, nil
	}
	payload := make([]byte, length)
	if _, err := s.file.ReadAt(payload, offset+int64(n)); err != nil {
		return false, fmt.Errorf("read %s: %w", s.name, err)
	}
	return salt.verify(payload), nil
}

// isForeign tells whether the bad frame and the one behind it are good records of one other store.
func isForeign(s *segmentFile, bad *badFrame) (bool, error) {
	other := segmentFile{segment: s.segment, file: s.file, size: s.size, offset: bad.end}
	if bad.implied == 0 || bad.end >= s.size {
		return false, nil
	}
	other.rewind()
	payload, _, err := other.next(bad.implied)
	return payload != nil, err
}

// sectorMissing tells whether a whole sector of [s.offset, end) is zero: it was never written, though
// the file was already made longer.
func sectorMissing(s *segmentFile, end int64) (bool, error) {
	var buf, zero [sectorBytes]byte
	for from := s.offset; from < max(end, s.offset+1); {
		to := min(from-from%sectorBytes+sectorBytes, s.size)
		sector := buf[:to-from]
		if _, err := s.file.ReadAt(sector, from); err != nil {
			return false, fmt.Errorf("read %s: %w", s.name, err)
		}
		if bytes.Equal(sector, zero[:len(sector)]) {
			return true, nil
		}
		from = to
	}
	return false, nil
}

package wal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// FuzzRecords: whatever records stand in two segments, each with the right checksum, as only a program with other rules would
// write them, the directory is refused, or recovered to a log that a server could have had; and what was recovered stays.
func FuzzRecords(f *testing.F) {
	bodies := bodiesOf(fuzzLog())
	snapshot := fuzzSnapshot(snapshotAt(5, 5))
	f.Add(bodies, []byte{}, uint16(0))
	f.Add(bodies[:len(bodies)/2], bodies[len(bodies)/2:], uint16(9))
	last := fuzzLastSegment()
	f.Add(bodies, last, uint16(last[2])) // the number of its first record
	f.Add([]byte{}, last, uint16(last[2]))
	f.Fuzz(func(t *testing.T, first, second []byte, secondAt uint16) {
		content := map[string][]byte{
			identityName:                            sealed(fuzzIdentity.text()),
			incarnationName:                         sealed((&starts{now: Incarnation{}.next()}).text(fuzzIdentity)),
			newestName:                              sealed(newestText(fuzzIdentity, 1)),
			segmentName(1):                          framed(first),
			snapshotName(snapshotAt(5, 5).Position): snapshot,
		}
		if secondAt > 1 {
			content[segmentName(uint64(secondAt))] = framed(second)
		}
		dir := dirWith(t, content)
		saved, _, err := scanned(dir)
		l, openErr := Open(dir, testOptions)
		if (err == nil) != (openErr == nil) {
			t.Fatalf("scan says %v, open says %v", err, openErr)
		}
		if err != nil {
			return
		}
		checkPossible(t, saved)
		checkSaved(t, mustLoad(t, l), saved)
		mustClose(t, l)
		checkSaved(t, reopened(t, dir), saved)
	})
}

// fuzzLastSegment is a segment that goes on where fuzzLog ends.
func fuzzLastSegment() []byte {
	s := scanner{id: fuzzIdentity, salt: fuzzIdentity.salt()}
	for rest := bodiesOf(fuzzLog()); len(rest) > 0; {
		r, err := decodeRecord(append(make([]byte, checksumBytes), rest[1:1+rest[0]]...), nil)
		if err == nil {
			err = s.replay(&r)
		}
		if err != nil {
			panic(err)
		}
		s.seq, rest = r.seq, rest[1+rest[0]:]
	}
	start := record{kind: recordStart, seq: s.seq + 1, back: 1, start: s.state.start()}
	body := s.salt.appendRecord(nil, &start)[checksumBytes:]
	return append([]byte{byte(len(body))}, body...)
}

// bodiesOf gives the records of a segment, whose lengths take one byte, without their checksums.
func bodiesOf(segment []byte) []byte {
	var bodies []byte
	for len(segment) > 0 {
		n := segment[0]
		bodies = append(append(bodies, n-checksumBytes), segment[1+checksumBytes:1+n]...)
		segment = segment[1+n:]
	}
	return bodies
}

// framed is the inverse, for any bytes.
func framed(bodies []byte) []byte {
	var segment bytes.Buffer
	for len(bodies) > 0 {
		n := min(int(bodies[0]), len(bodies)-1)
		body := bodies[1 : 1+n]
		bodies = bodies[1+n:]
		frame := binary.AppendUvarint(nil, uint64(n+checksumBytes))
		frame = binary.LittleEndian.AppendUint32(frame, crc32.Checksum(body, castagnoli)^uint32(fuzzIdentity.salt()))
		segment.Write(append(frame, body...))
	}
	return segment.Bytes()
}

// The seeds of FuzzRecords must be logs, or it would only ever see refusals.
func TestSeedsOfFuzzRecords(t *testing.T) {
	if !bytes.Equal(framed(bodiesOf(fuzzLog())), fuzzLog()) {
		t.Fatal("the records of a log, framed again, are not that log")
	}
	last := fuzzLastSegment()
	dir := dirWith(t, map[string][]byte{
		identityName:    sealed(fuzzIdentity.text()),
		incarnationName: sealed((&starts{now: Incarnation{}.next()}).text(fuzzIdentity)),
		newestName:      sealed(newestText(fuzzIdentity, uint64(last[2]))),
		segmentName(1):  fuzzLog(), segmentName(uint64(last[2])): framed(last),
		snapshotName(snapshotAt(5, 5).Position): fuzzSnapshot(snapshotAt(5, 5)),
	})
	checkSaved(t, scannedWell(t, dir), shadow(story()))
}

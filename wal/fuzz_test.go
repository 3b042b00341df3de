package wal

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// FuzzDecodeRecord: any bytes decode to a record that encodes to the same bytes, or to an error.
func FuzzDecodeRecord(f *testing.F) {
	const salt = salt(0x1234)
	for _, r := range []record{
		{kind: recordHard, seq: 1, back: 1, hard: consensus.HardState{Term: 300, VotedFor: "n1"}},
		{kind: recordEntries, seq: 1 << 40, back: 200, entries: []consensus.Entry{{Index: 9, Term: 8, Kind: 1, Data: []byte("data")}}},
		{kind: recordEntries, seq: 4, back: 2, entries: append(entries(300, 2, 3), consensus.Entry{Index: 303, Term: 200})},
		{kind: recordMark, seq: 3, back: 1, commit: 2},
		{kind: recordSnapshot, seq: 3, back: 1, marker: marker{Position: position(200, 3), base: position(130, 2), file: fileSum{4096, 1 << 31}}},
		{kind: recordStart, seq: 3, back: 1, start: start{hard: *hard(4, "n2"), last: position(7, 3), commit: 6, snapshot: marker{Position: position(5, 3), base: position(5, 3), installed: true}}},
	} {
		f.Add(encode(salt, &r)[checksumBytes:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRecord(append(make([]byte, checksumBytes), body...), nil)
		if err != nil {
			return
		}
		payload := encode(salt, &r)
		if !bytes.Equal(payload[checksumBytes:], body) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", body, r, payload[checksumBytes:])
		}
		if !salt.verify(payload) || len(payload) > maxPayloadBytes && len(r.entries) != 1 {
			t.Fatalf("%x does not verify, or is too long", payload)
		}
	})
}

// fuzzIdentity is of a store whose identifier never changes, so that a corpus can hold records of it.
var fuzzIdentity = identity{cluster: "c1", node: "n1", store: "00112233445566778899aabbccddeeff"}

// FuzzRecovery: a segment of any bytes is refused, or recovered to a log that a server could have had; and what
// was recovered stays. Each try fsyncs; give `go test -fuzz` also -fuzzminimizetime=1x, or it spends its time on making inputs smaller.
func FuzzRecovery(f *testing.F) {
	whole, snapshot := fuzzLog(), fuzzSnapshot(snapshotAt(5, 5))
	f.Add(whole, 0, byte(0))
	f.Add(whole[:len(whole)-3], 0, byte(0))
	f.Add(append(slices.Clone(whole), make([]byte, 600)...), 0, byte(0))
	f.Add([]byte{}, 0, byte(0))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0, byte(0))
	f.Add(whole, 30, byte(1))
	f.Fuzz(func(t *testing.T, segment []byte, at int, flip byte) {
		if at >= 0 && at < len(segment) {
			segment = slices.Clone(segment)
			segment[at] ^= flip
		}
		dir := dirWith(t, map[string][]byte{
			identityName:                            sealed(fuzzIdentity.text()),
			incarnationName:                         sealed((&starts{now: Incarnation{}.next()}).text(fuzzIdentity)),
			newestName:                              sealed(newestText(fuzzIdentity, 1)),
			segmentName(1):                          segment,
			snapshotName(snapshotAt(5, 5).Position): snapshot,
		})
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

// FuzzSmallFiles: whatever the two files say that change with each start and each snapshot, and whether their checksum is right, the
// log is refused, or what is in it is what was in it: neither file can change that.
func FuzzSmallFiles(f *testing.F) {
	first := starts{now: Incarnation{Number: 1, Marks: []uint32{7}}}
	anchored := first.with(fuzzIdentity, "n2")
	newest, incarnation := newestText(fuzzIdentity, 1), first.text(fuzzIdentity)
	f.Add(newest, anchored.text(fuzzIdentity), true)
	f.Add(newest, incarnation, true)
	f.Add(newestText(fuzzIdentity, 2), incarnation, true)
	f.Add(newest, first.text(identity{store: "another"}), true)
	f.Add(newest, "", false)
	f.Fuzz(func(t *testing.T, newest, incarnation string, seal bool) {
		write := func(text string) []byte { return []byte(text) }
		if seal {
			write = sealed
		}
		dir := dirWith(t, map[string][]byte{
			identityName:                            sealed(fuzzIdentity.text()),
			newestName:                              write(newest),
			incarnationName:                         write(incarnation),
			segmentName(1):                          fuzzLog(),
			snapshotName(snapshotAt(5, 5).Position): fuzzSnapshot(snapshotAt(5, 5)),
		})
		l, err := Open(dir, testOptions)
		if err != nil {
			return
		}
		checkSaved(t, mustLoad(t, l), shadow(story()))
		for _, text := range []string{newest, incarnation} {
			if !strings.Contains(text, fuzzIdentity.store) {
				t.Fatalf("it started with a file of another store: %q", text)
			}
		}
		if before, err := readStarts(dir, fuzzIdentity); err != nil || before.now.String() != l.Recovery().Incarnation.String() {
			t.Fatalf("it started as %s; the file says %s, %v", l.Recovery().Incarnation, before.now, err)
		}
		mustClose(t, l)
		checkSaved(t, reopened(t, dir), shadow(story()))
	})
}

// fuzzSnapshot is a file of the store fuzzIdentity.
func fuzzSnapshot(s *consensus.Snapshot) []byte {
	var file bytes.Buffer
	_, err := encodeSnapshot(fuzzIdentity, fuzzIdentity.salt(), s, func(p []byte) error { _, err := file.Write(p); return err })
	if err != nil {
		panic(err)
	}
	return file.Bytes()
}

// FuzzSnapshotFile: any bytes are refused, or are the file of the snapshot that they are read as.
func FuzzSnapshotFile(f *testing.F) {
	f.Add(fuzzSnapshot(snapshotAt(5, 5)), 0, byte(0))
	f.Add(fuzzSnapshot(snapshotAt(70, 3)), 0, byte(0)) // two blocks
	f.Add(fuzzSnapshot(&consensus.Snapshot{Position: position(1, 1)}), 30, byte(1))
	f.Add([]byte(snapshotMagic), 0, byte(0))
	f.Fuzz(func(t *testing.T, file []byte, at int, flip byte) {
		if at >= 0 && at < len(file) {
			file = slices.Clone(file)
			file[at] ^= flip
		}
		r := newSnapshotReader(fuzzIdentity, bytes.NewReader(file), uint64(len(file)))
		s, err := r.read(true)
		if _, scanErr := newSnapshotReader(fuzzIdentity, bytes.NewReader(file), uint64(len(file))).read(false); (err == nil) != (scanErr == nil) {
			t.Fatalf("kept: %v, only read: %v", err, scanErr)
		}
		if err == nil && !bytes.Equal(fuzzSnapshot(s), file) {
			t.Fatalf("%x is read as %+v", file, s)
		}
	})
}

// fuzzLog is a segment of the store fuzzIdentity that holds the story.
func fuzzLog() []byte {
	var data []byte
	var seq, synced uint64
	put := func(r record) {
		seq++
		r.seq, r.back = seq, seq-synced
		payload := encode(fuzzIdentity.salt(), &r)
		if len(payload) > 0x7f {
			panic("the length of a record of the story takes more than one byte")
		}
		data = append(append(data, byte(len(payload))), payload...)
	}
	put(record{kind: recordStart})
	for _, save := range story() {
		if save.HardState != nil {
			put(record{kind: recordHard, hard: *save.HardState})
		}
		if save.Snapshot != nil {
			sum, err := encodeSnapshot(fuzzIdentity, fuzzIdentity.salt(), save.Snapshot, func([]byte) error { return nil })
			if err != nil {
				panic(err)
			}
			put(record{kind: recordSnapshot, marker: markerOf(&save, sum)})
		}
		if len(save.Entries) > 0 {
			put(record{kind: recordEntries, entries: save.Entries})
		}
		synced = seq
		put(record{kind: recordMark})
	}
	return data
}

// checkPossible checks what holds of every log (Figure 3, §5.3).
func checkPossible(t *testing.T, s consensus.Saved) {
	t.Helper()
	term := consensus.Term(1)
	for i, e := range s.Entries {
		if e.Index != s.Base.Index+consensus.Index(i+1) || e.Term < term || e.Term > s.HardState.Term {
			t.Fatalf("entry %d of term %d stands at %d, behind term %d, with currentTerm %d", e.Index, e.Term, i+1, term, s.HardState.Term)
		}
		term = e.Term
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(fuzzIdentity.text())
	f.Add("raft log\nformat: 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := parseIdentity(text); err == nil && id.text() != text {
			t.Fatalf("%q parses to %+v", text, id)
		}
	})
}

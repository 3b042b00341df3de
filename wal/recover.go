package wal

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Recovery tells what Open or Scan found in a directory.
type Recovery struct {
	Cluster      string
	Node         consensus.ServerID
	Store        string      // random identity of the directory
	Format       int         // of the files; 0 if that could not be read
	NewDirectory bool        // Open created the log; nothing was there
	Incarnation  Incarnation // of the start that Open is; of the newest one, for Scan

	Segments int
	Bytes    int64 // of all segments, behind the repair
	Records  uint64
	LastSeq  uint64 // number of the last record; the ones before the first are gone
	Written  int    // entries in the files: also those that others have replaced since, or that the base has passed

	Snapshot      consensus.Position // of the newest snapshot; zero if there is none
	SnapshotFile  string
	SnapshotBytes int64              // of that file
	Members       string             // the configuration in it
	Base          consensus.Position // the place before the first live entry

	Entries   int // live entries
	LastIndex consensus.Index
	LastTerm  consensus.Term
	Term      consensus.Term
	VotedFor  consensus.ServerID
	Commit    consensus.Index // highest commitIndex that is on record; the real one is at least this

	// Repaired is the tail that Open cut off, or that Scan saw and Open would cut off, since it is not whole; nil if
	// the log ended at the end of a record.
	Repaired     *Repair
	ReserveBytes int64 // that are kept back: see Options.ReserveBytes
	Duration     time.Duration
}

// Repair is a tail that is not whole. An interrupted write leaves one, and then nothing of it was acknowledged. No record
// proves that anything of it was; but what was acknowledged last before a power cut, and damaged since, can
// look the same: see "What this cannot see" in FORMAT.md.
type Repair struct {
	File     string
	Offset   int64 // where it begins, and the file now ends
	BytesCut int64
	Reason   string // what was wrong at Offset
}

// String says what is cut off, where and why, for people.
func (r Repair) String() string {
	return fmt.Sprintf("a tail that is not whole (%d bytes, from offset %d of %s on): %s", r.BytesCut, r.Offset, r.File, r.Reason)
}

// scanner reads a whole log, in order, and checks all of it.
type scanner struct {
	id          identity
	salt        salt
	incarnation Incarnation // of the last start
	state       state
	entries     []consensus.Entry // the log; only if keep
	keep        bool
	visit       func(Record) error // may be nil

	started  bool            // a record of type start was read: the state is known
	from     consensus.Index // of entries[0], also if they are not kept
	gap      *DamageError    // why nothing is known of the records before the start
	spans    spans
	snapshot *consensus.Snapshot // without its data, unless keep

	records  uint64
	written  int               // entries in them
	spare    []consensus.Entry // of the record before, for the next
	seq      uint64            // of the last good record
	lastKind recordType
	tail     segment // the last segment
	tailSize int64   // of its good part
	bytes    int64
	ahead    int64 // zeros at the end of the last segment, behind a record or a tail that is not whole
	repair   *Repair
	// unproven are the offsets, in the last segment, of the records that no other record says
	// were synced: the last ones up to seq.
	unproven []int64
}

// scan reads the segments and the snapshot. newest is the number of the newest segment that must exist.
func (s *scanner) scan(dir string, files listing, newest uint64) error {
	s.salt = s.id.salt()
	list := files.segments
	if newest == 0 && len(files.snapshots) > 0 {
		return missing(newestName, "it was written before "+files.snapshots[0])
	}
	if newest == 0 && s.incarnation.Number > 0 {
		return missing(newestName, "it was written before the file "+incarnationName)
	}
	var last uint64
	if len(list) > 0 {
		last = list[len(list)-1].first
	}
	if newest > last {
		return missing(segmentName(newest), "the file "+newestName+" names it")
	}
	for i, seg := range list {
		if seg.first != s.seq+1 {
			if seg.first <= s.seq {
				return &DamageError{File: seg.name, Expected: fmt.Sprintf("record %d", s.seq+1), Found: "by its name the file begins with an earlier one"}
			}
			s.restart(seg)
		}
		if err := s.segment(dir, seg, i == len(list)-1); err != nil {
			return err
		}
	}
	return s.conclude(dir, list, newest)
}

// restart goes on behind a gap. Compaction leaves one, before all segments that are needed, and a power cut in the
// middle of it may leave several: conclude tells that from a loss.
func (s *scanner) restart(seg segment) {
	s.gap = missing(segmentName(s.seq+1), fmt.Sprintf("segment file %s begins with record %d, and record %d is in no file", seg.name, seg.first, s.seq+1))
	s.seq, s.started, s.entries = seg.first-1, false, nil
	s.spans.drop()
}

// conclude checks that nothing is missing that the records say is needed, and reads the snapshot.
func (s *scanner) conclude(dir string, list []segment, newest uint64) (err error) {
	if !s.started && len(list) > 0 && (newest > 0 || s.gap != nil) {
		return &DamageError{
			File: list[len(list)-1].name, Expected: "a record that was on stable storage before the file " + newestName + " was written", Found: "it does not begin with a record",
		}
	}
	if s.incarnation.Number == 0 && s.used(list) {
		return missing(incarnationName, "it was written before anything was saved")
	}
	base := s.state.snapshot.base.Index
	if s.started && s.from > base+1 {
		return s.hole(base+1, s.from-1, list)
	}
	if s.state.snapshot.Index == 0 {
		return nil
	}
	s.snapshot, err = readSnapshot(dir, s.id, &s.state.snapshot, s.keep)
	if err != nil {
		return &SnapshotError{err}
	}
	return nil
}

// used tells whether something was saved: the log is more than what its creation wrote.
func (s *scanner) used(list []segment) bool {
	return len(list) > 1 || s.state.hard != consensus.HardState{} || s.state.last > 0 || s.state.snapshot.Index > 0
}

// hole says which entries are missing, and where they were.
func (s *scanner) hole(first, last consensus.Index, list []segment) error {
	what := fmt.Sprintf("the entries %d to %d, which no snapshot makes superfluous", first, last)
	if s.gap == nil {
		return &DamageError{File: list[0].name, Expected: what, Found: "the file begins behind them"}
	}
	return missing(s.gap.File, s.gap.Expected+"; it had "+what+"; or the file before it had them, and is cut short")
}

func (s *scanner) segment(dir string, seg segment, last bool) error {
	f, err := openSegment(dir, seg, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.file.Close()
	// tidwall/wal syncs a segment before it creates the next.
	s.unproven = s.unproven[:0]
	for f.offset < f.size {
		start := f.offset
		bad, err := s.record(f)
		if err != nil {
			return err
		}
		if bad == nil {
			continue
		}
		f.offset = start
		written, err := f.written()
		if err != nil {
			return err
		}
		if s.ahead = f.size - written; last && written == start {
			break
		}
		damage, err := s.damaged(f, bad, last, written)
		if err != nil {
			return err
		}
		if damage != "" {
			return &DamageError{File: seg.name, Offset: start, Expected: fmt.Sprintf("record %d", s.seq+1), Found: damage}
		}
		s.repair = &Repair{File: seg.name, Offset: start, BytesCut: written - start, Reason: bad.reason}
		break
	}
	s.tail, s.tailSize = seg, f.offset
	s.bytes += f.offset
	return nil
}

// damaged says how a bad frame is known to be damage; empty if it may be cut off.
func (s *scanner) damaged(f *segmentFile, bad *badFrame, last bool, written int64) (string, error) {
	if !last {
		return bad.reason + "; only the last file can end in an interrupted write, and this is not the last", nil
	}
	return judge(f, s.salt, s.seq+1, bad, written)
}

// record reads, checks and replays one record.
func (s *scanner) record(f *segmentFile) (*badFrame, error) {
	start := f.offset
	payload, bad, err := f.next(s.salt)
	if bad != nil || err != nil {
		return bad, err
	}
	r, err := decodeRecord(payload, s.spare[:0])
	switch isFirst := start == 0; {
	case err != nil:
	case r.seq != s.seq+1:
		err = fmt.Errorf("it holds record %d", r.seq)
	case isFirst != (r.kind == recordStart):
		err = fmt.Errorf("it holds a record of type %s; a segment has one of type start, its first", r.kind)
	}
	if err == nil {
		err = s.replay(&r)
	}
	if err != nil {
		return &badFrame{end: f.offset, reason: err.Error(), misplaced: true}, nil
	}
	s.seq, s.lastKind = r.seq, r.kind
	s.records++
	s.written += len(r.entries)
	if r.entries != nil {
		s.spare = r.entries
	}
	s.unproven = append(s.unproven, start)
	if open := r.seq - r.synced(); open < uint64(len(s.unproven)) {
		s.unproven = s.unproven[uint64(len(s.unproven))-open:]
	}
	if s.visit == nil {
		return nil, nil
	}
	return nil, visitRecord(s.visit, &r, f, start)
}

// saved gives what was kept: the sum of all Saves.
func (s *scanner) saved() consensus.Saved {
	return consensus.Saved{HardState: s.state.hard, Snapshot: s.snapshot, Base: s.state.snapshot.base, Entries: s.entries, Commit: s.state.commit}
}

// report gives what the scan found.
func (s *scanner) report(list []segment) Recovery {
	m := &s.state.snapshot
	live := s.state.last - m.base.Index
	r := Recovery{
		Cluster: s.id.cluster, Node: s.id.node, Store: s.id.store,
		Segments: len(list), Bytes: s.bytes, Records: s.records, LastSeq: s.seq,
		Written:  s.written,
		Snapshot: m.Position, SnapshotBytes: int64(m.file.bytes), Base: m.base,
		Entries: int(live), LastIndex: s.state.last, LastTerm: s.state.lastTerm(),
		Term: s.state.hard.Term, VotedFor: s.state.hard.VotedFor, Commit: s.state.commit,
		Repaired: s.repair, Incarnation: s.incarnation,
	}
	if s.id.store != "" {
		r.Format = formatVersion // readIdentity takes no other
	}
	if m.Index > 0 {
		r.SnapshotFile = snapshotName(m.Position)
	}
	if s.snapshot != nil {
		r.Members = s.snapshot.Config.String()
	}
	return r
}

// mend cuts the torn tail off, and writes again what no record says was synced. The second is for a
// crash behind a failed fsync: the kernel then still shows pages that it dropped, and
// would have nothing to do at the next fsync.
func (s *scanner) mend(dir string, disk disk) error {
	f, err := openSegment(dir, s.tail, os.O_RDWR)
	if err != nil {
		return err
	}
	if s.repair != nil || s.ahead > 0 {
		err = f.file.Truncate(s.tailSize)
	}
	if err == nil && len(s.unproven) > 0 {
		err = disk.rewrite(f.file, s.unproven[0], s.tailSize)
	}
	if err == nil {
		err = f.file.Sync()
	}
	if err = errors.Join(err, f.file.Close()); err != nil {
		return fmt.Errorf("repair %s: %w", s.tail.name, err)
	}
	return nil
}

// readerWriterAt is what rewrite needs of a file.
type readerWriterAt interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
}

// rewrite writes what f holds in [from, to) to the same place.
func rewrite(f readerWriterAt, from, to int64) error {
	buf := make([]byte, min(to-from, 1<<20))
	for from < to {
		chunk := buf[:min(int64(len(buf)), to-from)]
		if _, err := f.ReadAt(chunk, from); err != nil {
			return err
		}
		if _, err := f.WriteAt(chunk, from); err != nil {
			return err
		}
		from += int64(len(chunk))
	}
	return nil
}

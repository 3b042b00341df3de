package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Record is one record of a log, or one entry of a record that has several, for people and tools.
type Record struct {
	File   string
	Offset int64  // in File, of the length that precedes the record
	Bytes  int64  // with that length
	Seq    uint64 // number of the record, from 1
	Synced uint64 // the last record that was known to be on stable storage when this was written
	Type   string // "hard", "entry", "mark", "snapshot" or "start"

	Term     consensus.Term     // of hard, entry and start
	VotedFor consensus.ServerID // of hard and start
	Commit   consensus.Index    // of mark and start
	Entry    consensus.Entry    // of entry; Data must not be changed
	Entries  int                // of entry: how many the record has; they come one by one, each with the same place and number
	Last     consensus.Position // of start: the last entry before

	Snapshot      consensus.Position // of snapshot and start, as the following; zero if there is none
	SnapshotBytes int64              // of its file
	Base          consensus.Position
	Installed     bool // it came from a leader, and nothing remains of the log before
}

// visitRecord shows r to visit.
func visitRecord(visit func(Record) error, r *record, f *segmentFile, start int64) error {
	p := Record{
		File: f.name, Offset: start, Bytes: f.offset - start,
		Seq: r.seq, Synced: r.synced(), Type: r.kind.String(),
		Term: r.hard.Term, VotedFor: r.hard.VotedFor, Commit: r.commit,
	}
	m := &r.marker
	switch r.kind {
	case recordEntries:
		return visitEntries(visit, p, r.entries)
	case recordStart:
		m = &r.start.snapshot
		p.Term, p.VotedFor, p.Commit, p.Last = r.start.hard.Term, r.start.hard.VotedFor, r.start.commit, r.start.last
	}
	p.Snapshot, p.SnapshotBytes, p.Base, p.Installed = m.Position, int64(m.file.bytes), m.base, m.installed
	return visit(p)
}

func visitEntries(visit func(Record) error, p Record, list []consensus.Entry) error {
	p.Type, p.Entries = "entry", len(list)
	for i := range list {
		p.Entry, p.Term = list[i], list[i].Term
		if err := visit(p); err != nil {
			return err
		}
	}
	return nil
}

// Scan reads and checks the log in dir, and changes nothing: a node may be running on it, and
// then the newest records may be missing or look torn, and a compaction in between can remove a file under
// its hands, which is an error: try again. visit, if not nil, gets each
// record in order, and of a record of entries each entry; an error from it ends the scan.
// The error is the one that Open would refuse the directory with.
func Scan(dir string, visit func(Record) error) (Recovery, error) {
	began := time.Now()
	s := scanner{visit: visit}
	list, err := s.readOnly(dir)
	report := s.report(list)
	if info, err := os.Lstat(filepath.Join(dir, reserveName)); err == nil && info.Mode().IsRegular() {
		report.ReserveBytes = info.Size()
	}
	report.Duration = time.Since(began)
	if err != nil {
		return report, fmt.Errorf("wal: scan %s: %w", dir, err)
	}
	return report, nil
}

func (s *scanner) readOnly(dir string) ([]segment, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	var err error
	s.id, err = readIdentity(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no raft log in it: it has no identity file")
	}
	if err != nil {
		return nil, err
	}
	starts, err := readStarts(dir, s.id)
	if err != nil {
		return nil, err
	}
	s.incarnation = starts.now
	// Before the list: a segment that is created in between is only in the list.
	newest, err := readNewest(dir, s.id)
	if err != nil {
		return nil, err
	}
	files, err := listDir(dir)
	if err != nil {
		return nil, err
	}
	return files.segments, s.scan(dir, files, newest)
}

// ReadSnapshot reads the snapshot that a Scan of dir found, with its data, and checks every block. A node that runs may have replaced it
// since: then the error is fs.ErrNotExist.
func ReadSnapshot(dir string, found Recovery) (*consensus.Snapshot, error) {
	id, err := readIdentity(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: %s: %w", dir, err)
	}
	_, snapshot, err := openSnapshot(filepath.Join(dir, snapshotName(found.Snapshot)), id, true)
	if err == nil && snapshot.Position != found.Snapshot {
		err = fmt.Errorf("it is at %d of term %d", snapshot.Index, snapshot.Term)
	}
	if err != nil {
		return nil, fmt.Errorf("wal: %s: snapshot file %s: %w", dir, snapshotName(found.Snapshot), err)
	}
	return snapshot, nil
}

package wal

import (
	"errors"
	"fmt"
	"os"

	tidwall "github.com/tidwall/wal"

	"github.com/raftnode/raft/raft/consensus"
)

// Log is the persistent state of one server. It is for one goroutine, but for PrepareSnapshot and the methods of the reserve.
type Log struct {
	dir          string
	id           identity
	salt         salt // of id
	segmentBytes int64
	disk         disk
	lock         *os.File
	log          appendLog
	snapshots    snapshotFiles
	reserve      reserve
	starts       guardedStarts
	recovery     Recovery

	saved  *consensus.Saved // what Load gives, once
	state  state            // after the last Save
	failed error            // the first error of Save; final
	closed bool

	seq    uint64 // of the last record in log or batch
	synced uint64 // of the last record known to be on stable storage
	tail   int64  // bytes in the newest segment; always less than segmentBytes
	newest uint64 // what the file "newest" says; 0 if there is none
	ahead  uint64 // the segment that was allocated ahead last; 0 if none was

	head      start // what the records up to seq add up to; state is ahead of it while a batch is written
	spans     spans
	removed   int             // segments, since tidwall/wal was opened
	compacted consensus.Index // the snapshot whose compaction is done

	run        run            // entries that are not yet in batch
	batch      *tidwall.Batch // records that are not yet written
	batchBytes int64          // their bytes in the segment
	buf        []byte         // where those are encoded that are no entries

	unmarked bool // no record says yet that the last one is on stable storage
}

// appendLog is the part of tidwall/wal that is used: nothing is ever read from it, or truncated.
type appendLog interface {
	WriteBatch(batch *tidwall.Batch) error
	Sync() error
	LastIndex() (uint64, error)
	Close() error
}

// disk is what a test replaces to make it fail.
type disk struct {
	open    func(dir string, opts *tidwall.Options) (appendLog, error)
	rewrite func(f readerWriterAt, from, to int64) error
	syncDir func(dir string) error
	create  func(path string) (writableFile, error) // of a snapshot
	rename  func(from, to string) error             // of a snapshot
	remove  func(path string) error

	space    func(dir string) (Space, error)
	allocate func(f *os.File, size int64) error // of the reserve
	ahead    func(f *os.File, size int64) error // of a segment
}

var realDisk = disk{
	open:    func(dir string, opts *tidwall.Options) (appendLog, error) { return tidwall.Open(dir, opts) },
	rewrite: rewrite,
	syncDir: fsyncDir,
	create: func(path string) (writableFile, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	},
	rename: os.Rename,
	remove: os.Remove,
	space:  SpaceOf, allocate: allocate, ahead: allocateNow,
}

// Load gives what recovery found: the sum of all Saves. It hands its memory over, so it can be called only once.
func (l *Log) Load() (consensus.Saved, error) {
	if l.saved == nil {
		return consensus.Saved{}, errors.New("wal: load: it was called before, and what it gave is not kept")
	}
	saved := *l.saved
	l.saved = nil
	return saved, nil
}

// Recovery tells what Open found.
func (l *Log) Recovery() Recovery { return l.recovery }

// Save writes the batch in order and returns when all of it is on stable storage. After an error any prefix
// of the batch may be there; the error is final, and the process should end.
func (l *Log) Save(batch []consensus.Save) error {
	return l.do("save", func() error { return l.save(batch) })
}

// Mark puts a record behind the last Save that says that it returned, so that damage to it is told from a write that never ended. The records of
// the next Save say the same: so it is for when there is no next one yet, and nobody has to wait for it. It is one write, without
// an fsync, or nothing if it is there already. An error is final, as one of Save is.
func (l *Log) Mark() error {
	return l.do("mark", func() error {
		if !l.unmarked {
			return nil
		}
		return l.mark()
	})
}

// do does what changes the files, unless something failed before.
func (l *Log) do(what string, change func() error) error {
	if l.closed {
		return fmt.Errorf("wal: %s: the log is closed", what)
	}
	if l.failed != nil {
		return fmt.Errorf("wal: %s: refused since an earlier save failed: %w", what, l.failed)
	}
	if err := change(); err != nil {
		l.failed = err
		return fmt.Errorf("wal: %s: %w", what, err)
	}
	return nil
}

func (l *Log) save(batch []consensus.Save) error {
	for i := range batch {
		if err := l.state.save(&batch[i]); err != nil {
			return fmt.Errorf("nothing was written, the caller contradicts itself: %w", err)
		}
	}
	sums, err := l.ensureSnapshots(batch)
	if err != nil {
		return err
	}
	before := l.seq
	for i := range batch {
		if err := l.put(&batch[i], sums[i]); err != nil {
			return err
		}
	}
	if err := l.endRun(); err != nil {
		return err
	}
	if l.seq == before {
		return nil
	}
	if err := l.sync(); err != nil {
		return err
	}
	if l.head.snapshot.Index == l.compacted {
		return nil
	}
	return l.compact()
}

// ensureSnapshots makes the files durable before the first record that speaks of one can be.
func (l *Log) ensureSnapshots(batch []consensus.Save) (sums map[int]fileSum, err error) {
	for i := range batch {
		if batch[i].Snapshot == nil {
			continue
		}
		if sums == nil {
			sums = map[int]fileSum{}
		}
		if sums[i], err = l.snapshots.ensure(batch[i].Snapshot, true); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
	}
	return sums, nil
}

// put appends the records of one Save. The hard state comes first: what is left of a torn
// batch never has an entry of a term that is above currentTerm.
func (l *Log) put(save *consensus.Save, sum fileSum) error {
	if save.HardState != nil {
		if err := l.append(&record{kind: recordHard, hard: *save.HardState}); err != nil {
			return err
		}
	}
	if save.Snapshot != nil {
		if err := l.append(&record{kind: recordSnapshot, marker: markerOf(save, sum)}); err != nil {
			return err
		}
	}
	for i := range save.Entries {
		if err := l.putEntry(&save.Entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// putEntry adds one entry to those that become one record: it does not matter which Save of a batch they are from.
func (l *Log) putEntry(e *consensus.Entry) error {
	if !l.run.takes(e) {
		if err := l.endRun(); err != nil {
			return err
		}
	}
	l.run.add(e)
	if l.tail+l.batchBytes+int64(l.run.bytes()) < l.segmentBytes {
		return nil
	}
	return l.endRun()
}

// endRun makes a record of the entries that are gathered.
func (l *Log) endRun() error {
	if l.run.count == 0 {
		return nil
	}
	l.begin()
	l.seq++
	l.spans.add(l.run.first, l.run.last.Index)
	l.head.last = l.run.last
	l.enqueue(l.run.payload(l.salt, l.seq, l.seq-l.synced))
	return l.writeFull()
}

// append adds one record to the batch, behind the entries that are gathered.
func (l *Log) append(r *record) error {
	if err := l.endRun(); err != nil {
		return err
	}
	l.begin()
	l.add(r)
	l.head.add(r)
	if r.kind == recordSnapshot && r.marker.installed {
		l.spans.drop()
	}
	return l.writeFull()
}

// begin begins a segment, if nothing is in it, with the sum of all before. That never fills the segment: minSegmentBytes is more.
func (l *Log) begin() {
	if l.tail+l.batchBytes == 0 {
		l.add(&record{kind: recordStart, start: l.head})
		l.spans.begin(l.seq)
	}
}

func (l *Log) add(r *record) {
	l.seq++
	r.seq, r.back = l.seq, l.seq-l.synced
	l.buf = l.salt.appendRecord(l.buf[:0], r)
	l.enqueue(l.buf)
}

func (l *Log) enqueue(payload []byte) {
	l.batch.Write(l.seq, payload)
	l.batchBytes += frameBytes(len(payload))
}

// writeFull writes the batch when the segment is full with it: so each
// write goes to one file, and it is known which one ends a segment.
func (l *Log) writeFull() error {
	if l.tail+l.batchBytes < l.segmentBytes {
		return nil
	}
	return l.write()
}

// write hands the batch to the kernel. tidwall/wal syncs a segment that is full and creates the next
// one, but leaves its directory entry to us.
func (l *Log) write() error {
	if l.batchBytes == 0 {
		return nil
	}
	if err := l.log.WriteBatch(l.batch); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	l.tail += l.batchBytes
	l.batchBytes = 0
	if cap(l.run.buf) > maxKeptBytes {
		l.batch, l.run = new(tidwall.Batch), run{}
	}
	if l.tail < l.segmentBytes {
		return nil
	}
	l.tail, l.ahead = 0, 0
	return l.announce(l.seq + 1)
}

// maxKeptBytes is how much of the buffer for a record of entries is kept for the next.
const maxKeptBytes = 2 * maxRunBytes

// sync writes and fsyncs.
func (l *Log) sync() error {
	if err := l.write(); err != nil {
		return err
	}
	if err := l.log.Sync(); err != nil {
		return fmt.Errorf("fsync: %w", err)
	}
	l.synced, l.unmarked = l.seq, true
	return nil
}

// mark records that everything so far is on stable storage. The mark itself is not fsynced: it
// is there after a kill -9, and the next sync takes it along.
func (l *Log) mark() error {
	l.unmarked = false
	if err := l.append(&record{kind: recordMark, commit: l.state.commit}); err != nil {
		return err
	}
	return l.write()
}

// Close lets go of the directory. It saves nothing, but for the mark: what Save returned nil for is on stable storage.
// After an error of Save the file stays open until the process ends, since closing it would fsync again.
func (l *Log) Close() error {
	if l.closed {
		return nil
	}
	var err error
	if l.failed == nil {
		err = l.Mark()
	}
	l.closed = true
	l.snapshots.close()
	l.reserve.close()
	if l.failed == nil {
		err = errors.Join(l.log.Close(), l.giveBack())
	}
	if err = errors.Join(err, l.lock.Close()); err != nil {
		return fmt.Errorf("wal: close: %w", err)
	}
	return nil
}

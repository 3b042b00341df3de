package wal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// minRoom is how much must be free on the disk, in segments, for one to be allocated ahead.
const minRoom = 16

// allocateAhead lets the file system find room for a whole segment at once, which is zeros then: an fsync behind an append has no
// length of the file, and no blocks of it, to write besides. It is for speed alone: without it, for whatever reason, the log works all the same.
func (l *Log) allocateAhead(first uint64) {
	if space, err := l.disk.space(l.dir); err != nil || space.Free < minRoom*l.segmentBytes {
		return
	}
	f, err := os.OpenFile(filepath.Join(l.dir, segmentName(first)), os.O_WRONLY, fileMode)
	if err != nil {
		return
	}
	defer f.Close()
	l.ahead = first
	_ = l.disk.ahead(f, l.segmentBytes)
}

// giveBack cuts off what was allocated ahead and not used.
func (l *Log) giveBack() error {
	last := l.ahead
	if l.ahead = 0; last > 0 && l.failed == nil {
		return os.Truncate(filepath.Join(l.dir, segmentName(last)), l.tail)
	}
	return nil
}

// written gives where the file's last byte ends that is not zero, but not less than s.offset: what is behind was allocated and never used.
func (s *segmentFile) written() (int64, error) {
	buf := make([]byte, 64<<10)
	for end := s.size; end > s.offset; {
		from := max(end-int64(len(buf)), s.offset)
		piece := buf[:end-from]
		if _, err := s.file.ReadAt(piece, from); err != nil && err != io.EOF {
			return 0, fmt.Errorf("read %s: %w", s.name, err)
		}
		if used := len(bytes.TrimRight(piece, "\x00")); used > 0 {
			return from + int64(used), nil
		}
		end = from
	}
	return s.offset, nil
}

package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// maxAnchors is how many servers a directory remembers to have told of its starts. Of more, those that were told longest ago are forgotten.
const maxAnchors = 300

// starts is what the file incarnation says: the present start, and which start each other server took note of last. The other servers remember one
// start each, and a directory that was started very often since could not show by its newest marks alone that it comes from that one.
type starts struct {
	now     Incarnation // without an anchor
	anchors map[consensus.ServerID]Start
}

// text is the file without its last line, the checksum.
func (s *starts) text(id identity) string {
	var text strings.Builder
	fmt.Fprintf(&text, "raft log, incarnation\nstore: %s\nincarnation: %s\n", id.store, s.now)
	for _, who := range slices.Sorted(maps.Keys(s.anchors)) {
		fmt.Fprintf(&text, "anchor: %s %q\n", s.anchors[who], who)
	}
	return text.String()
}

// readStarts gives the newest that was written; an empty one if there is no file: then no Open has returned yet, or the file is lost.
func readStarts(dir string, id identity) (starts, error) {
	text, err := readSealed(dir, incarnationName)
	if errors.Is(err, fs.ErrNotExist) {
		return starts{}, nil
	}
	if err != nil {
		return starts{}, err
	}
	s := starts{anchors: map[consensus.ServerID]Start{}}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "incarnation":
			s.now, err = ParseIncarnation(value)
		case "anchor":
			start, name, _ := strings.Cut(value, " ")
			who, _ := strconv.Unquote(name)
			s.anchors[consensus.ServerID(who)], err = parseStart(start)
		}
		if err != nil {
			break
		}
	}
	if err != nil || s.text(id) != text {
		return starts{}, id.foreign(incarnationName)
	}
	return s, nil
}

// with gives a copy in which who took note of the present start.
func (s *starts) with(who consensus.ServerID) starts {
	anchors := maps.Clone(s.anchors)
	if anchors == nil {
		anchors = map[consensus.ServerID]Start{}
	}
	anchors[who] = s.now.Newest()
	for len(anchors) > maxAnchors {
		oldest := who
		for id, start := range anchors {
			if start.Number < anchors[oldest].Number || start.Number == anchors[oldest].Number && id != who {
				oldest = id
			}
		}
		delete(anchors, oldest)
	}
	return starts{s.now, anchors}
}

// incarnate makes this start known to the directory, before anybody else can learn of it. On a full disk it goes on as the last start: that
// it cannot be told from that one is better than a node that cannot start to make room.
func (l *Log) incarnate() error {
	next := starts{l.starts.now.next(), l.starts.anchors}
	err := l.writeStarts(&next)
	switch {
	case err == nil:
		l.starts.starts = next
	case IsNoSpace(err) && l.starts.now.Number > 0:
		_ = os.Remove(filepath.Join(l.dir, incarnationName+tmpSuffix)) // what it holds is of no use, and Open removes it, too
	default:
		return err
	}
	l.recovery.Incarnation = l.starts.now
	return nil
}

func (l *Log) writeStarts(s *starts) error {
	return writeFileAtomic(l.dir, incarnationName, sealed(s.text(l.id)), l.disk.syncDir)
}

// guardedStarts is starts behind a mutex: others than the owner of the log ask.
type guardedStarts struct {
	file sync.Mutex // is held while the file is written; before mu
	mu   sync.Mutex
	starts
}

// IncarnationFor gives what to tell a server of this start, so that it can see whether this directory comes from the start that it took note
// of. It may be called from any goroutine.
func (l *Log) IncarnationFor(who consensus.ServerID) Incarnation {
	l.starts.mu.Lock()
	defer l.starts.mu.Unlock()
	i := l.starts.now
	i.Anchor = l.starts.anchors[who]
	return i
}

// Anchor remembers durably that a server took note of this start. Call it after that: it keeps its start, of which this directory is then able to
// show that it comes from it, however many starts follow. It waits for the disk, and may be called from any goroutine. An error is not final.
func (l *Log) Anchor(who consensus.ServerID) error {
	g := &l.starts
	g.file.Lock()
	defer g.file.Unlock()
	if g.anchors[who] == g.now.Newest() { // only who holds file changes it
		return nil
	}
	next := g.with(who)
	if err := l.writeStarts(&next); err != nil {
		return fmt.Errorf("wal: remember that %q knows of this start: %w", who, err)
	}
	g.mu.Lock()
	g.starts = next
	g.mu.Unlock()
	return nil
}

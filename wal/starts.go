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

// starts is what the file incarnation says: the present start, and which starts each other server took note of last. The other servers remember one
// start each, and a directory that was started very often since could not show by its newest marks alone that it comes from that one.
type starts struct {
	now     Incarnation // without anchors
	anchors map[consensus.ServerID][]Start
}

// text is the file without its last line, the checksum.
func (s *starts) text(id identity) string {
	var text strings.Builder
	fmt.Fprintf(&text, "raft log, incarnation\nstore: %s\nincarnation: %s\n", id.store, s.now)
	for _, who := range slices.Sorted(maps.Keys(s.anchors)) {
		for _, anchor := range s.anchors[who] {
			fmt.Fprintf(&text, "anchor: %s %q\n", anchor, who)
		}
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
	s := starts{anchors: map[consensus.ServerID][]Start{}}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "incarnation":
			s.now, err = ParseIncarnation(value)
		case "anchor":
			err = s.readAnchor(value)
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

func (s *starts) readAnchor(line string) error {
	text, name, _ := strings.Cut(line, " ")
	start, err := parseStart(text)
	if err != nil {
		return err
	}
	id, err := strconv.Unquote(name)
	who := consensus.ServerID(id)
	s.anchors[who] = append(s.anchors[who], start)
	return err
}

// with gives a copy in which who took note of the present start. So that the file stays one that is read back, anchors of the oldest starts go.
func (s *starts) with(id identity, who consensus.ServerID) starts {
	next := starts{s.now, maps.Clone(s.anchors)}
	if next.anchors == nil {
		next.anchors = map[consensus.ServerID][]Start{}
	}
	anchors := append(slices.Clone(next.anchors[who]), s.now.Newest())
	next.anchors[who] = anchors[max(0, len(anchors)-maxAnchors):]
	for len(sealed(next.text(id))) > maxSealedBytes && len(next.anchors) > 1 {
		next.forget(who)
	}
	return next
}

// forget drops the anchors of the server that took note of nothing for longest, but not those of who.
func (s *starts) forget(who consensus.ServerID) {
	newest := func(id consensus.ServerID) uint64 { return s.anchors[id][len(s.anchors[id])-1].Number }
	oldest := who
	for id := range s.anchors {
		if id != who && (oldest == who || newest(id) < newest(oldest)) {
			oldest = id
		}
	}
	delete(s.anchors, oldest)
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
	i.Anchors = l.starts.anchors[who] // never changed in place
	return i
}

// Anchor remembers durably that a server took note of this start. Call it after that: it keeps its start, of which this directory is then able to
// show that it comes from it, however many starts follow. It waits for the disk, and may be called from any goroutine. An error is not final.
func (l *Log) Anchor(who consensus.ServerID) error {
	g := &l.starts
	g.file.Lock()
	defer g.file.Unlock()
	if anchors := g.anchors[who]; len(anchors) > 0 && anchors[len(anchors)-1] == g.now.Newest() { // only who holds file changes it
		return nil
	}
	next := g.with(l.id, who)
	if err := l.writeStarts(&next); err != nil {
		return fmt.Errorf("wal: remember that %q knows of this start: %w", who, err)
	}
	g.mu.Lock()
	g.starts = next
	g.mu.Unlock()
	return nil
}

package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const incarnationName = "incarnation"

// maxMarks is how many starts back a directory can show where it comes from.
const maxMarks = 100

// Incarnation counts the starts on a directory, and tells two directories apart that were one once. An old copy that is put
// back has the store's name and a good log; but it does not have the marks of the starts since, however often it is started.
type Incarnation struct {
	Number uint64   // of this start, from 1
	Marks  []uint32 // random, of the newest starts, this one last; at least 1, and at most 100
}

// ParseIncarnation is the inverse of String.
func ParseIncarnation(text string) (Incarnation, error) {
	number, marks, ok := strings.Cut(text, ":")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || len(marks)%8 != 0 || marks == "" || len(marks) > 8*maxMarks || uint64(len(marks)/8) > n {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation", text)
	}
	i := Incarnation{Number: n}
	for ; marks != ""; marks = marks[8:] {
		mark, err := strconv.ParseUint(marks[:8], 16, 32)
		if err != nil {
			return Incarnation{}, fmt.Errorf("%.40q is no incarnation", text)
		}
		i.Marks = append(i.Marks, uint32(mark))
	}
	if i.String() != text {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation as this program writes it", text)
	}
	return i, nil
}

// String gives it in at most 821 bytes.
func (i Incarnation) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d:", i.Number)
	for _, mark := range i.Marks {
		fmt.Fprintf(&text, "%08x", mark)
	}
	return text.String()
}

// Newest gives the mark of this start.
func (i Incarnation) Newest() uint32 { return i.Marks[len(i.Marks)-1] }

// Mark gives the mark of the start with this number, if it is one of those that are known.
func (i Incarnation) Mark(number uint64) (mark uint32, known bool) {
	back := i.Number - number
	if number > i.Number || back >= uint64(len(i.Marks)) {
		return 0, false
	}
	return i.Marks[len(i.Marks)-1-int(back)], true
}

func (i Incarnation) next() Incarnation {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: see its documentation
	older := i.Marks[max(0, len(i.Marks)-maxMarks+1):]
	return Incarnation{Number: i.Number + 1, Marks: append(append([]uint32(nil), older...), binary.LittleEndian.Uint32(random[:]))}
}

func incarnationText(id identity, i Incarnation) string {
	return fmt.Sprintf("raft log, incarnation\nstore: %s\nincarnation: %s\n", id.store, i)
}

// readIncarnation gives the newest that was written; the zero one if there is no file: then no Open has returned yet, or somebody
// took the file away, and who knew the node sees it begin at 1 again.
func readIncarnation(dir string, id identity) (Incarnation, error) {
	text, err := readSealed(dir, incarnationName)
	if errors.Is(err, fs.ErrNotExist) {
		return Incarnation{}, nil
	}
	if err != nil {
		return Incarnation{}, err
	}
	_, line, _ := strings.Cut(text, "incarnation: ")
	i, err := ParseIncarnation(strings.TrimSuffix(line, "\n"))
	if err != nil || text != incarnationText(id, i) {
		return Incarnation{}, id.foreign(incarnationName)
	}
	return i, nil
}

// incarnate makes this start known to the directory, before anybody else can learn of it.
func (l *Log) incarnate() error {
	l.recovery.Incarnation = l.recovery.Incarnation.next()
	return writeFileAtomic(l.dir, incarnationName, sealed(incarnationText(l.id, l.recovery.Incarnation)), l.disk.syncDir)
}

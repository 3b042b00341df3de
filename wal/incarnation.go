package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const incarnationName = "incarnation"

// maxMarks is how many starts back a directory can show where it comes from.
const maxMarks = 100

// Start is one start on a directory: its number, from 1, and its mark, which is random.
type Start struct {
	Number uint64
	Mark   uint32
}

// Incarnation counts the starts on a directory, and tells two directories apart that were one once. An old copy that is put
// back has the store's name and a good log; but it does not have the marks of the starts since, however often it is started.
type Incarnation struct {
	Number uint64   // of this start, from 1
	Marks  []uint32 // random, of the newest starts, this one last; at least 1, and at most 100
	Anchor Start    // the newest start that whoever this is told to took note of, as far as is known here; zero: none. See [Log.Anchor]
}

// ParseIncarnation is the inverse of String.
func ParseIncarnation(text string) (Incarnation, error) {
	i, err := parseIncarnation(text)
	if err != nil {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation", text)
	}
	if i.String() != text || i.Anchor.Number > i.Number {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation as this program writes it", text)
	}
	return i, nil
}

func parseIncarnation(text string) (i Incarnation, err error) {
	text, anchor, anchored := strings.Cut(text, ",")
	number, marks, _ := strings.Cut(text, ":")
	if i.Number, err = strconv.ParseUint(number, 10, 64); err != nil {
		return i, err
	}
	if len(marks)%8 != 0 || marks == "" || len(marks) > 8*maxMarks || uint64(len(marks)/8) > i.Number {
		return i, errors.New("it has another number of marks")
	}
	for ; marks != ""; marks = marks[8:] {
		mark, err := strconv.ParseUint(marks[:8], 16, 32)
		if err != nil {
			return i, err
		}
		i.Marks = append(i.Marks, uint32(mark))
	}
	if anchored {
		i.Anchor, err = parseStart(anchor)
	}
	return i, err
}

func parseStart(text string) (s Start, err error) {
	number, mark, _ := strings.Cut(text, ":")
	if s.Number, err = strconv.ParseUint(number, 10, 64); err != nil {
		return s, err
	}
	m, err := strconv.ParseUint(mark, 16, 32)
	s.Mark = uint32(m)
	return s, err
}

func (s Start) String() string { return fmt.Sprintf("%d:%08x", s.Number, s.Mark) }

// String gives it in at most 851 bytes.
func (i Incarnation) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d:", i.Number)
	for _, mark := range i.Marks {
		fmt.Fprintf(&text, "%08x", mark)
	}
	if i.Anchor.Number > 0 {
		fmt.Fprintf(&text, ",%s", i.Anchor)
	}
	return text.String()
}

// Newest gives this start.
func (i Incarnation) Newest() Start { return Start{i.Number, i.Marks[len(i.Marks)-1]} }

// Has tells whether a start is one of those that this one comes from, or this one. It knows of the newest ones and of the anchor only: known
// tells whether it knows.
func (i Incarnation) Has(s Start) (has, known bool) {
	back := i.Number - s.Number
	switch {
	case s.Number > i.Number:
		return false, true
	case back < uint64(len(i.Marks)):
		return i.Marks[len(i.Marks)-1-int(back)] == s.Mark, true
	case s.Number == i.Anchor.Number && s.Number > 0:
		return i.Anchor == s, true
	}
	return false, false
}

func (i Incarnation) next() Incarnation {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: see its documentation
	older := i.Marks[max(0, len(i.Marks)-maxMarks+1):]
	return Incarnation{Number: i.Number + 1, Marks: append(append([]uint32(nil), older...), binary.LittleEndian.Uint32(random[:]))}
}

package wal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const incarnationName = "incarnation"

// maxMarks is how many starts back a directory can show where it comes from, and maxAnchors how many that somebody took note of. More than one, since
// who took note of a start may have been unable to write that down.
const (
	maxMarks   = 100
	maxAnchors = 4
)

// Start is one start on a directory: its number, from 1, and its mark, which is random.
type Start struct {
	Number uint64
	Mark   uint32
}

// Incarnation counts the starts on a directory, and tells two directories apart that were one once. An old copy that is put
// back has the store's name and a good log; but it does not have the marks of the starts since, however often it is started.
type Incarnation struct {
	Number  uint64   // of this start, from 1
	Marks   []uint32 // random, of the newest starts, this one last; at least 1, and at most 100
	Anchors []Start  // the newest starts that whoever this is told to took note of, as far as is known here, oldest first; at most 4. See [Log.Anchor]
}

// ParseIncarnation is the inverse of String.
func ParseIncarnation(text string) (Incarnation, error) {
	i, err := parseIncarnation(text)
	if err != nil {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation", text)
	}
	ordered := slices.IsSortedFunc(append(slices.Clone(i.Anchors), Start{Number: i.Number}), func(a, b Start) int { return cmp.Compare(a.Number, b.Number) })
	if i.String() != text || len(i.Anchors) > maxAnchors || !ordered {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation as this program writes it", text)
	}
	return i, nil
}

func parseIncarnation(text string) (i Incarnation, err error) {
	text, anchors, anchored := strings.Cut(text, ",")
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
	if !anchored {
		return i, nil
	}
	for anchor := range strings.SplitSeq(anchors, ",") {
		start, err := parseStart(anchor)
		if err != nil {
			return i, err
		}
		i.Anchors = append(i.Anchors, start)
	}
	return i, nil
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

// String gives it in at most 941 bytes.
func (i Incarnation) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d:", i.Number)
	for _, mark := range i.Marks {
		fmt.Fprintf(&text, "%08x", mark)
	}
	for _, anchor := range i.Anchors {
		fmt.Fprintf(&text, ",%s", anchor)
	}
	return text.String()
}

// Newest gives this start.
func (i Incarnation) Newest() Start { return Start{i.Number, i.Marks[len(i.Marks)-1]} }

// Has tells whether a start is one of those that this one comes from, or this one. It knows of the newest ones and of the anchors only: known
// tells whether it knows.
func (i Incarnation) Has(s Start) (has, known bool) {
	back := i.Number - s.Number
	switch {
	case s.Number > i.Number:
		return false, true
	case back < uint64(len(i.Marks)):
		return i.Marks[len(i.Marks)-1-int(back)] == s.Mark, true
	}
	for _, anchor := range i.Anchors {
		if anchor.Number == s.Number {
			return anchor == s, true
		}
	}
	return false, false
}

func (i Incarnation) next() Incarnation {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: see its documentation
	older := i.Marks[max(0, len(i.Marks)-maxMarks+1):]
	return Incarnation{Number: i.Number + 1, Marks: append(append([]uint32(nil), older...), binary.LittleEndian.Uint32(random[:]))}
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/raft/sim"
)

const (
	timeWidth  = 10 // of the first column: milliseconds
	stateWidth = 5  // "L12" and a mark
	textWidth  = 22 // below so many characters of text in each column, columns hold states only, and the text stands at the right
	headEvery  = 40 // lines, then the names of the columns come again
)

// timeline draws a run: a column per server with its role and term on every line, and who does something says what.
type timeline struct {
	out   io.Writer
	style style
	width int
	notes []sim.Note

	states []sim.Note // the last one of each server
	known  []bool     // it was heard of
	column int        // width of one
	lines  int
}

// collect is what to give to sim.RunOptions. Commits of one server in a row become one.
func (t *timeline) collect(messages bool) func(sim.Note) {
	return func(n sim.Note) {
		if n.Kind == sim.NoteMessage && !messages {
			return
		}
		if last := len(t.notes) - 1; last >= 0 && n.Kind == sim.NoteCommit && t.notes[last].Kind == sim.NoteCommit && t.notes[last].Server == n.Server {
			t.notes[last] = n
			return
		}
		t.notes = append(t.notes, n)
	}
}

// draw writes it all.
func (t *timeline) draw() {
	servers := 0
	for i := range t.notes {
		servers = max(servers, t.notes[i].Server+1)
	}
	t.states, t.known = make([]sim.Note, servers), make([]bool, servers)
	t.column = stateWidth
	if wide := (t.width - timeWidth) / max(servers, 1); wide >= stateWidth+textWidth {
		t.column = min(wide, 48)
	}
	t.legend()
	for i := range t.notes {
		n := &t.notes[i]
		if t.lines%headEvery == 0 {
			t.head()
		}
		t.lines++
		if n.Server < 0 {
			t.everybody(n)
			continue
		}
		t.states[n.Server], t.known[n.Server] = *n, true
		t.line(n)
	}
}

func (t *timeline) legend() {
	fmt.Fprintln(t.out, t.style.dim("L3 leads term 3   C candidate   P asks whether it would win   F follower   x down   + paused"))
}

func (t *timeline) head() {
	text := fmt.Sprintf("%*s  ", timeWidth-2, "ms")
	for slot := range t.states {
		text += pad(t.bar()+fmt.Sprintf("n%d", slot+1), t.column)
	}
	fmt.Fprintln(t.out, t.style.bold(strings.TrimRight(text, " ")))
}

// bar stands before each column that has text in it.
func (t *timeline) bar() string {
	if t.column == stateWidth {
		return ""
	}
	return "│ "
}

func milliseconds(at time.Duration) string {
	return fmt.Sprintf("%*.1f  ", timeWidth-2, float64(at)/float64(time.Millisecond))
}

// everybody draws what happens to the cluster, over the full width.
func (t *timeline) everybody(n *sim.Note) {
	paint := t.style.fault
	if n.Kind == sim.NoteFailure {
		paint = t.style.red
	}
	for i, part := range wrap(n.Text, t.width-timeWidth-6) {
		at, text := milliseconds(n.At), "── "+part+" "
		if i > 0 {
			at, text = strings.Repeat(" ", timeWidth), "   "+part
		} else {
			text += strings.Repeat("─", max(0, t.width-timeWidth-utf8.RuneCountInString(text)))
		}
		fmt.Fprintln(t.out, t.style.dim(at)+paint(text))
	}
}

// line draws what one server does.
func (t *timeline) line(n *sim.Note) {
	compact := t.column == stateWidth
	bar := t.bar()
	inner := t.column - stateWidth - utf8.RuneCountInString(bar)
	room, text := inner-1, n.Text
	if compact {
		room, text = t.width-timeWidth-len(t.states)*stateWidth, fmt.Sprintf("n%d %s", n.Server+1, n.Text)
	}
	parts := wrap(text, room)
	row := t.style.dim(milliseconds(n.At))
	for slot := range t.states {
		row += t.style.dim(bar) + t.state(slot)
		switch {
		case compact:
		case slot == n.Server:
			row += t.paint(n, pad(parts[0], inner))
		default:
			row += strings.Repeat(" ", inner)
		}
	}
	indent := timeWidth + (n.Server+1)*t.column - inner
	if compact {
		row += t.paint(n, parts[0])
		indent = timeWidth + len(t.states)*stateWidth
	}
	fmt.Fprintln(t.out, strings.TrimRight(row, " "))
	for _, part := range parts[1:] {
		fmt.Fprintln(t.out, strings.Repeat(" ", indent)+t.paint(n, part))
	}
}

// state is a server's role and term.
func (t *timeline) state(slot int) string {
	s := &t.states[slot]
	text, paint := "", t.style.dim
	switch {
	case !t.known[slot]:
	case s.Down:
		text, paint = "x", t.style.red
	default:
		text = string("FCLP"[s.Role]) + fmt.Sprint(s.Term)
		if s.Role == consensus.Leader {
			paint = t.style.green
		} else if s.Role != consensus.Follower {
			paint = t.style.yellow
		}
		if s.Paused {
			text += "+"
		}
	}
	return paint(pad(text, stateWidth))
}

func (t *timeline) paint(n *sim.Note, text string) string {
	switch {
	case n.Kind == sim.NoteMessage || n.Kind == sim.NoteCommit:
		return t.style.dim(text)
	case n.Kind == sim.NoteServer:
		return t.style.fault(text)
	case n.Role == consensus.Leader:
		return t.style.green(text)
	}
	return text
}

// pad fills text up to a width in characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// wrap breaks text into lines of at most so many characters, between words where that is possible. There is always one line.
func wrap(text string, width int) (lines []string) {
	width = max(width, 8)
	rest := []rune(text)
	for len(rest) > width {
		at := width
		for at > width/2 && rest[at] != ' ' {
			at--
		}
		if rest[at] != ' ' {
			at = width
		}
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = rest[at:]
		if i := slices.IndexFunc(rest, func(r rune) bool { return r != ' ' }); i > 0 {
			rest = rest[i:]
		}
	}
	return append(lines, string(rest))
}

package sim

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/raftnode/raft/raft/consensus"
)

const (
	timeWidth  = 10 // of the first column: milliseconds
	stateWidth = 5  // "L12" and a mark
	textWidth  = 22 // below so many characters of text in each column, columns hold states only, and the text stands at the right
	headEvery  = 40 // lines, then the names of the columns come again
)

// Timeline draws a run: a column per server, with its role and its term on every line; who does something says what, and what is done
// to the cluster stands across. It is drawn at the end, when it is known how many servers there were. The zero value is ready.
type Timeline struct {
	Width    int  // in characters; 0: 120
	Messages bool // show each message, too; to be set before the run
	Color    bool // for terminals

	notes  []Note
	out    *bufio.Writer
	states []Note // the last one of each server
	known  []bool // it was heard of
	column int    // width of one
	lines  int
}

// Note takes a note; it fits RunOptions.Trace. Commits of one server in a row become one.
func (t *Timeline) Note(n Note) {
	if n.Kind == NoteMessage && !t.Messages {
		return
	}
	if last := len(t.notes) - 1; last >= 0 && n.Kind == NoteCommit && t.notes[last].Kind == NoteCommit && t.notes[last].Server == n.Server {
		t.notes[last] = n
		return
	}
	t.notes = append(t.notes, n)
}

// Draw writes it all.
func (t *Timeline) Draw(out io.Writer) error {
	servers := 0
	for i := range t.notes {
		servers = max(servers, t.notes[i].Server+1)
	}
	if t.Width == 0 {
		t.Width = 120
	}
	t.out, t.lines = bufio.NewWriter(out), 0
	t.states, t.known = make([]Note, servers), make([]bool, servers)
	t.column = stateWidth
	if wide := (t.Width - timeWidth) / max(servers, 1); wide >= stateWidth+textWidth {
		t.column = min(wide, 48)
	}
	t.print(t.dim("L3 leads term 3   C candidate   P asks whether it would win   F follower   x down   + paused"))
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
	return t.out.Flush()
}

// print writes a line; Flush tells whether that failed.
func (t *Timeline) print(line string) { _, _ = t.out.WriteString(line + "\n") }

func (t *Timeline) dim(text string) string { return t.color("2", text) }

func (t *Timeline) color(code, text string) string {
	if !t.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// The colors.
const (
	bold    = "1"
	faint   = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
)

func (t *Timeline) head() {
	text := fmt.Sprintf("%*s  ", timeWidth-2, "ms")
	for slot := range t.states {
		text += pad(t.bar()+fmt.Sprintf("n%d", slot+1), t.column)
	}
	t.print(t.color(bold, strings.TrimRight(text, " ")))
}

// bar stands before each column that has text in it.
func (t *Timeline) bar() string {
	if t.column == stateWidth {
		return ""
	}
	return "│ "
}

func milliseconds(at time.Duration) string {
	return fmt.Sprintf("%*.1f  ", timeWidth-2, float64(at)/float64(time.Millisecond))
}

// everybody draws what happens to the cluster, over the full width.
func (t *Timeline) everybody(n *Note) {
	paint := magenta
	if n.Kind == NoteFailure {
		paint = red
	}
	for i, part := range wrap(n.Text, t.Width-timeWidth-6) {
		at, text := milliseconds(n.At), "── "+part+" "
		if i > 0 {
			at, text = strings.Repeat(" ", timeWidth), "   "+part
		} else {
			text += strings.Repeat("─", max(0, t.Width-timeWidth-utf8.RuneCountInString(text)))
		}
		t.print(t.dim(at) + t.color(paint, text))
	}
}

// line draws what one server does.
func (t *Timeline) line(n *Note) {
	compact := t.column == stateWidth
	bar := t.bar()
	inner := t.column - stateWidth - utf8.RuneCountInString(bar)
	room, text := inner-1, n.Text
	if compact {
		room, text = t.Width-timeWidth-len(t.states)*stateWidth, fmt.Sprintf("n%d %s", n.Server+1, n.Text)
	}
	parts := wrap(text, room)
	row := t.dim(milliseconds(n.At))
	for slot := range t.states {
		row += t.dim(bar) + t.state(slot)
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
	t.print(strings.TrimRight(row, " "))
	for _, part := range parts[1:] {
		t.print(strings.Repeat(" ", indent) + t.paint(n, part))
	}
}

// state is a server's role and term.
func (t *Timeline) state(slot int) string {
	s := &t.states[slot]
	text, paint := "", faint
	switch {
	case !t.known[slot]:
	case s.Down:
		text, paint = "x", red
	default:
		text = string("FCLP"[s.Role]) + fmt.Sprint(s.Term)
		if s.Role == consensus.Leader {
			paint = green
		} else if s.Role != consensus.Follower {
			paint = yellow
		}
		if s.Paused {
			text += "+"
		}
	}
	return t.color(paint, pad(text, stateWidth))
}

func (t *Timeline) paint(n *Note, text string) string {
	switch {
	case n.Kind == NoteMessage || n.Kind == NoteCommit:
		return t.dim(text)
	case n.Kind == NoteServer:
		return t.color(magenta, text)
	case n.Role == consensus.Leader:
		return t.color(green, text)
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

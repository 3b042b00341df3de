package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/raftnode/raft/integration"
)

// progress tells how far a search is: in one line that is written over again on a terminal, in a line now and then elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	last     time.Duration // when the last line was written
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, terminal: isTerminal(out), every: 10 * time.Second}
	if p.terminal {
		p.every = 200 * time.Millisecond
	}
	return p
}

func (p *progress) update(t *tally) {
	if t.took-p.last < p.every {
		return
	}
	p.last = t.took
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%.*s", widthOf(p.out)-1, progressLine(t))
		return
	}
	fmt.Fprintln(p.out, progressLine(t))
}

// end leaves an empty line for what comes.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func progressLine(t *tally) string {
	left := "?"
	if t.done > 0 {
		left = (t.took * time.Duration(t.seeds-uint64(t.done)) / time.Duration(t.done)).Round(time.Second).String()
	}
	return fmt.Sprintf("%s of %s seeds, %.1f/s; simulated %v, %sx real time; %s events/s; %s left",
		integration.Thousands(t.done), integration.Thousands(int(t.seeds)), perSecond(float64(t.done), t.took),
		t.virtual.Round(time.Second), integration.Thousands(int(perSecond(t.virtual.Seconds(), t.took))),
		integration.Thousands(int(perSecond(float64(t.events), t.took))), left)
}

func perSecond(n float64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return n / took.Seconds()
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// widthOf is how many characters fit into a line of a terminal, 120 if it is none.
func widthOf(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return max(int(size.Col), 60)
		}
	}
	return 120
}

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

func notes() []Note {
	return []Note{
		{At: 0, Server: 0, Kind: NoteServer, Text: "starts"},
		{At: 1500 * time.Microsecond, Server: 1, Kind: NoteFact, Text: "LEADS", Role: consensus.Leader, Term: 12},
		{At: 2 * time.Millisecond, Server: 1, Kind: NoteCommit, Text: "commits up to 4", Role: consensus.Leader, Term: 12},
		{At: 3 * time.Millisecond, Server: 1, Kind: NoteCommit, Text: "commits up to 9", Role: consensus.Leader, Term: 12},
		{At: 4 * time.Millisecond, Server: -1, Kind: NoteFault, Text: "n1 crashes"},
		{At: 4 * time.Millisecond, Server: 0, Kind: NoteServer, Text: "crashes", Down: true},
		{At: 5 * time.Millisecond, Server: 1, Kind: NoteMessage, Text: "a secret"},
		{At: 1234567 * time.Microsecond, Server: 1, Kind: NoteServer, Text: "pauses because somebody somewhere wants it to", Role: consensus.Leader, Term: 12, Paused: true},
	}
}

func drawn(t *testing.T, l *Timeline) string {
	t.Helper()
	for _, n := range notes() {
		l.Note(n)
	}
	var out strings.Builder
	if err := l.Draw(&out); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(out.String(), "\n") // the legend
	return rest
}

// With room enough each server has its text in its own column.
func TestTimeline(t *testing.T) {
	want := `      ms  │ n1                         │ n2
     0.0  │ F0   starts                │
     1.5  │ F0                         │ L12  LEADS
     3.0  │ F0                         │ L12  commits up to 9
     4.0  ── n1 crashes ────────────────────────────────────────────
     4.0  │ x    crashes               │ L12
  1234.6  │ x                          │ L12+ pauses because
                                              somebody somewhere
                                              wants it to
`
	if got := drawn(t, &Timeline{Width: 68}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// With less there is one text, at the right.
func TestNarrowTimeline(t *testing.T) {
	want := `      ms  n1   n2
     0.0  F0        n1 starts
     1.5  F0   L12  n2 LEADS
     3.0  F0   L12  n2 commits up to 9
     4.0  ── n1 crashes ────────────────────────────
     4.0  x    L12  n1 crashes
     5.0  x    F0   n2 a secret
  1234.6  x    L12+ n2 pauses because somebody
                    somewhere wants it to
`
	if got := drawn(t, &Timeline{Width: 52, Messages: true}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestColorIsAskedFor(t *testing.T) {
	if text := drawn(t, &Timeline{Color: true}); !strings.Contains(text, "\x1b[32mL12  \x1b[0m") {
		t.Errorf("no leader is green:\n%q", text)
	}
	if text := drawn(t, &Timeline{}); strings.Contains(text, "\x1b") {
		t.Errorf("colour that nobody asked for:\n%q", text)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"n1 follows":              "n1 follows",
		"n1 follows n2 in term 3": "n1 follows|n2 in term|3",
		"abcdefghijklmnop":        "abcdefghij|klmnop",
		"→→→→→→→→→→ →":            "→→→→→→→→→→|→",
	} {
		if got := strings.Join(wrap(text, 10), "|"); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

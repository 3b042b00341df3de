package readme

import (
	"fmt"
	"strings"
)

// block is one thing to run.
type block struct {
	line   int    // of the README
	lang   string // "sh" or "go"; "" for a restart
	node   string // a node of this name runs on
	leader string // this name stands for the leader's
	want   []string
	text   string
}

const fence = "```"

// blocks gives those parts of a README that are marked to be run, in their order.
func blocks(readme string) ([]block, error) {
	var found []block
	var open *block // the block that we are in; nil outside, and marked false if it is not to be run
	marked := false
	for i, line := range strings.Split(readme, "\n") {
		switch {
		case open == nil && strings.HasPrefix(line, "<!-- walk: restart -->"):
			found = append(found, block{line: i + 1})
		case open == nil && strings.HasPrefix(line, fence):
			b, runs, err := begin(strings.Fields(strings.TrimPrefix(line, fence)))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			b.line, open, marked = i+1, &b, runs
		case open != nil && line == fence:
			if marked {
				found = append(found, *open)
			}
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: this block never ends", open.line)
	}
	return found, nil
}

// begin reads the words behind a fence.
func begin(words []string) (b block, runs bool, err error) {
	if len(words) < 2 {
		return b, false, nil
	}
	b.lang = words[0]
	if mark := words[0] + " " + words[1]; mark != "sh walk" && mark != "go run" {
		return b, false, fmt.Errorf("a block is marked %q; marks are `sh walk` and `go run`", mark)
	}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "node":
			b.node = value
		case "leader":
			b.leader = value
		case "want":
			b.want = strings.Split(value, ",")
		default:
			return b, false, fmt.Errorf("%q is not one of node=, leader=, want=", word)
		}
	}
	return b, true, nil
}

package tidy

import (
	"slices"
	"strings"
)

// Forbidden finds words that have no place here, line by line, in all text files.
func Forbidden(tree *Tree, words []Word) []Problem {
	var problems []Problem
	for _, f := range tree.Files {
		for _, word := range words {
			if slices.Contains(word.Except, f.Path) || !word.Pattern.MatchString(f.Src) {
				continue
			}
			for i, line := range strings.Split(f.Src, "\n") {
				if found := word.Pattern.FindString(line); found != "" {
					problems = append(problems, Problem{f.Path, i + 1, "says " + strings.TrimSpace(found) + ": " + word.Why})
				}
			}
		}
	}
	return problems
}

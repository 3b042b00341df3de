package main

import (
	"strings"
	"testing"
)

// Each filter alone and together; --last counts what they choose.
func TestLogLsFilters(t *testing.T) {
	dir := logOf(t, "n1", inTerm(1, 1, 1, "abc"), inTerm(2, 3, 1, "xy"), snapshotOf(1, 1, 0, "a"))
	for args, want := range map[string]string{
		"--type entry":                   `"a" "b" "c" "x" "y"`,
		"--type entry --from 3":          `"c" "x" "y"`,
		"--from 2 --to 3":                `"b" "c" "x"`,
		"--to 1":                         `"a"`,
		"--term 2":                       `hard "x" "y"`,
		"--term 2 --type hard":           `hard`,
		"--type entry --last 2":          `"x" "y"`,
		"--type entry --last 9":          `"a" "b" "c" "x" "y"`,
		"--to 3 --last 1":                `"x"`,
		"--type snapshot,entry --term 1": `"a" "b" "c" snapshot`,
		"--type start --last 1":          `start`,
		"--type entry --term 7":          ``,
	} {
		out, talk, exit := runCtl(t, append([]string{"log", "ls", dir}, strings.Fields(args)...)...)
		if exit != exitDone {
			t.Errorf("%s: exit %d: %s", args, exit, talk)
		}
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
			if _, quoted, ok := strings.Cut(line, `"`); ok {
				got = append(got, `"`+quoted[:strings.Index(quoted, `"`)+1])
			}
			if kind := strings.Fields(line)[1]; kind == "hard" || kind == "snapshot" || kind == "start" || kind == "mark" {
				got = append(got, kind)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: lists %s, want %s\n%s", args, got, want, out)
		}
	}
	for _, args := range []string{"--type vote", "--from 3 --to 2", "--from x"} {
		if _, _, exit := runCtl(t, append([]string{"log", "ls", dir}, strings.Fields(args)...)...); exit != exitUsage {
			t.Errorf("%s: exit %d", args, exit)
		}
	}
}

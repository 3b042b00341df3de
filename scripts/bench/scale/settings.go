package main

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are the flags.
type settings struct {
	out, dir, note string
	chosen         []study
	window         time.Duration
	entries        []int // of the log
	keys           []int
	values         []int // their bytes
	nodes          []int
	behind         int // entries
	failovers      int
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench-scale", flag.ContinueOnError)
	var studies, entries, keys, behind string
	var quick bool
	flags.StringVar(&s.out, "out", "docs/bench", "where the results go; a path inside the repository unless it is absolute")
	flags.StringVar(&s.dir, "dir", "bin/bench", "where the clusters keep their files, on a disk; likewise")
	flags.StringVar(&s.note, "note", "", "a remark for the report, such as what else runs on the machine")
	flags.StringVar(&studies, "studies", "", "some of "+strings.Join(names(), ",")+" (default: all)")
	flags.BoolVar(&quick, "quick", false, "a look at each: smaller sizes, shorter windows; the other flags still count")
	flags.DurationVar(&s.window, "window", 3*time.Second, "how long is measured, each time")
	flags.StringVar(&entries, "entries", "10k,100k,1M,3M,10M", "lengths of the log")
	flags.StringVar(&keys, "keys", "10k,100k,1M,10M", "numbers of keys")
	flags.StringVar(&behind, "behind", "1M", "by how many entries the follower is behind that catches up")
	flags.IntVar(&s.failovers, "failovers", 50, "how often the leader is killed, with each setting")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "Measures raftnode as things grow. With the defaults it takes about ten minutes, and a quarter of an hour where others use the machine; a look: -quick.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.values, s.nodes = []int{16, 128, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}, []int{3, 5, 7}
	if quick {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		s.shorten(given, &entries, &keys, &behind)
	}
	if flags.NArg() > 0 || s.window <= 0 || s.failovers < 1 {
		return s, fmt.Errorf("wrong command line: window and failovers are above 0, and there are no arguments; see -help")
	}
	for list, into := range map[string]*[]int{"-entries " + entries: &s.entries, "-keys " + keys: &s.keys} {
		if *into, err = parseCounts(list); err != nil {
			return s, err
		}
	}
	one, err := parseCounts("-behind " + behind)
	if err != nil || len(one) != 1 {
		return s, fmt.Errorf("-behind %s: it is one number, like 1M", behind)
	}
	s.behind = one[0]
	s.chosen, err = choose(studies)
	return s, err
}

// shorten makes smaller what was not given.
func (s *settings) shorten(given map[string]bool, entries, keys, behind *string) {
	set := func(name string, shorten func()) {
		if !given[name] {
			shorten()
		}
	}
	set("window", func() { s.window = time.Second })
	set("entries", func() { *entries = "10k,100k" })
	set("keys", func() { *keys = "10k,100k" })
	set("behind", func() { *behind = "100k" })
	set("failovers", func() { s.failovers = 5 })
	s.values, s.nodes = []int{16, 4 << 10, 1 << 20}, []int{3, 5}
}

// parseCounts understands "-flag 10k,1M".
func parseCounts(given string) (counts []int, err error) {
	_, list, _ := strings.Cut(given, " ")
	for field := range strings.SplitSeq(list, ",") {
		digits, unit := strings.TrimRight(field, "kM"), 1
		switch field[len(digits):] {
		case "k":
			unit = 1_000
		case "M":
			unit = 1_000_000
		case "":
		default:
			return nil, fmt.Errorf("%s: %q is not a number like 500, 10k or 1M", given, field)
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n*unit < minCount || n > maxCount/unit {
			return nil, fmt.Errorf("%s: %q is not a number from %d to %s, like 500, 10k or 1M", given, field, minCount, count(maxCount))
		}
		counts = append(counts, n*unit)
	}
	slices.Sort(counts)
	return slices.Compact(counts), nil
}

// What can be asked for: there must be room for the first entries, and load has no more keys.
const (
	minCount = 100
	maxCount = 10_000_000
)

// count is the inverse of parseCounts for one number.
func count(n int) string {
	switch {
	case n >= 1_000_000 && n%100_000 == 0:
		return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + "M"
	case n >= 1_000 && n%100 == 0:
		return strconv.FormatFloat(float64(n)/1e3, 'f', -1, 64) + "k"
	}
	return strconv.Itoa(n)
}

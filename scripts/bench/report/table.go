package report

import (
	"fmt"
	"io"
	"strings"
)

// Table is rows of text: for Markdown and for the page alike.
type Table struct {
	Title string
	Head  []string
	Rows  [][]string
}

func (t Table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
	for _, row := range t.Rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

// Tables are those of one workload.
func (r *Report) Tables(w Workload) []Table {
	var tables []Table
	add := func(title string, show func(Cell) string) {
		tables = append(tables, r.table(w, title, func(_ Peer, _ Level, c Cell) string { return show(c) }))
	}
	ratio := "throughput over the peer's, in the same round"
	if w.Open() {
		ratio = "the peer's p99 over that of ours, in the same round"
		add("Latency from when an operation was due, in ms: p50 / p99 / p99.9", func(c Cell) string {
			return fmt.Sprintf("%s / %s / %s%s", short(c.P50.Median), short(c.P99.Median), short(c.P999.Median), c.notes())
		})
	} else {
		add("Operations per second (p50 / p99 in ms) by operations in flight; ± is half the distance between the extreme rounds", func(c Cell) string {
			return fmt.Sprintf("%s (%s / %s) ±%s%s", thousands(c.PerSecond.Median), short(c.P50.Median), short(c.P99.Median), percent(c.PerSecond.Half()), c.notes())
		})
	}
	for _, ours := range r.Peers {
		if ours.Ours {
			tables = append(tables, r.table(w, ours.Title+": "+ratio+"; above 1 it is the better one", func(p Peer, level Level, _ Cell) string {
				return fmt.Sprintf("%.2f", r.Ratio(w.Name, level, ours.Name, p.Name).Median)
			}))
		}
	}
	add("CPU seconds per 100,000 operations, all three processes", func(c Cell) string { return short(c.CPU.Median) })
	add("CPU seconds of the generator of the load, with the peer's client in it, per 100,000 operations", func(c Cell) string { return short(c.Generator.Median) })
	if w.Reads < 1 {
		add("Bytes written to disk per operation, all three processes", func(c Cell) string { return thousands(c.DiskBytes.Median) })
		if r.Machine.NoSyncs == "" {
			add("Syncs (fsync, fdatasync, msync) per operation, all three processes", func(c Cell) string { return short(c.Syncs.Median) })
		}
	}
	add("Resident memory in MiB at the end, all three processes", func(c Cell) string { return thousands(c.Resident.Median) })
	return tables
}

func (r *Report) table(w Workload, title string, show func(Peer, Level, Cell) string) Table {
	t := Table{Title: title, Head: []string{""}}
	for _, level := range w.Levels {
		t.Head = append(t.Head, level.String())
	}
	for _, p := range r.Peers {
		row := []string{p.Title}
		for _, level := range w.Levels {
			c := r.Cell(w.Name, p.Name, level)
			switch {
			case c.Rounds > 0:
				row = append(row, show(p, level, c))
			case c.Failure != "":
				row = append(row, "failed")
			default:
				row = append(row, "-")
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// Facts say what the figures must not be read without.
func (r *Report) Facts() []string {
	m := r.Machine
	worst, repeats := 0.0, 0
	for _, s := range r.Samples {
		if s.Failure == "" && s.Result.Took > 0 {
			worst = max(worst, s.Cost.Others.Seconds()/s.Result.Took.Seconds())
		}
		repeats += s.Repeats
	}
	facts := []string{
		m.facts(),
		m.diskFacts(),
		fmt.Sprintf("three processes on loopback, and the generator of the load on the same cores; a fresh cluster for each peer, workload and round, "+
			"the peers in turn, in the opposite order in every other round; rounds: %d, of which the medians are shown; %s of warm-up and %s measured at each level", r.Rounds, r.WarmUp, r.Window),
		fmt.Sprintf("keys of 16 bytes; %s; took %s; load average before %s, after %s", r.Began.UTC().Format("2006-01-02 15:04 UTC"), r.Took.Round(1e9), m.LoadBefore, m.LoadAfter),
		fmt.Sprintf("a shared machine: others used up to %.2f cores while a sample was taken; %d samples were thrown away and taken again because others used more than %.2f", worst, repeats, r.Quiet),
	}
	if m.NoSyncs != "" {
		facts = append(facts, "syncs were not counted: "+m.NoSyncs)
	}
	return facts
}

func (m Machine) facts() string {
	return fmt.Sprintf("%s, %d cores, %d GiB, Linux %s, %s", m.CPU, m.Cores, m.Memory>>30, m.Kernel, m.Go)
}

func (m Machine) diskFacts() string {
	return fmt.Sprintf("%s; to append 256 bytes and fdatasync takes %s in the median, %s at the 99th percentile, just before the first sample",
		m.Disk.FileSystem, m.Disk.SyncP50.Round(1000), m.Disk.SyncP99.Round(1000))
}

// Markdown writes the tables.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s beside its peers\n\nMeasured by\n\n```sh\n%s\n```\n\n", r.Peers[0].Title, r.Command)
	for _, fact := range r.Facts() {
		fmt.Fprintf(&b, "- %s\n", fact)
	}
	b.WriteString("\n| | version | how it is set up |\n|---|---|---|\n")
	for _, p := range r.Peers {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Title, p.Version, p.Settings)
	}
	for _, workload := range r.Workloads {
		fmt.Fprintf(&b, "\n## %s\n", workload.Title)
		for _, t := range r.Tables(workload) {
			fmt.Fprintf(&b, "\n%s:\n\n", t.Title)
			t.markdown(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

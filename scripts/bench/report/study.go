package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Scale is what a series of studies found: what the JSON file holds.
type Scale struct {
	Title   string        `json:"title"`
	Command string        `json:"command"`
	Version string        `json:"version"`
	Note    string        `json:"note,omitempty"` // by who ran it
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took_ns"`
	Machine Machine       `json:"machine"`
	Studies []Study       `json:"studies"`
}

// Study is one question: how some measures change along an axis.
type Study struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	How     []string `json:"how"`  // what was done, so that the figures can be understood
	Axis    string   `json:"axis"` // what changes from row to row
	Columns []Column `json:"columns"`
	Rows    []Row    `json:"rows"`
	Bars    []Bar    `json:"bars,omitempty"`
	Failure string   `json:"failure,omitempty"` // why rows are missing

	Took   time.Duration `json:"took_ns"`
	Others float64       `json:"others_cores"` // what the rest of the machine used in the mean, while load was measured
}

// Column is one measure.
type Column struct {
	Title string `json:"title"`
	Unit  string `json:"unit"`
	Plot  bool   `json:"plot,omitempty"`
}

// Head names the column in a table.
func (c Column) Head() string {
	if c.Unit == "" {
		return c.Title
	}
	return c.Title + ", " + c.Unit
}

// Row is one place on the axis. Rows of one series are joined in a plot.
type Row struct {
	Series string             `json:"series,omitempty"`
	At     float64            `json:"at"`
	Label  string             `json:"label"`
	Values map[string]float64 `json:"values"`        // by the title of a column; what is not there was not measured
	Raw    []float64          `json:"raw,omitempty"` // single measurements, where the values sum some up
	Note   string             `json:"note,omitempty"`
}

// Bar is what was asked for, and whether it was reached.
type Bar struct {
	Want string `json:"want"`
	Got  string `json:"got"`
	Held bool   `json:"held"`
}

func (b Bar) String() string {
	verdict := "missed"
	if b.Held {
		verdict = "held"
	}
	return fmt.Sprintf("%s: %s, %s", b.Want, b.Got, verdict)
}

// AtMost compares a figure with the most that it may be.
func AtMost(want string, got, most float64, unit string) Bar {
	return Bar{Want: want, Got: short(got) + " " + unit, Held: got <= most}
}

// AtLeast compares a figure with the least that it must be.
func AtLeast(want string, got, least float64, unit string) Bar {
	return Bar{Want: want, Got: short(got) + " " + unit, Held: got >= least}
}

// series are the names of the series, in the order in which they first come.
func (s *Study) series() (names []string) {
	for _, row := range s.Rows {
		if !slices.Contains(names, row.Series) {
			names = append(names, row.Series)
		}
	}
	return names
}

// Table has all rows of the study. A column in which nothing was measured is left out.
func (s *Study) Table() Table {
	named := len(s.series()) > 1 || s.Rows != nil && s.Rows[0].Series != ""
	noted := slices.ContainsFunc(s.Rows, func(r Row) bool { return r.Note != "" })
	var t Table
	if named {
		t.Head = append(t.Head, "")
	}
	t.Head = append(t.Head, s.Axis)
	var columns []Column
	for _, c := range s.Columns {
		if slices.ContainsFunc(s.Rows, func(r Row) bool { _, ok := r.Values[c.Title]; return ok }) {
			columns, t.Head = append(columns, c), append(t.Head, c.Head())
		}
	}
	if noted {
		t.Head = append(t.Head, "")
	}
	for _, row := range s.Rows {
		var cells []string
		if named {
			cells = append(cells, row.Series)
		}
		cells = append(cells, row.Label)
		for _, c := range columns {
			cells = append(cells, row.cell(c))
		}
		if noted {
			cells = append(cells, row.Note)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func (r Row) cell(c Column) string {
	v, ok := r.Values[c.Title]
	switch {
	case !ok:
		return "-"
	case c.Unit == "": // a number of something
		return thousands(v)
	}
	return short(v)
}

// Remarks are what the figures of the study must not be read without.
func (s *Study) Remarks() []string {
	remarks := slices.Clone(s.How)
	if s.Others > 0 {
		remarks = append(remarks, fmt.Sprintf("took %s; while load was measured, the rest of the machine used %.2f cores in the mean", s.Took.Round(time.Second), s.Others))
	}
	for _, bar := range s.Bars {
		remarks = append(remarks, "bar: "+bar.String())
	}
	if s.Failure != "" {
		remarks = append(remarks, "not complete: "+strings.ReplaceAll(s.Failure, "\n", "; "))
	}
	return remarks
}

// Facts are those of the whole.
func (s *Scale) Facts() []string {
	m := s.Machine
	facts := []string{
		s.Version + "; " + m.facts(),
		m.diskFacts(),
		fmt.Sprintf("%s; took %s; load average before %s, after %s", s.Began.UTC().Format("2006-01-02 15:04 UTC"), s.Took.Round(time.Second), m.LoadBefore, m.LoadAfter),
		"all processes on loopback, and the generator of the load on the same cores; each place on an axis was measured once",
	}
	if s.Note != "" {
		facts = append(facts, s.Note)
	}
	return facts
}

// Markdown writes the tables.
func (s *Scale) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nMeasured by\n\n```sh\n%s\n```\n\n", s.Title, s.Command)
	for _, fact := range s.Facts() {
		fmt.Fprintf(&b, "- %s\n", fact)
	}
	for i := range s.Studies {
		study := &s.Studies[i]
		fmt.Fprintf(&b, "\n## %s\n\n", study.Title)
		for _, remark := range study.Remarks() {
			fmt.Fprintf(&b, "- %s\n", remark)
		}
		if len(study.Rows) > 0 {
			b.WriteString("\n")
			study.Table().markdown(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package report

import (
	_ "embed" // of the template
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"marker": marker,
	"isHead": func(i int) bool { return i == 0 },
	"lines":  func() int { return colours },
}).Parse(pageText))

// colours is how many the style has, one for each line of a plot.
const colours = 7

// Page writes the page: one file, which loads nothing.
func (r *Report) Page(w io.Writer) error {
	type section struct {
		Workload
		Plots  []Plot
		Tables []Table
	}
	data := struct {
		*Report
		Facts    []string
		Sections []section
	}{Report: r, Facts: r.Facts()}
	for _, workload := range r.Workloads {
		data.Sections = append(data.Sections, section{workload, r.Plots(workload), r.Tables(workload)})
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("report: page: %w", err)
	}
	return nil
}

// marker is the path of a peer's shape around a point: shapes tell lines apart where colours do not.
func marker(peer int, x, y float64) string {
	const r = 4.5
	polygon := func(corners ...float64) string {
		var b strings.Builder
		for i := 0; i < len(corners); i += 2 {
			command := "L"
			if i == 0 {
				command = "M"
			}
			fmt.Fprintf(&b, "%s%.1f %.1f", command, x+corners[i]*r, y+corners[i+1]*r)
		}
		return b.String() + "Z"
	}
	switch peer % 7 {
	case 0: // a circle
		return fmt.Sprintf("M%.1f %.1fa%g %g 0 1 0 %g 0a%g %g 0 1 0 %g 0Z", x-r, y, r, r, 2*r, r, r, -2*r)
	case 1:
		return polygon(-.9, -.9, .9, -.9, .9, .9, -.9, .9) // a square
	case 2:
		return polygon(0, -1.2, 1.1, .8, -1.1, .8) // a triangle
	case 3:
		return polygon(0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0) // a diamond
	case 4:
		return polygon(-1.1, -.8, 1.1, -.8, 0, 1.2) // a triangle on its head
	case 5:
		return polygon(-.4, -1.2, .4, -1.2, .4, -.4, 1.2, -.4, 1.2, .4, .4, .4, .4, 1.2, -.4, 1.2, -.4, .4, -1.2, .4, -1.2, -.4, -.4, -.4) // a cross
	}
	return polygon(-1.4, -.4, 1.4, -.4, 1.4, .4, -1.4, .4) // a bar
}

package report

import (
	_ "embed" // of the template
	"fmt"
	"html/template"
	"io"
	"math"
)

//go:embed scale.html
var scaleText string

// The page borrows the look and the figures of the other one.
var scalePage = template.Must(template.Must(page.Clone()).New("scale").Parse(scaleText))

// Page writes the page: one file, which loads nothing.
func (s *Scale) Page(w io.Writer) error {
	if err := scalePage.Execute(w, s); err != nil {
		return fmt.Errorf("report: page: %w", err)
	}
	return nil
}

// Plots are those of the columns that are to be drawn, where the axis has at least two places.
func (s *Study) Plots() (plots []Plot) {
	axis := s.axis()
	for _, c := range s.Columns {
		if p := s.plot(c, axis); c.Plot && len(axis) > 1 && len(p.Lines) > 0 {
			plots = append(plots, p)
		}
	}
	return plots
}

// place is one on the axis.
type place struct {
	at    float64
	label string
}

func (s *Study) axis() (places []place) {
	seen := map[float64]bool{}
	for _, row := range s.Rows {
		if row.At > 0 && !seen[row.At] {
			seen[row.At] = true
			places = append(places, place{row.At, row.Label})
		}
	}
	return places
}

func (s *Study) plot(c Column, axis []place) Plot {
	p := newPlot(c.Title, c.Head(), s.Axis)
	var all []float64
	first, last := math.Inf(1), math.Inf(-1)
	for _, at := range axis {
		first, last = min(first, at.at), max(last, at.at)
	}
	for _, row := range s.Rows {
		if v := row.Values[c.Title]; v > 0 && row.At > 0 {
			all = append(all, v)
		}
	}
	y := p.yAxis(all)
	for _, at := range axis {
		p.XTicks = append(p.XTicks, Tick{At: p.x(first, last, at.at), Label: at.label})
	}
	for i, name := range s.series() {
		line := Line{Peer: i, Name: name, Ours: i == 0}
		for _, row := range s.Rows {
			if v := row.Values[c.Title]; v > 0 && row.At > 0 && row.Series == name {
				line.add(Point{X: p.x(first, last, row.At), Y: y(v), Low: y(v), High: y(v), Text: fmt.Sprintf("at %s: %s %s", row.Label, short(v), c.Unit)})
			}
		}
		if len(line.Points) > 0 {
			line.EndX, line.EndY = p.Right+12, line.LastY
			p.Lines = append(p.Lines, line)
		}
	}
	p.spreadNames()
	return p
}

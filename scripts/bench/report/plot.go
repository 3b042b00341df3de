package report

import (
	"fmt"
	"math"
	"slices"
)

// The measures of a plot, in the units of its viewBox.
const (
	plotWidth, plotHeight = 560, 340
	left, right           = 62, 138 // room for the axis, and for names at the ends of lines
	top, bottom           = 14, 44
	labelGap              = 15 // between two names
)

// Plot is one picture, ready to be drawn.
type Plot struct {
	Title          string
	XLabel, YLabel string
	Width, Height  int
	Left, Right    float64 // of the area inside
	Top, Bottom    float64
	XTicks, YTicks []Tick
	Lines          []Line
}

// Tick is a place on an axis.
type Tick struct {
	At    float64
	Label string
}

// Line is one peer.
type Line struct {
	Peer   int // its place among the peers: colour and shape
	Name   string
	Ours   bool
	Path   string
	Points []Point
	EndX   float64 // of the name
	EndY   float64
	LastX  float64 // where the line ends
	LastY  float64
}

// Point is one level, with the extremes of its rounds.
type Point struct {
	X, Y, Low, High float64
	Text            string
}

// measure is what a plot shows of a cell.
type measure struct {
	title, unit string
	of          func(Cell) Spread
}

// Plots are those of one workload.
func (r *Report) Plots(w Workload) []Plot {
	measures := []measure{
		{"Operations per second: higher is better", "operations/s", func(c Cell) Spread { return c.PerSecond }},
		{"Latency, 99th percentile: lower is better", "ms", func(c Cell) Spread { return c.P99 }},
		{"Processor time of the three processes: lower is better", "CPU s per 100,000 operations", func(c Cell) Spread { return c.CPU }},
	}
	if w.Open() {
		measures[0] = measure{"Latency from when it was due, median: lower is better", "ms", func(c Cell) Spread { return c.P50 }}
	} else {
		measures = slices.Insert(measures, 1, measure{"Latency, median: lower is better", "ms", func(c Cell) Spread { return c.P50 }})
	}
	var plots []Plot
	for _, m := range measures {
		plots = append(plots, r.plot(w, m))
	}
	return plots
}

func newPlot(title, yLabel, xLabel string) Plot {
	return Plot{
		Title: title, YLabel: yLabel, XLabel: xLabel, Width: plotWidth, Height: plotHeight,
		Left: left, Right: plotWidth - right, Top: top, Bottom: plotHeight - bottom,
	}
}

func (r *Report) plot(w Workload, m measure) Plot {
	p := newPlot(m.title, m.unit, "operations in flight")
	if w.Open() {
		p.XLabel = "operations due per second"
	}
	var spreads [][]Spread // by peer and level
	var all []float64
	for _, peer := range r.Peers {
		var row []Spread
		for _, level := range w.Levels {
			s := m.of(r.Cell(w.Name, peer.Name, level))
			if row = append(row, s); s.Min > 0 {
				all = append(all, s.Min, s.Max)
			}
		}
		spreads = append(spreads, row)
	}
	y := p.yAxis(all)
	first, last := w.Levels[0].X(), w.Levels[len(w.Levels)-1].X()
	for _, level := range w.Levels {
		p.XTicks = append(p.XTicks, Tick{At: p.x(first, last, level.X()), Label: level.String()})
	}
	for i, peer := range r.Peers {
		if line := p.line(spreads[i], y, m.unit, w); len(line.Points) > 0 {
			line.Peer, line.Name, line.Ours = i, peer.Title, peer.Ours
			p.Lines = append(p.Lines, line)
		}
	}
	p.spreadNames()
	return p
}

// x is logarithmic: a level has its place by its size, between the first and the last.
func (p *Plot) x(first, last, value float64) float64 {
	const pad = 14
	if first >= last {
		return (p.Left + p.Right) / 2
	}
	return p.Left + pad + (p.Right-p.Left-2*pad)*math.Log(value/first)/math.Log(last/first)
}

// yAxis is logarithmic, and gives the place of a value. It makes the ticks: 1, 2 and 5 of each power of ten, or 1 alone if these are too many.
func (p *Plot) yAxis(values []float64) func(float64) float64 {
	if len(values) == 0 {
		values = []float64{1, 10}
	}
	low, high := slices.Min(values)/1.15, slices.Max(values)*1.15
	const narrowest = 6.5 // holds two ticks wherever it lies
	if wide := high / low; wide < narrowest {
		more := math.Sqrt(narrowest / wide)
		low, high = low/more, high*more
	}
	at := func(v float64) float64 {
		return p.Bottom - (p.Bottom-p.Top)*math.Log(v/low)/math.Log(high/low)
	}
	steps := []float64{1, 2, 5}
	if math.Log10(high/low) > 3 {
		steps = []float64{1}
	}
	for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
		for _, step := range steps {
			if v := step * math.Pow(10, power); v >= low && v <= high {
				p.YTicks = append(p.YTicks, Tick{At: at(v), Label: tickLabel(v)})
			}
		}
	}
	return at
}

func tickLabel(v float64) string {
	if v >= 1000 {
		return thousands(v)
	}
	return fmt.Sprintf("%g", math.Round(v*1e6)/1e6)
}

func (p *Plot) line(spreads []Spread, y func(float64) float64, unit string, w Workload) (line Line) {
	for i, s := range spreads {
		if s.Min <= 0 {
			continue
		}
		point := Point{X: p.XTicks[i].At, Y: y(s.Median), Low: y(s.Min), High: y(s.Max)}
		point.Text = fmt.Sprintf("at %s: %s %s (%s to %s)", w.Levels[i], short(s.Median), unit, short(s.Min), short(s.Max))
		line.add(point)
	}
	line.EndX, line.EndY = p.Right+12, line.LastY
	return line
}

// add makes the line go on to a point.
func (l *Line) add(point Point) {
	command := "L"
	if len(l.Points) == 0 {
		command = "M"
	}
	l.Path += fmt.Sprintf("%s%.1f %.1f", command, point.X, point.Y)
	l.Points = append(l.Points, point)
	l.LastX, l.LastY = point.X, point.Y
}

// spreadNames moves the names at the ends of lines apart, and keeps them inside.
func (p *Plot) spreadNames() {
	order := make([]*Line, len(p.Lines))
	for i := range p.Lines {
		order[i] = &p.Lines[i]
	}
	slices.SortStableFunc(order, func(a, b *Line) int { return int(math.Copysign(1, a.EndY-b.EndY)) })
	for i, line := range order {
		line.EndY = max(line.EndY, p.Top+4)
		if i > 0 {
			line.EndY = max(line.EndY, order[i-1].EndY+labelGap)
		}
	}
	limit := p.Bottom
	for _, line := range slices.Backward(order) {
		line.EndY = min(line.EndY, limit)
		limit = line.EndY - labelGap
	}
}

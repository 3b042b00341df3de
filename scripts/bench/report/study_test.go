package report

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// scaleExample has a study of two series, one of a single row without a place on the axis, and one that failed.
func scaleExample() *Scale {
	s := &Scale{
		Title: "things, as they grow", Command: "make x BENCHFLAGS='-x <y>'", Version: "commit 1", Note: "others were at work", Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: time.Minute,
		Machine: example().Machine,
	}
	speed, memory, never := Column{Title: "speed", Unit: "1/s", Plot: true}, Column{Title: "memory", Unit: "MiB", Plot: true}, Column{Title: "never", Unit: "s", Plot: true}
	grow := Study{
		Name: "grow", Title: "It grows", How: []string{"as it is"}, Axis: "size", Columns: []Column{speed, memory, never}, Took: time.Minute, Others: 0.5,
		Bars: []Bar{AtMost("at most 2", 1.5, 2, "s"), AtLeast("at least 2", 1.5, 2, "s")},
	}
	for i, series := range []string{"a", "b"} {
		for j, label := range []string{"1k", "10k", "100k"} {
			r := Row{Series: series, At: float64([]int{1_000, 10_000, 100_000}[j]), Label: label, Values: map[string]float64{"speed": float64(1000 * (1 + i + j))}}
			if j == 2 && i == 1 {
				r.Values, r.Note = nil, "left out"
			} else if i == 0 {
				r.Values["memory"] = float64(10 * (j + 1))
			}
			grow.Rows = append(grow.Rows, r)
		}
	}
	s.Studies = []Study{
		grow,
		{Name: "who", Title: "Who answers", Axis: "who", Columns: []Column{speed, {Title: "failed"}}, Rows: []Row{{Label: "one", Values: map[string]float64{"speed": 7, "failed": 2}}}},
		{Name: "gone", Title: "It failed", Axis: "size", Columns: []Column{speed}, Failure: "it fell over"},
	}
	return s
}

func TestScaleMarkdown(t *testing.T) {
	var b strings.Builder
	if err := scaleExample().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"|  | size | speed, 1/s | memory, MiB |  |\n|---|---|---|---|---|\n| a | 1k | 1,000 | 10.0 |  |\n", "| b | 100k | - | - | left out |\n", // without what was never measured
		"- bar: at most 2: 1.50 s, held\n- bar: at least 2: 1.50 s, missed\n", "used 0.50 cores in the mean", "- others were at work\n", "- not complete: it fell over\n",
		"| who | speed, 1/s | failed |\n|---|---|---|\n| one | 7.00 | 2 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing like %q in\n%s", want, b.String())
		}
	}
}

func TestStudyPlots(t *testing.T) {
	s := scaleExample()
	plots := s.Studies[0].Plots()
	if len(plots) != 2 || len(plots[0].Lines) != 2 || len(plots[0].Lines[0].Points) != 3 || len(plots[0].Lines[1].Points) != 2 || len(plots[1].Lines) != 1 {
		t.Fatalf("%+v", plots)
	}
	for _, p := range plots {
		for _, line := range p.Lines {
			for _, point := range line.Points {
				if point.X < p.Left || point.X > p.Right || point.Y < p.Top || point.Y > p.Bottom {
					t.Errorf("%s: %+v is outside", p.Title, point)
				}
			}
		}
	}
	if a, b := plots[0].Lines[0].Points[0], plots[0].Lines[0].Points[2]; a.X >= b.X || a.Y <= b.Y || !strings.Contains(b.Text, "at 100k: 3,000 1/s") {
		t.Errorf("more lies further right and higher: %+v, %+v", a, b)
	}
	for _, study := range s.Studies[1:] {
		if plots := study.Plots(); len(plots) != 0 {
			t.Errorf("%s: %+v", study.Name, plots)
		}
	}
}

func TestScalePage(t *testing.T) {
	var b strings.Builder
	if err := scaleExample().Page(&b); err != nil {
		t.Fatal(err)
	}
	outlined := outline(t, b.String()) // it is well formed
	if strings.Count(b.String(), "<figure>") != 2 || strings.Count(b.String(), "<table>") != 2 || !strings.Contains(outlined, "| not complete: it fell over") {
		t.Error(outlined)
	}
	if outside := regexp.MustCompile(`(?i)(src|href)="[^#]|url\(|@import|<script|https?:`).FindString(b.String()); outside != "" {
		t.Errorf("the page loads something, or runs something: %s", outside)
	}
	if strings.Contains(b.String(), "ZgotmplZ") || strings.Contains(b.String(), "NaN") || !strings.Contains(b.String(), "-x &lt;y&gt;") || !strings.Contains(b.String(), ".c6 .mark") {
		t.Error("something was not escaped, is no number, or has no colour")
	}
	if err := (&Scale{}).Page(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestWriteScale(t *testing.T) {
	dir := t.TempDir()
	if err := scaleExample().Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "scale.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Scale
	if err := json.Unmarshal(text, &back); err != nil || len(back.Studies) != 3 || back.Studies[0].Rows[1].Values["speed"] != 2000 {
		t.Errorf("%v: what was written cannot be read again", err)
	}
	for _, name := range []string{"scale.md", "scale.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

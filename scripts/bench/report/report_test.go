package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
)

var update = flag.Bool("update", false, "write what is there as what is wanted")

// example is a report of three peers, two workloads and three rounds.
func example() *Report {
	r := &Report{
		Command: "make bench-peers BENCHFLAGS='-x <y>'", Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: time.Minute, Rounds: 3,
		WarmUp: 500 * time.Millisecond, Window: 2 * time.Second, Quiet: 0.25,
		Machine: Machine{
			CPU: "a processor", Cores: 2, Memory: 8 << 30, Kernel: "6.1", Go: "go1.26", LoadBefore: "0.1 0.2 0.3", LoadAfter: "1 1 1",
			Disk: cluster.DiskFacts{FileSystem: "ext4", SyncP50: 250 * time.Microsecond, SyncP99: time.Millisecond},
		},
		Peers: []Peer{{"ours", "ours", true, "commit 1", "defaults"}, {"a", "peer a", false, "a v1", "tuned"}, {"b", "peer b", false, "b v2", "tuned, <too>"}},
		Workloads: []Workload{
			{Name: "writes", Title: "Writes", ValueBytes: 128, Levels: []Level{{InFlight: 1}, {InFlight: 64}, {InFlight: 1024}}},
			{Name: "rate", Title: "At a rate", ValueBytes: 128, Levels: []Level{{Rate: 500}, {Rate: 2000}}},
		},
	}
	for round := range 3 {
		for p, peer := range r.Peers {
			for _, w := range r.Workloads {
				for _, level := range w.Levels {
					r.Samples = append(r.Samples, sampleOf(w, peer.Name, p, level, round))
				}
			}
		}
	}
	return r
}

// sampleOf makes each peer half as good as the one before, and each round a tenth better.
func sampleOf(w Workload, name string, p int, level Level, round int) Sample {
	done := int64(2000 * level.X() * (1 + float64(round)/10) / float64(int(1)<<p))
	latency := time.Duration(float64(time.Millisecond)*(1+level.X()/100)) << p
	return Sample{
		Workload: w.Name, Peer: name, Level: level, Round: round,
		Result: load.Result{Took: 2 * time.Second, Done: done, All: load.Latency{Count: done, P50: latency, P99: 4 * latency, P999: 8 * latency}},
		Cost: Cost{
			CPU: time.Duration(done) * 50 * time.Microsecond, Generator: time.Duration(done) * 10 * time.Microsecond, Others: 100 * time.Millisecond,
			DiskBytes: done * 500, Syncs: done / 2, Resident: 100 << 20,
		},
	}
}

func TestCells(t *testing.T) {
	r := example()
	c := r.Cell("writes", "a", Level{InFlight: 64})
	if c.Rounds != 3 || c.PerSecond != (Spread{35200, 32000, 38400}) || c.P50.Median != 3.28 || c.P99.Median != 13.12 || c.CPU.Median != 5 || c.Generator.Median != 1 ||
		c.DiskBytes.Median != 500 || c.Syncs.Median != 0.5 || c.Resident.Median != 100 || c.Others != 0.05 {
		t.Errorf("%+v", c)
	}
	// At a rate it is the latency that is compared.
	if ratio := r.Ratio("rate", Level{Rate: 500}, "ours", "b"); ratio.Median != 4 {
		t.Errorf("%+v", ratio)
	}
}

// The ratio is that of the same round: a round in which the whole machine is slow does not change it.
func TestARatioIsOfOneRound(t *testing.T) {
	r := example()
	for i := range r.Samples {
		if r.Samples[i].Round == 1 {
			r.Samples[i].Result.Done /= 10
		}
	}
	if ratio := r.Ratio("writes", Level{InFlight: 64}, "ours", "a"); ratio != (Spread{2, 2, 2}) {
		t.Errorf("%+v", ratio)
	}
}

func TestWhatFailedIsSaid(t *testing.T) {
	r := example()
	r.Samples[0].Result.Errors = map[string]int64{"no": 1234}
	for i, s := range r.Samples {
		switch {
		case s.Peer == "a" && s.Workload == "writes" && s.Level.InFlight == 1024:
			r.Samples[i] = Sample{Workload: s.Workload, Peer: s.Peer, Level: s.Level, Round: s.Round, Failure: "it fell over"}
		case s.Peer == "b" && s.Workload == "rate" && s.Level.Rate == 2000:
			r.Samples[i].Result.NeverBegun = 100
		}
	}
	var b strings.Builder
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"±9% (1,234 failed) |", "| peer a | 550 (2.02 / 8.08) ±9% | 35,200 (3.28 / 13.1) ±9% | failed |", "(300 never begun) |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing like %q in\n%s", want, b.String())
		}
	}
	if err := r.Page(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   Spread
	}{{nil, Spread{}}, {[]float64{3}, Spread{3, 3, 3}}, {[]float64{4, 1, 2}, Spread{2, 1, 4}}, {[]float64{4, 1, 2, 3}, Spread{2.5, 1, 4}}} {
		if got := spread(test.values); got != test.want {
			t.Errorf("%v: %v, want %v", test.values, got, test.want)
		}
	}
	if half := (Spread{2, 1, 4}).Half(); half != 0.75 {
		t.Error(half)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.0123: "0.012", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := short(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is another: see what changed by `go test ./report -update`; it is now\n%s", path, got)
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := example().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "peers.md", b.String())
}

// The structure of the page: what is in what, how often, and its words; not where each point lies.
func TestPage(t *testing.T) {
	var b strings.Builder
	if err := example().Page(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "page.txt", outline(t, b.String()))
	if outside := regexp.MustCompile(`(?i)(src|href)="[^#]|url\(|@import|<script|https?:`).FindString(b.String()); outside != "" {
		t.Errorf("the page loads something, or runs something: %s", outside)
	}
	if strings.Contains(b.String(), "ZgotmplZ") || strings.Contains(b.String(), "NaN") || !strings.Contains(b.String(), "-x &lt;y&gt;") {
		t.Error("something was not escaped, or is no number")
	}
}

// outline writes one line for each element, without its measures; equal ones that follow each other are counted.
func outline(t *testing.T, page string) string {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var lines []string
	var counts []int
	depth := 0
	add := func(line string) {
		if n := len(lines); n > 0 && lines[n-1] == line {
			counts[n-1]++
			return
		}
		lines, counts = append(lines, line), append(counts, 1)
	}
	inStyle := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			for _, attr := range e.Attr {
				if attr.Name.Local == "class" {
					name += "." + strings.ReplaceAll(attr.Value, " ", ".")
				}
			}
			add(strings.Repeat(" ", depth) + name)
			inStyle = e.Name.Local == "style"
			depth++
		case xml.EndElement:
			depth--
			inStyle = false
		case xml.CharData:
			if text := strings.Join(strings.Fields(string(e)), " "); text != "" && !inStyle {
				add(strings.Repeat(" ", depth) + "| " + text)
			}
		}
	}
	var b strings.Builder
	for i, line := range lines {
		if counts[i] > 1 {
			line += " x" + strconv.Itoa(counts[i])
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// All that is drawn lies inside, and no name covers another, also where all lines end at one place.
func TestPlotsAreReadable(t *testing.T) {
	r := example()
	for i := range r.Samples {
		if r.Samples[i].Level.InFlight == 1024 {
			r.Samples[i].Result = r.Samples[2].Result
		}
	}
	for _, w := range r.Workloads {
		for _, p := range r.Plots(w) {
			if len(p.Lines) != 3 || len(p.XTicks) != len(w.Levels) || len(p.YTicks) < 2 || len(p.YTicks) > 12 {
				t.Errorf("%s: %d lines, %d and %d ticks", p.Title, len(p.Lines), len(p.XTicks), len(p.YTicks))
			}
			for i, line := range p.Lines {
				for _, point := range line.Points {
					if point.X < p.Left || point.X > p.Right || point.High < p.Top || point.Low > p.Bottom || point.High > point.Y || point.Y > point.Low {
						t.Errorf("%s: %+v is outside", p.Title, point)
					}
				}
				if line.EndY < p.Top || line.EndY > p.Bottom {
					t.Errorf("%s: the name of %s is outside", p.Title, line.Name)
				}
				for _, other := range p.Lines[i+1:] {
					if d := line.EndY - other.EndY; d > -labelGap+0.001 && d < labelGap-0.001 {
						t.Errorf("%s: the names of %s and %s are %.1f apart", p.Title, line.Name, other.Name, d)
					}
				}
			}
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := example().Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "peers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil || len(back.Samples) != len(example().Samples) || back.Ratio("writes", Level{InFlight: 64}, "ours", "a").Median != 2 {
		t.Errorf("%v: what was written cannot be read again", err)
	}
	for _, name := range []string{"peers.md", "peers.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

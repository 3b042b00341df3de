package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a small module whose tests hold two rules and miss one.
func module(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.26.0\n",
		"a.go":   "package m\n\nfunc Add(a, b int) int { return a + b }\n\nfunc Half(a int) int { return a / 2 }\n\nfunc Idle(a int) int { return a + 0 }\n",
		"a_test.go": "package m\n\nimport \"testing\"\n\n" +
			"func TestAdd(t *testing.T) { t.Run(\"two\", func(t *testing.T) { if Add(1, 2) != 3 { t.Fail() } }) }\n" +
			"func TestHalf(t *testing.T) { if Half(4) != 2 { t.Fail() } }\n" +
			"func TestBroken(t *testing.T) { t.Fail() }\n" +
			"func TestHunt(t *testing.T) { if Half(6) != 3 { t.Fatal(\"caught after 12 seeds: halves\") } }\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A package may be in a module of its own, below the root: its tests run there, and may judge code of the root.
func TestJudgeInAModuleBelow(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small module a few times")
	}
	root := module(t)
	below := filepath.Join(root, "below", "deep")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(root, "below", "go.mod"): "module below\n\ngo 1.26.0\n\nrequire m v0.0.0\n\nreplace m => ../\n",
		filepath.Join(below, "a_test.go"): "package deep\n\nimport (\n\t\"m\"\n\t\"testing\"\n)\n\n" +
			"func TestAdd(t *testing.T) { if m.Add(1, 2) != 3 { t.Fail() } }\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &runner{root: root, scratch: t.TempDir(), sound: map[string]bool{}}
	got, err := r.judge(t.Context(), mutant{File: "a.go", From: "a + b", To: "a - b", Package: "./below/deep", Run: "TestAdd"})
	if want := (verdict{caught: true, by: "TestAdd"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// This is the test of the judge: each way in which a mutant can fail to prove anything.
func TestJudge(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small module a dozen times")
	}
	root := module(t)
	r := &runner{root: root, scratch: t.TempDir(), sound: map[string]bool{}}
	for _, c := range []struct {
		from, to, run string
		want          verdict
	}{
		{"a + b", "a - b", "TestAdd", verdict{caught: true, by: "TestAdd/two"}},
		{"a / 2", "a / (a - a)", "TestHalf", verdict{caught: true, by: "TestHalf (panics)"}},
		{"a / 2", "a / 3", "TestHunt", verdict{caught: true, by: "TestHunt, after 12 seeds: halves", seeds: 12}},
		{"a + b", "a - b", "TestHalf", verdict{by: "nothing: it survives"}},
		{"a + 0", "a - 0", "TestAdd|TestHalf", verdict{by: "nothing: it survives"}},
		{"a + b", `a + "b"`, "TestAdd", verdict{by: "nothing: it does not compile"}},
		{"a + b", "a - b", "TestNone", verdict{by: "nothing: no test matches TestNone"}},
		{"a + b", "a - b", "TestBroken", verdict{by: "nothing: the test fails without the mutant too: TestBroken"}},
	} {
		got, err := r.judge(t.Context(), mutant{File: "a.go", From: c.from, To: c.to, Package: "./", Run: c.run})
		if err != nil || got.caught != c.want.caught || got.seeds != c.want.seeds || !strings.HasPrefix(got.by, c.want.by) {
			t.Errorf("%s -> %s with %s: %+v, %v; want %+v", c.from, c.to, c.run, got, err, c.want)
		}
	}
}

func TestJudgeAllCountsWhatIsMissed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small module a few times")
	}
	var out bytes.Buffer
	missed, err := judgeAll(t.Context(), module(t), []mutant{
		{Name: "good", File: "a.go", From: "a + b", To: "a - b", Package: "./", Run: "TestAdd"},
		{Name: "poor", File: "a.go", From: "a + 0", To: "a - 0", Package: "./", Run: "TestAdd"},
	}, &out)
	if err != nil || missed != 1 {
		t.Errorf("judgeAll gives %d, %v; want 1 missed", missed, err)
	}
	for _, want := range []string{"caught  good", "by TestAdd/two", "MISSED  poor"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it prints %q, want %q in it", out.String(), want)
		}
	}
}

func TestRunRefusesWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"-run", "("}, {"-run", "no-such-mutant-anywhere"}, {"-list", "x"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("mutants %q: exit %d, %q; want %d and a reason", args, code, errs.String(), exitUsage)
		}
	}
}

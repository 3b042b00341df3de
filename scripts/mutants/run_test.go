package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	r := newRunner(root, t.TempDir())
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
	r := newRunner(root, t.TempDir())
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
	got, err := judgeAll(t.Context(), module(t), []mutant{
		{Name: "good", File: "a.go", From: "a + b", To: "a - b", Package: "./", Run: "TestAdd"},
		{Name: "poor", File: "a.go", From: "a + 0", To: "a - 0", Package: "./", Run: "TestAdd"},
	}, &out)
	if want := (tally{missed: 1}); err != nil || got != want {
		t.Errorf("judgeAll gives %+v, %v; want %+v", got, err, want)
	}
	for _, want := range []string{"caught  good", "by TestAdd/two", "MISSED  poor"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it prints %q, want %q in it", out.String(), want)
		}
	}
}

// A test that hangs notices something, and says nothing: that is told apart.
func TestAHangIsToldApart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small module")
	}
	r := newRunner(module(t), t.TempDir())
	r.patience = time.Second
	got, err := r.judge(t.Context(), mutant{File: "a.go", From: "return a / 2", To: "select {}", Package: "./", Run: "TestHalf"})
	if want := (verdict{caught: true, hung: true, by: "TestHalf (hangs)"}); err != nil || got != want || got.word() != "hangs" {
		t.Errorf("%+v, %v, said to be %s; want %+v", got, err, got.word(), want)
	}
}

// What a test builds itself has the mutant in it.
func TestAMutantReachesAProgramThatTheTestBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small module")
	}
	root := module(t)
	for name, text := range map[string]string{
		"prog/main.go": "package main\n\nimport \"m\"\n\nfunc main() { print(m.Add(1, 2)) }\n",
		"prog/a_test.go": "package main\n\nimport (\n\t\"os/exec\"\n\t\"testing\"\n)\n\n" +
			"func TestProgram(t *testing.T) {\n\tif out, err := exec.Command(\"go\", \"run\", \".\").CombinedOutput(); err != nil || string(out) != \"3\" {\n\t\tt.Fail()\n\t}\n}\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Join(root, "prog"), 0o700), os.WriteFile(filepath.Join(root, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := newRunner(root, t.TempDir()).judge(t.Context(), mutant{File: "a.go", From: "a + b", To: "a - b", Package: "./prog", Run: "TestProgram"})
	if want := (verdict{caught: true, by: "TestProgram"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// A run that was cut goes on; what was missed, or hung, is judged again.
func TestResultsAreNotSoughtAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small module a few times")
	}
	results := filepath.Join(t.TempDir(), "results")
	if err := os.WriteFile(results, []byte("caught  done  a.go\nMISSED  good  a.go\nhangs   poor  a.go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mutants := []mutant{
		{Name: "done", File: "a.go", From: "of no such text", To: "x", Package: "./", Run: "TestAdd"}, // would be an error
		{Name: "good", File: "a.go", From: "a + b", To: "a - b", Package: "./", Run: "TestAdd"},
		{Name: "poor", File: "a.go", From: "a + 0", To: "a - 0", Package: "./", Run: "TestAdd"},
	}
	root := module(t)
	for _, left := range []string{"2 of 3 mutants", "1 of 3 mutants"} {
		var out bytes.Buffer
		got, err := judgeInto(t.Context(), results, root, mutants, &out)
		if want := (tally{missed: 1}); err != nil || got != want || !strings.HasPrefix(out.String(), left) {
			t.Errorf("%+v, %v; want %+v, and %q in\n%s", got, err, want, left, &out)
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

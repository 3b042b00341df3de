package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// A mutant whose text is gone breaks nothing, and would be forgotten.
func TestEveryMutantStillApplies(t *testing.T) {
	root := os.DirFS("../..")
	mutants, err := find(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if _, err := m.apply(root); err != nil {
			t.Error(err)
		}
	}
}

const good = "# two of them\nname: a\nfile: x.go\nfrom: one\nto: two\ntest: ./x TestA|TestB\n\n\nname: b\nfile: x.go\nfrom: x: y\nto:\ntest: ./x -run TestC\n"

func TestFindReadsBlocks(t *testing.T) {
	fsys := fstest.MapFS{
		"x/testdata/mutants.txt":   {Data: []byte(good)},
		"x/mutants.txt":            {Data: []byte("not one of ours")},
		"bin/testdata/mutants.txt": {Data: []byte("not one of ours")},
	}
	got, err := find(fsys)
	if err != nil || len(got) != 2 {
		t.Fatalf("find gives %v, %v; want two mutants", got, err)
	}
	if m := got[0]; m.Name != "a" || m.Package != "./x" || m.Run != "TestA|TestB" || m.at != "x/testdata/mutants.txt:2" {
		t.Errorf("the first is %+v", m)
	}
	if m := got[1]; m.From != "x: y" || m.To != "" || m.Run != "TestC" {
		t.Errorf("the second is %+v", m)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a part missing": {strings.Replace(good, "file: x.go\n", "", 1), "f.txt:2: a mutant has a name:"},
		"no to":          {strings.Replace(good, "to:\n", "", 1), "f.txt:9: a mutant has"},
		"unknown key":    {good + "\nnam: c\n", `f.txt:15: "nam: c" is not one of`},
		"key twice":      {good + "name: c\n", `"name: c" is not one of`},
		"no change":      {strings.Replace(good, "to: two", "to: one", 1), "changes nothing"},
		"package":        {strings.Replace(good, "./x TestA", "x TestA", 1), "like ./wal"},
		"expression":     {strings.Replace(good, "TestA|", "(|", 1), "missing closing"},
	} {
		if _, err := parse("f.txt", strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: parse gives %v, want %q", name, err, c.want)
		}
	}
	twice := fstest.MapFS{"testdata/mutants.txt": {Data: []byte(good + "\n" + good)}}
	if _, err := find(twice); err == nil || !strings.Contains(err.Error(), "the name a is taken by the mutant at") {
		t.Errorf("two mutants of one name give %v", err)
	}
}

func TestApplyDemandsExactlyOnePlace(t *testing.T) {
	m := mutant{Name: "a", File: "x.go", From: "one", To: "two"}
	for src, want := range map[string]string{"a one b": "a two b", "other": "", "one one": ""} {
		got, err := m.apply(fstest.MapFS{"x.go": {Data: []byte(src)}})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("apply to %q gives %q, %v; want %q", src, got, err, want)
		}
	}
	if _, err := m.apply(fstest.MapFS{}); err == nil {
		t.Error("apply to a file that is not there gives no error")
	}
}

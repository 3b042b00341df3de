package tidy

import (
	"strings"
	"testing"
	"testing/fstest"
)

// plant makes a tree of a few files, given as pairs of path and source.
func plant(t *testing.T, pairs ...string) *Tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	tree, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// want checks that there is one problem for each of the texts, in their order.
func want(t *testing.T, got []Problem, texts ...string) {
	t.Helper()
	if len(got) != len(texts) {
		t.Fatalf("found %d problems, want %d: %v", len(got), len(texts), got)
	}
	for i, text := range texts {
		if !strings.Contains(got[i].String(), text) {
			t.Errorf("problem %d is %q, want it to say %q", i, got[i], text)
		}
	}
}

func TestImportsSeesForbiddenArrows(t *testing.T) {
	arrows := map[string]Allowed{
		"core": {Std: []string{"fmt"}, Why: "it is pure"},
		"net":  {Ours: []string{"core"}, Others: []string{msgpack}, Tests: []string{"disk"}, Why: "it carries"},
	}
	tree := plant(t,
		"core/a.go", "package core\nimport (\n\"fmt\"\n\"os\"\n)\n",
		"core/a_test.go", "package core_test\nimport (\n\"os\"\n\"github.com/raftnode/raft/core\"\n\"go.uber.org/goleak\"\n\"github.com/spf13/cobra\"\n)\n",
		"net/a.go", "package net\nimport (\n\"os\"\n\"github.com/raftnode/raft/core\"\n\"github.com/hashicorp/go-msgpack/v2/codec\"\n\"github.com/hashicorp/go-msgpackish\"\n)\n",
		"net/b.go", "package net\nimport \"github.com/raftnode/raft/disk\"\n",
		"net/b_test.go", "package net\nimport \"github.com/raftnode/raft/disk\"\n",
		"stray/a.go", "package stray\n",
	)
	want(t, Imports(tree, arrows),
		"core/a.go:4: core must not import os, because it is pure",
		"core/a_test.go:6: core must not import github.com/spf13/cobra",
		"net/a.go:6: net must not import github.com/hashicorp/go-msgpackish",
		"net/b.go:2: net must not import github.com/raftnode/raft/disk",
		"stray/a.go:1: package stray is not in the map",
	)
}

func TestBudgetsSeesWhatGrew(t *testing.T) {
	long := "package a\n\nfunc f() {\n" + strings.Repeat("\t_ = 0\n", MaxFuncLines-1) + "}\n"
	fits := strings.Replace(long, "\t_ = 0\n", "", 1)
	tree := plant(t,
		"a/file.go", "package a\n"+strings.Repeat("\n", MaxFileLines),
		"a/full.go", "package a\n"+strings.Repeat("\n", MaxFileLines-1),
		"a/func.go", long,
		"a/fits.go", fits,
		"a/func_test.go", long,
	)
	want(t, Budgets(tree, nil), "a/file.go:1: 401 lines", "a/func.go:3: f has 61 lines")
	want(t, Budgets(tree, map[string]string{"a/file.go": "a table", "a/func.go:f": "a story"}))
}

func TestSleepsSeesTheClock(t *testing.T) {
	const body = "func f() { time.Sleep(1) }\n"
	tree := plant(t,
		"a/a.go", "package a\nimport \"time\"\n"+body,
		"a/a_test.go", "package a\nimport \"time\"\n"+body,
		"a/b_test.go", "package a\nimport \"time\"\nimport \"testing/synctest\"\n"+body,
		"b/b_test.go", "package b\nimport \"testing/synctest\"\nfunc bubble(f func()) { synctest.Test(nil, f) }\n",
		"b/c_test.go", "package b\nimport \"time\"\nfunc g() { bubble(func() { time.Sleep(1) }) }\nfunc h() { other(func() { time.Sleep(1) }) }\n",
	)
	want(t, Sleeps(tree), "a/a_test.go:3: time.Sleep in a test", "b/c_test.go:4: time.Sleep in a test")
}

func TestDocsSeesWhatIsNotSaid(t *testing.T) {
	tree := plant(t,
		"a/doc.go", "// Package a is there.\npackage a\n",
		"a/a.go", "package a\nfunc F() {}\n// G does.\nfunc G() {}\ntype T int\nfunc (T) M() {}\nfunc (T) String() {}\ntype u int\nfunc (u) M() {}\n",
		"a/b.go", "package a\n// Group.\nconst (\nA = 1\n)\nvar B, c int\nconst D = 1 // said\n",
		"cmd/x/doc.go", "// X runs.\npackage main\n",
	)
	want(t, Docs(tree), "a/a.go:2: F is", "a/a.go:5: T is", "a/a.go:6: M is", "a/b.go:6: B is")
	want(t, Docs(plant(t, "a/a.go", "package a\n")), "package a has no doc.go")
	want(t, Docs(plant(t, "a/doc.go", "// Hello.\npackage a\n")), `begins "Package a ..."`)
}

func TestForbiddenSeesWords(t *testing.T) {
	tree := plant(t, "words.md", strings.Join([]string{
		"TODO later", "see issue 12", "fixed (#7)", "cd /work/main", "in this session", // all wrong
		"todo list", "an issue of 12 sheets", "Figure 7", "http://x/work/y", "the session table",
	}, "\n"))
	want(t, Forbidden(tree, Words), "words.md:1: ", "words.md:2: ", "words.md:3: ", "words.md:4: ", "words.md:5: ")
}

func TestLoadRefusesBrokenGoAndSkipsBinaries(t *testing.T) {
	if _, err := Load(fstest.MapFS{"a/a.go": {Data: []byte("pakcage a")}}); err == nil || !strings.Contains(err.Error(), "a/a.go:1:1") {
		t.Errorf("Load of a broken file gives %v, want its place", err)
	}
	tree := plant(t, "bin/x.go", "not go", ".git/y.go", "not go", "z", "\xff\xfe")
	if len(tree.Files) != 0 {
		t.Errorf("Load reads %v, want nothing", tree.Files)
	}
}

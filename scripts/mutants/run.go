package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// verdict is what became of one mutant.
type verdict struct {
	caught bool
	by     string // the first test that failed, or why the mutant is not caught
	seeds  int    // how many seeds it took, where a test hunts with seeds and says so; else 0
}

// runner runs mutants in the module whose root is root.
type runner struct {
	root    string
	scratch string          // a directory of its own, for mutated files
	sound   map[string]bool // tests that are known to pass without a mutant
}

// judge runs one mutant. An error means that nothing could be learned.
func (r *runner) judge(ctx context.Context, m mutant) (verdict, error) {
	overlay, err := r.overlay(m)
	if err != nil {
		return verdict{}, err
	}
	if key := m.Package + " " + m.Run; !r.sound[key] {
		// The cache is welcome here: the code is as it was.
		out, err := r.test(ctx, m.Package, "-run", m.Run)
		switch {
		case err != nil:
			return verdict{by: "nothing: the test fails without the mutant too: " + firstFailure(out)}, ctx.Err()
		case !anyPassed(out):
			return verdict{by: "nothing: no test matches " + m.Run}, nil
		}
		r.sound[key] = true
	}
	dir, name := r.module(m.Package)
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", os.DevNull, name)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return verdict{by: "nothing: it does not compile: " + lastLine(out)}, ctx.Err()
	}
	out, err := r.test(ctx, m.Package, "-count=1", "-overlay", overlay, "-run", m.Run)
	if err == nil {
		return verdict{by: "nothing: it survives"}, nil
	}
	v := verdict{caught: ctx.Err() == nil, by: firstFailure(out)}
	v.hunted(out)
	return v, ctx.Err()
}

// hunt is how a test that tries seed after seed says what it found: "caught after 12 seeds: Election Safety".
var hunt = regexp.MustCompile(`caught after (\d+) seeds?: (.*)`)

// hunted takes note of how many seeds it took, and of what was noticed.
func (v *verdict) hunted(events []event) {
	for _, e := range events {
		if m := hunt.FindStringSubmatch(e.Output); m != nil {
			v.seeds, _ = strconv.Atoi(m[1])
			v.by = fmt.Sprintf("%s, after %s seeds: %s", v.by, m[1], strings.TrimSpace(m[2]))
			return
		}
	}
}

// overlay writes the mutated file and the JSON that tells the go command of it.
func (r *runner) overlay(m mutant) (string, error) {
	src, err := m.apply(os.DirFS(r.root))
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(r.scratch, "mutated.go")
	replace := map[string]map[string]string{"Replace": {filepath.Join(r.root, m.File): mutated}}
	text, err := json.Marshal(replace)
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(r.scratch, "overlay.json")
	return overlay, errors.Join(os.WriteFile(mutated, []byte(src), 0o600), os.WriteFile(overlay, text, 0o600))
}

// module gives the directory of the module that a package is in, which may be one of its own below the root, and the package's name there.
func (r *runner) module(pkg string) (dir, name string) {
	for at := filepath.Join(r.root, pkg); at != r.root && strings.HasPrefix(at, r.root); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, "./" + strings.TrimPrefix(filepath.Join(r.root, pkg), at)
		}
	}
	return r.root, pkg
}

// test runs go test on a package and gives its events.
func (r *runner) test(ctx context.Context, pkg string, args ...string) ([]event, error) {
	dir, name := r.module(pkg)
	// vet is off: a mutant that vet would refuse has not been noticed by a test.
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"test", "-json", "-vet=off", "-timeout", "120s"}, args, []string{name})...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var events []event
	for line := range bytes.Lines(out) {
		var e event
		if json.Unmarshal(line, &e) == nil {
			events = append(events, e)
		}
	}
	return events, err
}

// event is what we need of a line of go test -json.
type event struct{ Action, Test, Output string }

// firstFailure names the test, and says so if it was ended by a panic or by the time limit.
func firstFailure(events []event) string {
	name, how := "", ""
	for _, e := range events {
		switch {
		case e.Action == "fail" && e.Test != "" && deeper(e.Test, name):
			name = e.Test
		case strings.HasPrefix(e.Output, "panic: test timed out"):
			how = " (hangs)"
		case strings.HasPrefix(e.Output, "panic: ") && how == "":
			how = " (panics)"
		case strings.HasPrefix(e.Output, "WARNING: DATA RACE"):
			how = " (races)"
		}
	}
	if name == "" {
		name = "the whole test binary"
	}
	return name + how
}

// deeper prefers the first failure, and of it the innermost subtest, which is reported first.
func deeper(test, than string) bool { return than == "" || strings.HasPrefix(test, than+"/") }

func anyPassed(events []event) bool {
	for _, e := range events {
		if e.Action == "pass" && e.Test != "" {
			return true
		}
	}
	return false
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Sprintf("%.120s", lines[len(lines)-1])
}

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
	"time"
)

// verdict is what became of one mutant.
type verdict struct {
	caught bool
	hung   bool   // it was caught, but only because a test did not end in time: it says nothing of what is wrong
	by     string // the first test that failed, or why the mutant is not caught
	seeds  int    // how many seeds it took, where a test hunts with seeds and says so; else 0
}

// word is what is said of the mutant in one word.
func (v verdict) word() string {
	switch {
	case !v.caught:
		return "MISSED"
	case v.hung:
		return "hangs"
	}
	return "caught"
}

// patience is how long tests may take.
const patience = 2 * time.Minute

// runner runs mutants in the module whose root is root.
type runner struct {
	root     string
	scratch  string          // a directory of its own, for mutated files
	sound    map[string]bool // tests that are known to pass without a mutant
	patience time.Duration
}

func newRunner(root, scratch string) *runner {
	return &runner{root: root, scratch: scratch, sound: map[string]bool{}, patience: patience}
}

// judge runs one mutant. An error means that nothing could be learned.
func (r *runner) judge(ctx context.Context, m mutant) (verdict, error) {
	overlay, err := r.overlay(m)
	if err != nil {
		return verdict{}, err
	}
	if key := m.Package + " " + m.Run; !r.sound[key] {
		// The cache is welcome here: the code is as it was.
		out, err := r.test(ctx, m, "")
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
	out, err := r.test(ctx, m, overlay, "-count=1")
	if err == nil {
		return verdict{by: "nothing: it survives"}, nil
	}
	v := verdict{caught: ctx.Err() == nil, hung: slices.ContainsFunc(out, event.tellsOfHang), by: firstFailure(out)}
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

// test runs a mutant's tests, on the code as the overlay has it, and gives the events.
func (r *runner) test(ctx context.Context, m mutant, overlay string, args ...string) ([]event, error) {
	dir, name := r.module(m.Package)
	// vet is off: a mutant that vet would refuse has not been noticed by a test.
	args = append([]string{"test", "-json", "-vet=off", "-timeout", r.patience.String(), "-run", m.Run}, append(args, name)...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	if overlay != "" { // by the environment, so that a program which the test itself builds has the mutant, too
		cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
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

func (e event) tellsOfHang() bool { return strings.HasPrefix(e.Output, "panic: test timed out") }

// firstFailure names the test, and says so if it was ended by a panic or by the time limit.
func firstFailure(events []event) string {
	name, begun, how := "", "", ""
	for _, e := range events {
		switch {
		case e.Action == "run":
			begun = e.Test
		case e.Action == "fail" && e.Test != "" && deeper(e.Test, name):
			name = e.Test
		case e.tellsOfHang():
			how = " (hangs)"
		case strings.HasPrefix(e.Output, "panic: ") && how == "":
			how = " (panics)"
		case strings.HasPrefix(e.Output, "WARNING: DATA RACE"):
			how = " (races)"
		}
	}
	if name == "" && how != "" {
		name = begun // it had no time to fail
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

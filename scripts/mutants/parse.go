package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// mutant is one rule broken: in File, From becomes To, and Package's tests that match Run must notice.
type mutant struct {
	Name, File, From, To string
	Package, Run         string
	at                   string // where it is written, for errors
}

// find reads every testdata/mutants.txt below the root of fsys.
func find(fsys fs.FS) ([]mutant, error) {
	var all []mutant
	names := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == ".git" || name == "bin" || name == "runs") {
			return fs.SkipDir
		}
		if path.Base(name) != "mutants.txt" || path.Base(path.Dir(name)) != "testdata" {
			return nil
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		found, err := parse(name, f)
		all = append(all, found...)
		return err
	})
	for _, m := range all {
		if other := names[m.Name]; other != "" && err == nil {
			err = fmt.Errorf("%s: the name %s is taken by the mutant at %s: choose another", m.at, m.Name, other)
		}
		names[m.Name] = m.at
	}
	return all, err
}

// parse reads the blocks of one file.
func parse(name string, r io.Reader) ([]mutant, error) {
	var found []mutant
	block := map[string]string{}
	start, number := 0, 0
	end := func() error {
		if len(block) == 0 {
			return nil
		}
		m, err := build(block)
		m.at = fmt.Sprintf("%s:%d", name, start)
		if err != nil {
			return fmt.Errorf("%s: %w", m.at, err)
		}
		found = append(found, m)
		block = map[string]string{}
		return nil
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		number++
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case strings.TrimSpace(line) == "":
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if _, twice := block[key]; !ok || twice || !known(key) {
			return nil, fmt.Errorf("%s:%d: %q is not one of name:, file:, from:, to:, test:, once each in a block", name, number, line)
		}
		if len(block) == 0 {
			start = number
		}
		block[key] = strings.TrimSpace(value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return found, end()
}

func known(key string) bool {
	return key == "name" || key == "file" || key == "from" || key == "to" || key == "test"
}

func build(block map[string]string) (mutant, error) {
	m := mutant{Name: block["name"], File: block["file"], From: block["from"], To: block["to"]}
	m.Package, m.Run, _ = strings.Cut(block["test"], " ")
	m.Run = strings.TrimSpace(strings.TrimPrefix(m.Run, "-run ")) // both ways of writing it read well
	_, to := block["to"]
	switch {
	case m.Name == "", m.File == "", m.From == "", !to, m.Package == "", m.Run == "":
		return m, fmt.Errorf("a mutant has a name:, a file:, a from:, a to: (which may be empty) and a test: of a package and a regular expression")
	case m.From == m.To:
		return m, fmt.Errorf("mutant %s changes nothing: from: and to: are the same", m.Name)
	case !strings.HasPrefix(m.Package, "./"):
		return m, fmt.Errorf("mutant %s: name the package of its test from the root, like ./wal, not %s", m.Name, m.Package)
	}
	if _, err := regexp.Compile(m.Run); err != nil {
		return m, fmt.Errorf("mutant %s: its test: %w", m.Name, err)
	}
	return m, nil
}

// apply gives the mutated source of m.File.
func (m mutant) apply(fsys fs.FS) (string, error) {
	src, err := fs.ReadFile(fsys, m.File)
	if err != nil {
		return "", fmt.Errorf("%s: mutant %s: %w", m.at, m.Name, err)
	}
	if n := strings.Count(string(src), m.From); n != 1 {
		return "", fmt.Errorf("%s: mutant %s: its from: text stands %d times in %s and must stand once: "+
			"the code has changed, so change the mutant with it: %s", m.at, m.Name, n, m.File, m.From)
	}
	return strings.Replace(string(src), m.From, m.To, 1), nil
}

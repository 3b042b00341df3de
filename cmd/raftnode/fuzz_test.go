package main

import (
	"strings"
	"testing"
)

// Whatever stands in the file, it is settings or an error that names the file; never a panic.
func FuzzParseFile(f *testing.F) {
	for _, text := range []string{
		"", "---\n", "id: n1\ncluster:\n  n1: 127.0.0.1:7001\n", "a: &x [*x]\n", "? [a, b]\n: c\n", "<<: {id: n1}\n", "id: !!binary aGk=\n", "{id: n1}\n...\nid: n2\n",
		"cluster: {[a]: {b: c}}\n", "*a\n", "\xff\xfe",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := parseFile("node.yaml", []byte(text))
		if err != nil && !strings.HasPrefix(err.Error(), "node.yaml:") {
			t.Errorf("the error does not name the file: %v", err)
		}
		for name, s := range settings {
			if !s.wrong && !strings.HasPrefix(s.where, "node.yaml:") {
				t.Errorf("setting %s says it is from %q", name, s.where)
			}
		}
	})
}

package tidy

import (
	"slices"
	"strconv"
	"strings"
)

// Imports finds imports that have no arrow in the map, and packages that the map does not know.
func Imports(tree *Tree, arrows map[string]Allowed) []Problem {
	var problems []Problem
	for _, f := range tree.goFiles(func(*File) bool { return true }) {
		allowed, known := arrows[f.Dir()]
		if !known {
			problems = append(problems, tree.problem(f.AST.Name,
				"package %s is not in the map of imports: say in %s what it may import, and why", f.Dir(), rulesFile))
			continue
		}
		for _, spec := range f.AST.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil || allowed.permits(name, f) {
				continue
			}
			problems = append(problems, tree.problem(spec,
				"%s must not import %s, because %s. Turn the dependency round, or add the arrow to %s with its reason",
				f.Dir(), name, allowed.Why, rulesFile))
		}
	}
	return problems
}

func (a Allowed) permits(name string, f *File) bool {
	if ours, ok := strings.CutPrefix(name, Module+"/"); ok {
		// An external test package imports the package that it tests.
		return slices.Contains(a.Ours, ours) || f.Test() && (ours == f.Dir() || slices.Contains(a.Tests, ours))
	}
	if !strings.Contains(strings.Split(name, "/")[0], ".") { // the standard library
		return a.Std == nil || f.Test() || slices.Contains(a.Std, name)
	}
	if f.Test() && slices.ContainsFunc(TestOnly, within(name)) {
		return true
	}
	return slices.ContainsFunc(a.Others, within(name))
}

// within tells of a module whether the package name belongs to it.
func within(name string) func(module string) bool {
	return func(module string) bool { return name == module || strings.HasPrefix(name, module+"/") }
}

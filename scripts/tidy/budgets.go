package tidy

import (
	"go/ast"
	"strings"
)

// Budgets finds files and functions, outside tests, that grew beyond their limit.
func Budgets(tree *Tree, exceptions map[string]string) []Problem {
	var problems []Problem
	for _, f := range tree.goFiles(notTest) {
		if lines := strings.Count(f.Src, "\n"); lines > MaxFileLines && exceptions[f.Path] == "" {
			problems = append(problems, tree.problem(f.AST.Name,
				"%d lines, and %d is the limit, because a file holds one idea: move the second idea to a file of its own",
				lines, MaxFileLines))
		}
		for _, decl := range f.AST.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || exceptions[f.Path+":"+fn.Name.Name] != "" {
				continue
			}
			lines := tree.Fset.Position(fn.End()).Line - tree.Fset.Position(fn.Pos()).Line + 1
			if lines > MaxFuncLines {
				problems = append(problems, tree.problem(fn,
					"%s has %d lines, and %d is the limit, because a function holds one thought: name the second thought",
					fn.Name.Name, lines, MaxFuncLines))
			}
		}
	}
	return problems
}

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

// Sleeps finds tests that wait by the clock. Under testing/synctest the clock is part of the
// test, so files that use it are free to.
func Sleeps(tree *Tree) []Problem {
	var problems []Problem
	for _, f := range tree.goFiles((*File).Test) {
		if imports(f.AST, "testing/synctest") {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" && isIdent(sel.X, "time") {
				problems = append(problems, tree.problem(sel,
					"time.Sleep in a test: it is too short on a busy machine and too long on all others. "+
						"Wait for a channel, ask until it is so, or use testing/synctest"))
			}
			return true
		})
	}
	return problems
}

func imports(f *ast.File, name string) bool {
	for _, spec := range f.Imports {
		if spec.Path.Value == `"`+name+`"` {
			return true
		}
	}
	return false
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

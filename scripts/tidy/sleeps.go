package tidy

import "go/ast"

// Sleeps finds tests that wait by the clock. In a bubble of testing/synctest the clock is part of the test, so
// these are free to sleep: files that import it, and what is handed to a function that makes a bubble.
func Sleeps(tree *Tree) []Problem {
	tests := tree.goFiles((*File).Test)
	makers := map[string]bool{} // dir + name of functions that make a bubble
	for _, f := range tests {
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && calls(fn, "synctest", "Test") {
				makers[f.Dir()+fn.Name.Name] = true
			}
		}
	}
	var problems []Problem
	for _, f := range tests {
		if imports(f.AST, "testing/synctest") {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && makers[f.Dir()+id.Name] {
					return false
				}
			}
			if isSelector(n, "time", "Sleep") {
				problems = append(problems, tree.problem(n,
					"time.Sleep in a test: it is too short on a busy machine and too long on all others. "+
						"Wait for a channel, ask until it is so, or use testing/synctest"))
			}
			return true
		})
	}
	return problems
}

func calls(fn *ast.FuncDecl, pkg, name string) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		found = found || isSelector(n, pkg, name)
		return !found
	})
	return found
}

func imports(f *ast.File, name string) bool {
	for _, spec := range f.Imports {
		if spec.Path.Value == `"`+name+`"` {
			return true
		}
	}
	return false
}

func isSelector(n ast.Node, pkg, name string) bool {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

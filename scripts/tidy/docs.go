package tidy

import (
	"go/ast"
	"go/token"
	"strings"
)

// Docs finds packages without a doc.go that introduces them, and exported names without a comment.
func Docs(tree *Tree) []Problem {
	var problems []Problem
	first := map[string]*File{} // of each package
	intro := map[string]*File{} // its doc.go
	for _, f := range tree.goFiles(notTest) {
		if first[f.Dir()] == nil {
			first[f.Dir()] = f
		}
		if strings.HasSuffix(f.Path, "/doc.go") {
			intro[f.Dir()] = f
		}
		problems = append(problems, undocumented(tree, f)...)
	}
	for dir, f := range first {
		doc := intro[dir]
		switch {
		case doc == nil:
			problems = append(problems, tree.problem(f.AST.Name, "package %s has no doc.go: "+
				"it says what the package promises, what it does not, and shows an example, before any code", dir))
		case !introduces(doc.AST):
			problems = append(problems, tree.problem(doc.AST.Name, `the package comment begins "Package %s ..." `+
				`(of a command: with its name), so that go doc and its index can show it`, doc.AST.Name.Name))
		}
	}
	return problems
}

// introduces tells whether the package comment has the form that go doc expects.
func introduces(f *ast.File) bool {
	text := f.Doc.Text()
	if f.Name.Name == "main" {
		return text != ""
	}
	return strings.HasPrefix(text, "Package "+f.Name.Name+" ")
}

func undocumented(tree *Tree, f *File) []Problem {
	var problems []Problem
	complain := func(id *ast.Ident) {
		problems = append(problems, tree.problem(id,
			"%s is exported and has no comment: say what it is for, with units, errors and source", id.Name))
	}
	for _, decl := range f.AST.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !wellKnown(d) {
				complain(d.Name)
			}
		case *ast.GenDecl:
			for _, id := range undocumentedNames(d) {
				complain(id)
			}
		}
	}
	return problems
}

// undocumentedNames gives the exported names of a type, const or var declaration that have neither a comment of
// their own nor one of their group.
func undocumentedNames(d *ast.GenDecl) []*ast.Ident {
	if d.Tok == token.IMPORT || d.Doc != nil {
		return nil
	}
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Comment == nil {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if s.Doc == nil && s.Comment == nil {
				names = append(names, s.Names...)
			}
		}
	}
	exported := names[:0]
	for _, id := range names {
		if id.IsExported() {
			exported = append(exported, id)
		}
	}
	return exported
}

// wellKnown methods are documented by the interface that they implement.
func wellKnown(d *ast.FuncDecl) bool {
	return d.Recv != nil && (d.Name.Name == "String" || d.Name.Name == "Error" || d.Name.Name == "Unwrap")
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// What would make two runs of one plan differ: clocks, shared chance, other goroutines, and the order of maps.
func TestNothingHereDependsOnChanceOrTime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	consensus, err := filepath.Glob("../consensus/*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range append(files, consensus...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		checked++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		maps := mapNames(f)
		ast.Inspect(f, func(n ast.Node) bool {
			if why := undetermined(n, maps, file); why != "" {
				t.Errorf("%s: %s", set.Position(n.Pos()), why)
			}
			return true
		})
	}
	if checked < 20 {
		t.Errorf("only %d files were looked at", checked)
	}
}

// undetermined tells why a node may differ from run to run.
func undetermined(n ast.Node, maps map[string]bool, file string) string {
	// Search runs several plans at a time, each on its own goroutine.
	parallel := file == "search.go"
	switch n := n.(type) {
	case *ast.SelectStmt:
		return "select chooses by chance"
	case *ast.GoStmt:
		return "goroutines run in any order"
	case *ast.RangeStmt:
		if maps[lastName(n.X)] {
			return "a map is ranged over, in any order"
		}
	case *ast.ImportSpec:
		switch path := strings.Trim(n.Path.Value, `"`); {
		case path == "crypto/rand", path == "maps", path == "hash/maphash":
			return path + " differs from run to run"
		case (path == "sync" || path == "sync/atomic" || path == "runtime") && !parallel:
			return path + " is for goroutines"
		}
	case *ast.SelectorExpr:
		pkg, name := "", n.Sel.Name
		if id, ok := n.X.(*ast.Ident); ok {
			pkg = id.Name
		}
		switch {
		case pkg == "time" && strings.Contains(" Now Since Until Sleep After AfterFunc Tick NewTimer NewTicker ", " "+name+" "):
			return "time." + name + " reads the clock"
		case pkg == "rand" && name != "New" && name != "PCG" && name != "Rand":
			return "rand." + name + " is shared by all"
		}
	}
	return ""
}

// mapNames gives the names of variables and fields that are maps.
func mapNames(f *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			if _, ok := n.Type.(*ast.MapType); ok {
				for _, id := range n.Names {
					names[id.Name] = true
				}
			}
		case *ast.AssignStmt:
			for i, right := range n.Rhs {
				if isMap(right) && i < len(n.Lhs) {
					names[lastName(n.Lhs[i])] = true
				}
			}
		case *ast.ValueSpec:
			_, declared := n.Type.(*ast.MapType)
			for i, id := range n.Names {
				names[id.Name] = names[id.Name] || declared || i < len(n.Values) && isMap(n.Values[i])
			}
		}
		return true
	})
	return names
}

func isMap(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		_, ok := e.Type.(*ast.MapType)
		return ok
	case *ast.CallExpr:
		if len(e.Args) > 0 && lastName(e.Fun) == "make" {
			_, ok := e.Args[0].(*ast.MapType)
			return ok
		}
	}
	return false
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// The lint sees what it is for.
func TestLintSees(t *testing.T) {
	for _, body := range []string{
		"select {}", "go f()", "m := map[int]int{}; for range m {}", "m := make(map[int]int); for range m {}",
		"_ = time.Now()", "time.Sleep(1)", "_ = rand.IntN(3)",
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc g() { "+body+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		found, maps := false, mapNames(f)
		ast.Inspect(f, func(n ast.Node) bool {
			found = found || undetermined(n, maps, "x.go") != ""
			return true
		})
		if !found {
			t.Errorf("%s: nothing is found", body)
		}
	}
}

package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Module is the path that all import paths of this repository begin with.
const Module = "github.com/raftnode/raft"

// Problem is one finding, at a line that an editor can jump to.
type Problem struct {
	File string // relative to the root of the repository
	Line int
	Text string // the rule, its reason, and what to do
}

// String is the form that compilers use.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// File is one text file of the repository. AST is nil unless it is Go.
type File struct {
	Path string // relative to the root, with slashes
	Src  string
	AST  *ast.File
}

// Dir is the package's directory, which the maps of rules.go name it by.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test tells whether the file is compiled into tests only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Tree is the repository as the rules see it.
type Tree struct {
	Files []*File // in the order of their paths
	Fset  *token.FileSet
}

// Load reads all text files below the root of fsys but for what git does not track here: its own
// directory, binaries and runs. A Go file that does not parse is an error.
func Load(fsys fs.FS) (*Tree, error) {
	tree := &Tree{Fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(notOurs, name):
			return fs.SkipDir
		case !entry.Type().IsRegular() || slices.Contains(notOurs, name): // .git is a file in a worktree
			return nil
		}
		return tree.add(fsys, name)
	})
	if err != nil {
		return nil, fmt.Errorf("tidy: load: %w", err)
	}
	return tree, nil
}

func (t *Tree) add(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if !utf8.Valid(src) {
		return nil // a binary, or a fuzz corpus entry: no words to judge
	}
	file := &File{Path: name, Src: string(src)}
	if strings.HasSuffix(name, ".go") {
		file.AST, err = parser.ParseFile(t.Fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
	}
	t.Files = append(t.Files, file)
	return nil
}

// goFiles gives the Go files that pass keep.
func (t *Tree) goFiles(keep func(*File) bool) []*File {
	var files []*File
	for _, f := range t.Files {
		if f.AST != nil && keep(f) {
			files = append(files, f)
		}
	}
	return files
}

func notTest(f *File) bool { return !f.Test() }

func (t *Tree) problem(at ast.Node, format string, args ...any) Problem {
	pos := t.Fset.Position(at.Pos())
	return Problem{File: pos.Filename, Line: pos.Line, Text: fmt.Sprintf(format, args...)}
}

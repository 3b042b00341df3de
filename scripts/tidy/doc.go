// Package tidy holds the walls of this repository as ordinary tests: which package may import which, how long
// a file and a function may grow, that every package and every exported name is documented, and a few
// words that have no place here. `go test ./scripts/tidy` runs them; so does every `go test ./...`.
//
// # What it promises
//
// Each finding names the file and line, the rule with its reason, and what to do. A rule that has to
// be broken is broken in the open: with an entry, and a reason, in the maps of rules.go.
//
// # What it does not promise
//
// It reads syntax, not types: it does not find a bug. Generated files have no special place, since there are none.
//
// # Example
//
//	tree, err := tidy.Load(os.DirFS("../.."))
//	for _, p := range tidy.Imports(tree, tidy.Arrows) {
//		fmt.Println(p) // rpc/link.go:9: rpc must not import github.com/hashicorp/go-hclog: ...
//	}
package tidy

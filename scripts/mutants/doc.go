// Mutants breaks the code on purpose, one rule at a time, and demands that a test notices. A rule without such
// a mutant may be tested by nothing but luck.
//
//	go run ./scripts/mutants              # all of them
//	go run ./scripts/mutants -run crc     # those whose name or file matches
//	go run ./scripts/mutants -list        # what there is
//	go run ./scripts/mutants -results f   # all, in several sittings: see below
//
// Each package keeps its mutants in testdata/mutants.txt, in blocks with an empty line between them:
//
//	# why this matters, for readers
//	name: crc-not-checked
//	file: rpc/frame.go
//	from: if sum != want {
//	to: if false {
//	test: ./rpc TestFrame
//
// The text after from: stands exactly once in the file, within one line; it is replaced by the text after to:. The
// test is a package and a regular expression for go test -run (the word -run may be left out).
//
// # What it promises
//
// A mutant counts as caught only if those tests pass without it, the mutated package and its tests still
// compile, and then a test fails by name, panics or hangs. A hang, of two minutes, is told apart: there no test says what is wrong. The working tree is
// never written to: the mutated file reaches the compiler through go's -overlay, also that of a program which a test builds. Exit: 0 all caught; 1 one
// survived, did not compile, or proves nothing; 64 usage or a file of mutants that cannot be read.
//
// A run with -results that was cut goes on with the same file, which gets a line for each verdict: what was caught is not judged again. That is for
// one state of the code: when it has changed, begin a new file.
//
// # What it does not promise
//
// It makes no mutants of its own, so it finds no untested rule that nobody thought of.
package main

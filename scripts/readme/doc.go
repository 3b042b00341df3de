// Package readme holds the README to its word: its tests run the commands that it tells a newcomer to type, in their
// order, and the program that it tells an embedder to write.
//
// A fenced block whose first line has more than the language is run:
//
//	```sh walk              a command in the fourth terminal; it must succeed
//	```sh walk want=a,b     and what it prints must contain a and b
//	```sh walk node=n1      a node, which runs on in a terminal of its own
//	```sh walk leader=n1    "n1" stands for whichever node leads when the walk comes here
//	```go run want=42       a whole program
//	<!-- walk: restart -->  the node that was killed is started once more, by the same command
//
// # What it promises
//
// The commands are run by sh as they stand, but for two things: addresses, since no test may count on a port,
// and the leader's name, since nobody can know it.
//
// # What it does not promise
//
// It reads no prose. Blocks without such a mark are not run: CI runs `make demo` and `make test` by themselves.
package readme

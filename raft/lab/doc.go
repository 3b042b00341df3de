// Package lab is the test bed of a course on Raft: what MIT's 6.824 asks of lab 2, in parts 2A (election), 2B (log), 2C
// (persistence) and 2D (snapshots), told anew. It judges any system that can do what [System] asks, and it is run against two here:
//
//   - servers of one process on a hostile network in virtual time (package labnet): go test ./raft -run 2A
//   - real processes on TCP, with kill -9 and proxies: go test ./integration -run 2A -v
//
// Each test prints its name and, when it has passed, five numbers:
//
//	Test (2A): initial election ...
//	  ... Passed --   4.0  3   32    9170    0
//
// They are the seconds it took (virtual ones where time is), the number of servers, the number of RPCs (requests; a
// reply belongs to its request), the bytes sent, replies included, and how far the log was committed, in entries.
//
// # For teachers
//
// [Tests] is a table: pick from it, or add to it. A test is a function of a [Bed], which wraps the
// system under test in the questions that tests ask: who leads, how many servers have applied an index, agree on a command.
// What a student's Raft must offer is only System; labnet shows how little that is.
//
// # What it promises
//
// Every wait is for a condition and has a bound. A test fails with what was expected and what was seen. Whatever servers
// apply is compared all the time: a server that applies another command at an index than somebody before it, or applies out of
// order, fails the test at the next question.
//
// # What it does not promise
//
// Passing is no proof. The scripts try the situations in which Raft implementations have gone wrong, a few
// hundred of them; package consensus's random histories and conversations go deeper.
package lab

//go:build race

package raft

import "runtime"

// In a synctest bubble all timers share one context of the race detector, and Go 1.26's runtime uses it without a lock: when two
// threads run channel timers of one bubble at the same moment, the detector itself crashes, once in some hundred of
// these tests (a failed check in tsan_rtl.cpp, or a SIGSEGV in maybeRunChan). On one thread it cannot. What the detector finds does not
// depend on threads, but on what is ordered by channels and locks.
func init() { runtime.GOMAXPROCS(1) }

// Package sim runs a whole Raft cluster on one goroutine.
package sim

package lab

import "time"

// System is a cluster under test. Servers are numbered from 0. At the beginning all run and are connected. It is made for one Test:
// its Servers, its Network, its SnapshotEvery. One goroutine calls, but for Start, State and Applied, which may be called from several at once.
type System interface {
	// Size is the number of servers.
	Size() int
	// Start asks server i to begin agreement on a command, which is unique in the test, and does not wait for it. ok says
	// that the server took it as leader, at index, in term.
	Start(i int, command string) (index, term int, ok bool)
	// Noops says that a new leader appends an entry of its own, which no server applies as a command.
	Noops() bool
	// State tells server i's term, and whether it believes that it leads. A crashed server says 0, false.
	State(i int) (term int, leader bool)
	// Applied tells what server i applied at index in its present incarnation, by itself or as a part of a snapshot.
	Applied(i, index int) (command string, ok bool)
	// LogSize tells how many entries server i's log has that its newest snapshot does not cover. A crashed server says 0.
	LogSize(i int) int
	// Connect and Disconnect join server i to the others, or cut it off in both directions.
	Connect(i int)
	Disconnect(i int)
	// Crash stops server i at once. What it persisted stays. Restart starts it again from that; it is
	// connected as it was.
	Crash(i int)
	Restart(i int)
	// SetNetwork changes how the network treats messages from now on.
	SetNetwork(n Network)
	// Counts gives what was sent so far, over all servers and incarnations.
	Counts() Counts
	// Err is not nil once two servers have applied different commands at one index, or one has
	// applied out of order, or has gone back to an older snapshot.
	Err() error
	// Close stops everything, and gives an error if something is left behind.
	Close() error
}

// Network says how messages are treated. The zero value delivers all of them at once.
type Network struct {
	Unreliable     bool // requests and replies are delayed by up to some 25 ms, and one in ten is lost
	LongReordering bool // two of three replies are held back for 200 ms to 2.2 s
	LongDelays     bool // what is sent to or from a server that is cut off arrives up to 7 s later, if it is connected by then
}

// Counts are what a network has carried.
type Counts struct {
	RPCs  int // requests that were sent, also those that were lost
	Bytes int // of requests and replies
}

// The bounds of the tests, in the time of the system under test.
const (
	electionBound  = 5 * time.Second  // a majority that is connected has a leader by then
	agreementBound = 10 * time.Second // a command is agreed on, over elections if need be
	testBound      = 2 * time.Minute  // no test takes longer
	pollInterval   = 20 * time.Millisecond
	electionPause  = time.Second // longer than several elections of a system with usual timeouts
)

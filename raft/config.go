package raft

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// Config is what New needs. ID, Persister and StateMachine must be set; for everything else the zero
// value is sensible.
type Config struct {
	ID    ServerID // this server
	Peers []Peer   // the other servers of the cluster; one with this server's own ID is ignored

	Persister    Persister
	StateMachine StateMachine

	// HeartbeatInterval is how often a leader lets itself be heard. Default 50ms.
	HeartbeatInterval time.Duration
	// ElectionTimeout is T: without a leader a server waits a random time in [T, 2T) and stands
	// for election (§5.2). At least twice HeartbeatInterval. Default 300ms.
	ElectionTimeout time.Duration

	// Noop makes a new leader append an empty entry, which commits what earlier terms left behind
	// (§5.4.2, §8) and lets reads begin at once. Products want it. Make has it off, since its users expect
	// their own commands at 1, 2, 3, ...
	Noop bool

	// PreVote makes a server ask, before it stands for election, whether it would win, so that one that was cut off does not
	// unseat a leader when it comes back (thesis 9.6). CheckQuorum makes a leader step down that no majority
	// answers, or whose own disk hangs, for an election timeout, and lets servers that hear a leader ignore others
	// who stand (thesis 4.2.3, 6.2). Products want both, on all servers alike. Make has them off: the paper's Figure 2
	// does without.
	PreVote     bool
	CheckQuorum bool

	// MaxCommandBytes bounds one encoded command. Default 2 MiB.
	MaxCommandBytes int
	// MaxUncommittedBytes bounds what a leader has accepted but not committed: above it
	// proposals get ErrBusy. Default 64 MiB.
	MaxUncommittedBytes int
	// MaxLogBytes bounds the log, which is in memory: above it proposals get ErrLogFull. Default 4 GiB.
	MaxLogBytes int
	// MaxMailboxBytes bounds the messages that wait to be stepped: above it Deliver
	// blocks, so that TCP pushes back. Default 64 MiB.
	MaxMailboxBytes int

	// Logger gets changes of role at Info and votes at Debug. Default: none.
	Logger hclog.Logger
	// OnFact, if set, is called with everything the algorithm did that is worth telling. It must not block.
	OnFact func(fact consensus.Fact)
	// Seed starts the random choice of election timeouts. Default: a random one.
	Seed uint64
}

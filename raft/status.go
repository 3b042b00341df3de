package raft

import (
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Status is a copy of what this server knows, as of its last step.
type Status struct {
	consensus.Status
	LastApplied Index         // highest index that the state machine has applied
	Now         time.Duration // this server's clock, to compare with Members[i].LastContact
}

// IsLeader tells whether the server believes that it leads.
func (s Status) IsLeader() bool { return s.Role == consensus.Leader }

// Applied is what became of a proposed command: it is committed, and this server's
// state machine has applied it.
type Applied struct {
	Index  Index
	Term   Term
	Result any // what the StateMachine returned for it
}

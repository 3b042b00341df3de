package main

import (
	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// facts logs what the algorithm does. While nobody leads, elections follow each other for as long as that
// lasts: the first is told at Info and the others at Debug. It is used by one goroutine.
type facts struct {
	log  hclog.Logger
	told map[string]bool // kinds of facts, since there was a leader
}

func (f *facts) tell(fact consensus.Fact) {
	switch kind := fact.(type) {
	case consensus.VoteGranted:
		f.log.Debug(fact.String())
		return
	case consensus.BecameLeader:
		f.told = nil
	case consensus.BecameFollower:
		if kind.Leader != "" || kind.Was == consensus.Leader {
			f.told = nil
		} else if f.again("term") {
			f.log.Debug(fact.String())
			return
		}
	case consensus.BecamePreCandidate:
		if f.again("pre-candidate") {
			f.log.Debug(fact.String())
			return
		}
	case consensus.BecameCandidate:
		if f.again("candidate") {
			f.log.Debug(fact.String())
			return
		}
	}
	f.log.Info(fact.String())
}

// again tells whether such a fact was told since there was a leader.
func (f *facts) again(kind string) bool {
	if f.told == nil {
		f.told = map[string]bool{}
	}
	before := f.told[kind]
	f.told[kind] = true
	return before
}

// noFacts is the Logger of the Raft server, which logs the facts at Info and Debug too.
type noFacts struct{ hclog.Logger }

func (noFacts) Debug(string, ...any) {}
func (noFacts) Info(string, ...any)  {}

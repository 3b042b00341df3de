package sim

import (
	"slices"
	"time"
)

// Shrink looks for a smaller plan that breaks the same invariant: with fewer actions, shorter, with fewer servers and clients, with
// less chance. It tries at most so many runs, and gives the smallest plan that it found with what becomes of it. A plan that does not
// fail comes back as it is.
func Shrink(plan *Plan, options RunOptions, runs int) (*Plan, Result) {
	options.Trace = nil
	s := &shrinking{best: plan, options: options, runs: runs}
	s.result = Run(plan, options)
	if s.result.Failure == nil {
		return plan, s.result
	}
	if s.result.Failure.Invariant != linearizability { // then histories need not be judged, which may take long
		s.options.System.setDefaults()
		s.options.System.Model = nil
	}
	for {
		before := s.runs
		size := sizeOf(s.best)
		s.shorten()
		s.dropActions()
		s.edit()
		if s.runs == before || s.runs <= 0 || slices.Equal(sizeOf(s.best), size) {
			return s.best, s.result
		}
	}
}

type shrinking struct {
	best    *Plan
	result  Result
	options RunOptions
	runs    int // that are left
}

// sizeOf says how far shrinking has come.
func sizeOf(p *Plan) []byte { return p.Encode() }

// try runs a changed copy of the best plan, and keeps it if the same invariant fails.
func (s *shrinking) try(change func(p *Plan)) bool {
	if s.runs <= 0 {
		return false
	}
	p := *s.best
	p.Actions = slices.Clone(p.Actions)
	p.Clocks = slices.Clone(p.Clocks)
	change(&p)
	if p.validate() != nil || slices.Equal(p.Encode(), s.best.Encode()) {
		return false
	}
	s.runs--
	r := Run(&p, s.options)
	if r.Failure == nil || r.Failure.Invariant != s.result.Failure.Invariant {
		return false
	}
	s.best, s.result = &p, r
	return true
}

// shorten ends the phase with faults as early as it can be, and drops what would come later.
func (s *shrinking) shorten() {
	s.try(func(p *Plan) {
		p.Duration = min(p.Duration, s.result.Failure.At+time.Millisecond)
		p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool { return a.At > p.Duration })
	})
	for s.try(func(p *Plan) { p.Duration /= 2 }) {
	}
}

// dropActions is the delta debugging of Zeller and Hildebrandt: drop large parts first, then smaller ones.
func (s *shrinking) dropActions() {
	for part := (len(s.best.Actions) + 1) / 2; part > 0; part /= 2 {
		for from := 0; from < len(s.best.Actions); {
			dropped := s.try(func(p *Plan) { p.Actions = slices.Delete(p.Actions, from, min(from+part, len(p.Actions))) })
			if !dropped {
				from += part
			}
		}
	}
}

// edit makes single things simpler.
func (s *shrinking) edit() {
	for _, change := range simpler {
		s.try(change)
	}
	for s.try(func(p *Plan) { p.Servers = max(p.Servers-1, 1) }) {
	}
	for s.try(func(p *Plan) { p.Clients.Number = max(p.Clients.Number-1, 1) }) {
	}
	for i := range s.best.Actions {
		for s.try(func(p *Plan) { p.Actions[i].For = (p.Actions[i].For / 2).Truncate(time.Microsecond) }) {
		}
		s.try(func(p *Plan) { p.Actions[i].At = p.Actions[i].At.Truncate(100 * time.Millisecond) })
	}
}

// simpler are changes that take away chance, and limits.
var simpler = []func(p *Plan){
	func(p *Plan) { p.Network.Loss = 0 },
	func(p *Plan) { p.Network.Duplicate = 0 },
	func(p *Plan) { p.Network.Spike = 0 },
	func(p *Plan) { p.Network.Ordered = true },
	func(p *Plan) { p.Disk.Spike = 0 },
	func(p *Plan) { p.Disk.Group = true },
	func(p *Plan) { p.Host.Batch = 0 },
	func(p *Plan) { p.Host.Apply = 0 },
	func(p *Plan) { p.Host.CompactEvery = 0 },
	func(p *Plan) { p.Host.SnapshotDelay = 0 },
	func(p *Plan) { p.Clocks = nil },
	func(p *Plan) { p.Clients.Loss = 0 },
	func(p *Plan) { p.Clients.Keys = 1 },
	func(p *Plan) { p.Clients.ValueBytes = 1 },
	func(p *Plan) { p.Clients.Reads = 0 },
	func(p *Plan) { p.Clients.Readers = 0 },
	func(p *Plan) { p.Clients.Think *= 4 },
	func(p *Plan) { p.Raft.LeaseDuration = 0 },
	func(p *Plan) { p.Raft.PreVote = false },
	func(p *Plan) { p.Raft.CheckQuorum, p.Raft.LeaseDuration = false, 0 },
	func(p *Plan) { p.Raft.Noop = true },
	func(p *Plan) { p.Raft.MaxBatchBytes = 0 },
	func(p *Plan) { p.Raft.MaxInflightMessages = 0 },
	func(p *Plan) { p.Raft.MaxInflightBytes = 0 },
	func(p *Plan) { p.Raft.MaxUncommittedBytes = 0 },
	func(p *Plan) { p.Raft.MaxLogBytes = 0 },
	func(p *Plan) { p.Raft.TrailingBytes = 0 },
	func(p *Plan) { p.Raft.MaxChunkBytes = 0 },
}

package consensus

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var (
	seeds    = flag.Int("seeds", 150, "how many random histories TestRandomHistories tries")
	oneSeed  = flag.Uint64("seed", 0, "try only this history, and tell all of it")
	maxSteps = flag.Int("steps", 1500, "how long each history is, in events")
)

// TestRandomHistories lets messages be lost, repeated, delayed and reordered, and servers crash with any part of what
// their disks were writing, and watches for the properties of Figure 3 after every event. Then all is
// healed, and the cluster must get on.
func TestRandomHistories(t *testing.T) {
	if *oneSeed != 0 {
		runHistory(t, *oneSeed)
		return
	}
	for seed := uint64(1); seed <= uint64(*seeds); seed++ {
		runHistory(t, seed)
	}
}

type history struct {
	*cluster
	rng      *rand.Rand
	weights  [8]int // how often each kind of event comes; zero among them
	proposed int
	reads    ReadID
}

func runHistory(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	h := &history{rng: rng}
	h.cluster = newCluster(t, 1+2*rng.IntN(3), func(c *cluster) {
		c.rand = rng.Uint64
		c.noop = rng.IntN(2) == 0
		small, preVote, checkQuorum := rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(2) == 0
		trailing := max(0, rng.IntN(20)-10)*entryOverhead - 1 // often nothing
		if rng.IntN(2) == 0 {                                 // with changes of membership
			preVote, checkQuorum = true, true
			c.newcomers = []ServerID{"x1", "x2"}[:1+rng.IntN(2)]
			c.ids = append(c.ids, c.newcomers...)
		}
		c.limits = func(cfg *Config) {
			cfg.PreVote, cfg.CheckQuorum = preVote, checkQuorum
			cfg.TrailingBytes, cfg.MaxChunkBytes = trailing, 40
			if small { // so small that windows close and batches are cut
				cfg.MaxBatchBytes, cfg.MaxInflightMessages, cfg.MaxInflightBytes = 2*entryOverhead, 2, 8*entryOverhead
			}
		}
		if *oneSeed != 0 {
			c.trace = t.Logf
		}
	})
	h.check.context = fmt.Sprintf("seed %d (go test ./raft/consensus -run TestRandomHistories -seed %d -v): ", seed, seed)
	for i := range h.weights {
		h.weights[i] = rng.IntN(10)
	}
	for range *maxSteps {
		h.event()
	}
	h.heal(t)
}

func (h *history) anyone() ServerID { return h.ids[h.rng.IntN(len(h.ids))] }

// event does one thing, by chance.
func (h *history) event() {
	id := h.anyone()
	if h.rng.IntN(100) < h.weights[6] {
		_ = h.compact(id) // refused where there is nothing new
	}
	if h.rng.IntN(100) < h.weights[7] && len(h.newcomers) > 0 {
		h.change(id)
	}
	switch n := h.rng.IntN(60 + h.weights[0] + h.weights[1] + h.weights[2] + h.weights[3] + h.weights[4]); {
	case n < 30:
		for range h.rng.IntN(8) {
			if len(h.network) > 0 {
				h.deliver(h.chooseMessage())
			}
		}
	case n < 50:
		for range 1 + h.rng.IntN(4) {
			h.save(id)
		}
	case n < 60:
		h.propose(id)
	case n < 60+h.weights[0]:
		h.tick(id)
	case n < 60+h.weights[0]+h.weights[1]:
		if len(h.network) > 0 {
			h.lose(h.rng.IntN(len(h.network)))
		}
	case n < 60+h.weights[0]+h.weights[1]+h.weights[2]:
		if len(h.network) > 0 && len(h.network) < 200 {
			h.network = append(h.network, h.network[h.rng.IntN(len(h.network))])
		}
	case n < 60+h.weights[0]+h.weights[1]+h.weights[2]+h.weights[3]:
		h.read(id)
		if h.rng.IntN(10) == 0 {
			h.do(id, func(m *Module) { _ = m.TransferLeadership("") }) // refused by all but a leader
		}
	default:
		h.crashOrRestart(id)
	}
}

// chooseMessage prefers the oldest message, unless this history is one that reorders a lot.
func (h *history) chooseMessage() int {
	if h.rng.IntN(10) < h.weights[5] {
		return h.rng.IntN(len(h.network))
	}
	return 0
}

func (h *history) lose(i int) { h.network = append(h.network[:i:i], h.network[i+1:]...) }

func (h *history) propose(id ServerID) {
	h.do(id, func(m *Module) {
		h.proposed++
		_, _, _ = m.Propose(EntryCommand, fmt.Appendf(nil, "c%d", h.proposed)) // refused by all but the leader
	})
}

func (h *history) read(id ServerID) {
	h.do(id, func(m *Module) {
		err := m.Read(h.reads + 1)
		switch asks := m.role == Leader || m.Asks() != ""; {
		case err == nil:
			h.reads++
			h.check.ask(id, h.reads)
		case asks:
			h.check.fail("%s refuses a read, and its leader is %q: %v", id, m.leader, err)
		}
	})
}

// change asks for a random change of membership; it is refused by all but a leader, and by a leader that cannot make it.
func (h *history) change(id ServerID) {
	changes := make([]Change, 1+h.rng.IntN(2))
	for i := range changes {
		changes[i] = Change{Op: ChangeOp(1 + h.rng.IntN(5)), ID: h.anyone()}
	}
	h.do(id, func(m *Module) {
		if _, _, err := m.ChangeMembership(changes...); err == nil {
			h.trace("%s is asked for %v", id, changes)
		}
	})
}

func (h *history) crashOrRestart(id ServerID) {
	s := h.servers[id]
	if s.module == nil {
		h.trace("%s restarts", id)
		h.start(id)
		return
	}
	if h.rng.IntN(20) != 0 { // most servers live most of the time
		return
	}
	h.trace("%s crashes", id)
	h.crash(id, h.rng.IntN(len(s.pending)+1), h.rng.IntN(4))
}

// heal repairs everything: then a command must get through to all in a few rounds of elections, the cluster
// must agree, and an idle leader has nothing under way.
func (h *history) heal(t *testing.T) {
	for _, id := range h.ids {
		if h.module(id) == nil {
			h.start(id)
		}
	}
	h.settle(nil)
	for round := 0; ; round++ {
		if round == 100 {
			h.check.fail("100 timeouts after everything healed, the servers do not agree")
		}
		// Whose time comes first acts first, as with real clocks.
		next := h.ids[0]
		for _, id := range h.ids {
			if h.module(id).Deadline() < h.module(next).Deadline() {
				next = id
			}
		}
		h.tick(next)
		h.settle(nil)
		if h.module(next).role == Leader {
			before := len(h.check.committed)
			h.propose(next)
			for _, member := range h.module(next).config {
				h.read(member.ID)
			}
			h.settle(nil)
			for range 3 { // one of them is a heartbeat, which tells the followers what is committed
				h.tick(next)
				h.settle(nil)
				for _, member := range h.module(next).config { // who waits for an answer asks again
					h.do(member.ID, func(m *Module) { m.Tick(h.now) })
				}
				h.settle(nil)
			}
			if len(h.check.committed) > before && h.converged(next) {
				return
			}
		}
	}
}

func (h *history) converged(leader ServerID) bool {
	if h.module(leader).config.Joint() {
		return false
	}
	for _, member := range h.module(leader).config {
		id := member.ID
		if h.check.appliedTo[id] != Index(len(h.check.committed)) {
			return false
		}
	}
	for _, f := range h.module(leader).followers {
		if f.inflightBytes != 0 || len(f.inflight) != 0 || f.probing {
			h.check.fail("all is quiet, but %d bytes count as under way to %s (probing: %t)", f.inflightBytes, f.id, f.probing)
		}
	}
	for _, member := range h.module(leader).config {
		if n := len(h.check.asked[member.ID]); n != 0 {
			h.check.fail("all is quiet, but %s has not answered %d reads", member.ID, n)
		}
	}
	return true
}

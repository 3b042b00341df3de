package sim

import (
	"slices"
	"time"
)

// Draw makes the plan of a seed. Every probability, every range and every kind of trouble is itself drawn, absence included:
// some bugs need a quiet network, and some need that one kind of trouble comes alone.
func Draw(seed uint64) *Plan {
	d := &drawing{stream: newStream(seed, forPlan, 0)}
	p := &d.plan
	p.Seed = seed
	p.Servers = d.pick(3, 3, 3, 3, 5, 5, 5, 1, 2, 4, 7)
	p.Duration = d.span(2*time.Second, 12*time.Second)
	if d.chance(50) {
		p.Duration *= 4
	}
	d.raft()
	d.network()
	d.host()
	d.clocks()
	d.clients()
	if d.chance(200) {
		d.unrest()
	}
	d.actions()
	d.fullDisks()
	slices.SortStableFunc(p.Actions, func(a, b Action) int { return int(a.At - b.At) })
	return p
}

type drawing struct {
	stream
	plan     Plan
	members  bool // this plan changes the membership
	restless bool // and this one its leader
	weights  [len(faults)]int
}

func (d *drawing) pick(values ...int) int { return values[d.below(len(values))] }

// sometimes gives a number from 1..most, but nothing in half of all cases.
func (d *drawing) sometimes(most int) int {
	if d.chance(500) {
		return 0
	}
	return 1 + d.below(most)
}

func (d *drawing) raft() {
	r := &d.plan.Raft
	r.ElectionTimeout = time.Duration(d.pick(100, 150, 300, 300, 1000)) * time.Millisecond
	r.HeartbeatInterval = r.ElectionTimeout / time.Duration(d.pick(2, 3, 6, 10))
	d.members = d.chance(600)
	r.Noop = d.chance(700)
	r.PreVote, r.CheckQuorum = d.members || d.chance(600), d.members || d.chance(600)
	if r.CheckQuorum && d.chance(400) {
		r.LeaseDuration = r.ElectionTimeout * time.Duration(d.pick(60, 90, 90)) / 100 // below the timeout by more than clocks differ: see clocks
	}
	small := func(values ...int) int { // 0: the default, which is large
		if d.chance(600) {
			return 0
		}
		return d.pick(values...)
	}
	r.MaxBatchBytes = small(1, 200, 1000)
	r.MaxInflightMessages = small(1, 2, 10)
	r.MaxInflightBytes = small(1, 500, 5000)
	r.MaxUncommittedBytes = small(1, 500, 5000)
	r.MaxLogBytes = small(50_000, 200_000)
	r.TrailingBytes = d.pick(-1, 200, 2000, 0)
	if r.MaxLogBytes > 0 && r.TrailingBytes == 0 {
		r.TrailingBytes = 5000 // the default would fill the log up for good
	}
	r.MaxChunkBytes = small(20, 100, 1000)
}

func (d *drawing) network() {
	n := &d.plan.Network
	t := d.plan.Raft.ElectionTimeout
	n.Delay = d.span(t/1000, t/time.Duration(d.pick(8, 20, 20, 100)))
	n.MinDelay = n.Delay / 4
	n.Loss = d.sometimes(d.pick(20, 50, 300))
	n.Duplicate = d.sometimes(d.pick(50, 500))
	n.Spike, n.SpikeFactor = d.sometimes(d.pick(5, 50)), d.pick(5, 20, 100)
	n.Ordered = d.chance(400)
	k := &d.plan.Disk
	k.Delay = d.span(0, t/time.Duration(d.pick(10, 30, 200)))
	k.Spike, k.SpikeFactor = d.sometimes(d.pick(5, 50)), d.pick(5, 50)
	k.Group = d.chance(700)
}

func (d *drawing) host() {
	h := &d.plan.Host
	t := d.plan.Raft.ElectionTimeout
	if d.chance(400) {
		h.Batch = d.span(1, t/50)
	}
	if d.chance(400) {
		h.Apply = d.span(1, t/20)
	}
	// Without snapshots a bounded log fills up for good.
	if d.plan.Raft.MaxLogBytes != 0 || d.chance(600) {
		h.CompactEvery = d.pick(5, 20, 100)
	}
	if d.chance(500) {
		h.SnapshotDelay = d.span(1, t)
	}
}

// unrest makes a plan in which leaders do not last and messages outlive them: many delays are many election timeouts long, so that
// what was said in one term arrives in a later one.
func (d *drawing) unrest() {
	n, t := &d.plan.Network, d.plan.Raft.ElectionTimeout
	n.Spike, n.Ordered = d.pick(20, 100, 300), false
	n.SpikeFactor = int(time.Duration(d.pick(3, 10, 30)) * t / n.Delay)
	n.Loss = min(n.Loss, 20)
	d.plan.Raft.PreVote = d.plan.Raft.PreVote && d.members
	d.restless = true
}

// clocks differ by a fifth either way; with leases by as much as the lease was made for: 1.13/0.87 is below 1/0.6, and 1.05/0.95 below 1/0.9.
func (d *drawing) clocks() {
	spread := d.pick(0, 10, 200)
	if d.plan.Raft.LeaseDuration > 0 {
		spread = d.pick(0, 10, 50)
		if d.plan.Raft.LeaseDuration < d.plan.Raft.ElectionTimeout*7/10 {
			spread = d.pick(0, 10, 130)
		}
	}
	for range maxServers {
		d.plan.Clocks = append(d.plan.Clocks, Clock{
			Rate:   1000 - spread + d.below(2*spread+1),
			Offset: d.span(0, 10*time.Second),
		})
	}
}

func (d *drawing) clients() {
	c := &d.plan.Clients
	t := d.plan.Raft.ElectionTimeout
	c.Number = 1 + d.below(8)
	c.Think = t / time.Duration(d.pick(1, 10, 30, 30, 100))
	c.Timeout = t * time.Duration(d.pick(1, 3, 10))
	c.Attempts = d.pick(2, 5, 50)
	c.Reads = d.pick(100, 300, 300, 600)
	c.Keys = d.pick(1, 3, 10)
	c.ValueBytes = d.pick(1, 20, 20, 200)
	c.Loss = d.sometimes(200)
	if c.Number > 1 && d.chance(500) {
		c.Readers = 1 + d.below(c.Number-1)
	}
}

// faults are the kinds of trouble that come again and again; each plan gives each a weight of its own.
var faults = [...]Kind{
	Crash, Crash, Pause, Cut, Cut, Clog, Lossy, SlowDisk, HangDisk, ClockRate, ClockJump, Transfer, Compact, ClientCrash, Quiet, Burst, Big,
	"isolate", "bridge", "swizzle", "crash-all", "forget", "late-answers", "lost-farewell", "quick-restart",
	Replace, AddLearner, AddVoter, Promote, Demote, Remove, // the last six change the membership
}

const memberKinds = 6

func (d *drawing) actions() {
	total := 0
	for i, kind := range faults {
		if d.chance(500) && d.fits(i, kind) {
			d.weights[i] = 1 + d.below(10)
			if d.favours(i, kind) {
				d.weights[i] *= 3
			}
			total += d.weights[i]
		}
	}
	mean := d.plan.Raft.ElectionTimeout * time.Duration(d.pick(1, 2, 5, 10))
	if d.restless {
		for at := time.Duration(0); at < d.plan.Duration; at += d.span(1, 4*d.plan.Raft.ElectionTimeout) {
			d.fault(at, d.pickKind(Crash, Pause, "isolate", Transfer, Clog, "forget", "late-answers", "lost-farewell", "quick-restart"))
		}
	}
	for at := d.around(mean); total > 0 && at < d.plan.Duration; at += d.around(mean) {
		d.fault(at, d.weighted(total))
	}
}

// fullDisks come last, so that what else a seed draws did not change when they came to be.
func (d *drawing) fullDisks() {
	if !d.chance(250) {
		return
	}
	mean := d.plan.Raft.ElectionTimeout * time.Duration(d.pick(2, 5, 20))
	for at := d.around(mean); at < d.plan.Duration; at += d.around(mean) {
		d.add(Action{At: at, For: d.while(), Kind: FullDisk, Server: d.server()})
	}
}

// favours tells whether a kind is what makes this plan interesting.
func (d *drawing) favours(i int, kind Kind) bool {
	switch kind {
	case "late-answers", "lost-farewell", "quick-restart":
		return d.plan.Raft.LeaseDuration > 0
	}
	return d.members && i >= len(faults)-memberKinds
}

// fits tells whether the kind may be in this plan: leases rest on clocks that do not jump.
func (d *drawing) fits(i int, kind Kind) bool {
	switch {
	case kind == ClockRate || kind == ClockJump:
		return d.plan.Raft.LeaseDuration == 0
	case i >= len(faults)-memberKinds:
		return d.members
	}
	return true
}

func (d *drawing) pickKind(kinds ...Kind) Kind { return kinds[d.below(len(kinds))] }

func (d *drawing) weighted(total int) Kind {
	n := d.below(total)
	for i, w := range d.weights {
		if n < w {
			return faults[i]
		}
		n -= w
	}
	panic("sim: the weights do not add up")
}

func (d *drawing) add(a Action) {
	a.Chance = d.next() >> 12 // JSON numbers that other programs read have 53 bits
	d.plan.Actions = append(d.plan.Actions, a)
}

// while is how long a trouble lasts: mostly a few election timeouts, sometimes hardly anything, sometimes long enough that who
// missed it needs a snapshot.
func (d *drawing) while() time.Duration {
	t := d.plan.Raft.ElectionTimeout
	switch d.below(6) {
	case 0:
		return d.span(1, t/5)
	case 1:
		return d.span(5*t, 20*t)
	}
	return d.span(t/5, 5*t)
}

// server is any founder, or in a third of all cases the leader.
func (d *drawing) server() int {
	if d.chance(330) {
		return 0
	}
	return 1 + d.below(d.plan.Servers)
}

// side is some of the servers, and those that may join later.
func (d *drawing) side() Set { return Set(d.next()) & (1<<maxServers - 1) }

func (d *drawing) fault(at time.Duration, kind Kind) {
	a := Action{At: at, For: d.while(), Kind: kind}
	switch kind {
	case Crash, Pause, HangDisk:
		a.Server = d.server()
	case SlowDisk:
		a.Server, a.Value = d.server(), d.pick(3, 10, 100)
	case Lossy:
		a.Value = d.pick(100, 500, 900)
	case Big:
		a.Value = d.pick(10, 100)
	case ClockRate:
		a.Server, a.Value = d.server(), d.between(800, 1200)
	case ClockJump:
		a.Server, a.Value, a.For = d.server(), d.pick(-1000, -100, 50, 100, 300, 1000, 5000), 0
	case Transfer:
		a.Value, a.For = d.below(d.plan.Servers+1), 0
	case Compact, Replace, AddLearner, AddVoter, Promote, Demote, Remove:
		a.Server, a.For = d.server(), 0
	case ClientCrash:
		a.Value, a.For = d.below(d.plan.Clients.Number), 0
	case Cut, Clog, "isolate", "bridge", "swizzle", "crash-all", "forget", "late-answers", "lost-farewell", "quick-restart":
		d.links(a)
		return
	}
	d.add(a)
}

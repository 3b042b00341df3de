package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// client asks for one operation after the other, and tries again at other servers until it has an answer or enough.
type client struct {
	place  int
	id     uint64 // a client that gave up goes on under another one: nobody may mistake what is still under way for its next
	seq    uint64
	rand   *rand.Rand // of its operations
	stream stream
	wire   stream

	busy     bool
	op       Operation
	began    uint64 // event number
	floor    uint64 // what any client knew to be done when this operation began
	attempts int
	target   int    // slot
	again    bool   // it was told to ask again, and is about to
	timer    uint32 // counts timers
	gone     bool   // its answers do not count any more: the run is at its end
}

// request is what arrives at a server.
type request struct {
	client, server int
	id, seq        uint64
	op             Operation
}

// answer is what arrives at a client.
type answer struct {
	client  int
	id, seq uint64
	status  answerStatus
	leader  int // slot; -1: not known
	result  []byte
	index   uint64
}

type answerStatus uint8

const (
	answered  answerStatus = iota
	notLeader              // ask there
	busy                   // ask again later
	replaced               // another entry was committed in its place
)

// record is one operation in the history.
type record struct {
	client, seq  uint64
	began, ended uint64 // event numbers
	op           Operation
	outcome      Outcome
}

// waiter is who waits for an index to be applied.
type waiter struct {
	index, term uint64
	client      int
	id, seq     uint64
}

// asked is a read that the module has.
type asked struct {
	id      consensus.ReadID
	client  int
	from    uint64
	seq     uint64
	query   []byte
	floor   uint64 // what was committed anywhere when it was asked
	event   uint64 // when
	leading bool   // the server led then
}

func (c *cluster) addClient(place int) {
	k := client{place: place, stream: newStream(c.plan.Seed, forClient, place), wire: newStream(c.plan.Seed, forWire, place)}
	pcg := newStream(c.plan.Seed, forClient, place+maxClients)
	k.rand = rand.New(&pcg.pcg)
	k.id = c.nextID
	c.nextID++
	c.clients = append(c.clients, k)
	c.think(&c.clients[place])
}

// think lets the client pause before its next operation.
func (c *cluster) think(k *client) {
	pause := k.stream.around(c.plan.Clients.Think)
	if c.burst > 0 {
		pause /= 20
	}
	c.wakeClient(k, pause)
}

func (c *cluster) wakeClient(k *client, d time.Duration) {
	k.timer++
	c.plan1(event{at: c.now + int64(d) + 1, kind: evClient, gen: k.timer, arg: uint32(k.place)})
}

// clientTimer: the pause is over, or no answer came.
func (c *cluster) clientTimer(k *client, gen uint32) {
	switch {
	case gen != k.timer || k.gone:
	case k.busy && k.again:
		c.ask(k)
	case k.busy:
		c.retry(k)
	case c.quiet > 0 && !c.end.begun:
		c.think(k)
	default:
		c.begin(k)
	}
}

func (c *cluster) begin(k *client) {
	k.seq++
	knobs := c.plan.Clients
	if c.big > 0 {
		knobs.ValueBytes *= c.big
	}
	if k.place < knobs.Readers {
		knobs.Reads = 1000
	}
	k.op = c.system.Workload.Next(k.rand, &knobs, k.id, k.seq)
	k.busy, k.began, k.attempts = true, c.done, 0
	if c.end.begun {
		c.end.ask(k.op)
	}
	k.floor = c.check.acked
	c.ask(k)
}

func (c *cluster) ask(k *client) {
	k.attempts++
	k.again = false
	if !c.lostOnWire(k) {
		arg := c.requests.put(request{client: k.place, server: k.target, id: k.id, seq: k.seq, op: k.op})
		c.plan1(event{at: c.now + c.wireTime(k), kind: evRequest, server: uint8(k.target), arg: arg})
	}
	c.wakeClient(k, c.plan.Clients.Timeout)
}

func (c *cluster) lostOnWire(k *client) bool {
	return k.wire.chance(c.plan.Clients.Loss) && !c.end.begun
}

func (c *cluster) wireTime(k *client) int64 {
	return int64(exponential(k.wire.next(), c.plan.Network.Delay)) + 1
}

// retry asks anybody when no answer came. A write is tried again only if the state machine tells a repeat from a new one.
func (c *cluster) retry(k *client) {
	unsafe := !k.op.Read && !c.system.Sessions
	if unsafe || c.enough(k) {
		c.giveUp(k)
		return
	}
	k.target = c.anyTarget(k)
	c.ask(k)
}

// enough: the client tries no more. In the last phase writes are tried for ever. Reads are not: without a no-op they wait for a write of the
// leader's term.
func (c *cluster) enough(k *client) bool {
	if c.end.begun {
		return k.op.Read && k.attempts >= 3
	}
	return k.attempts >= c.plan.Clients.Attempts
}

// anyTarget is one of those that a client may know to be there.
func (c *cluster) anyTarget(k *client) int {
	if c.end.begun {
		return c.end.target()
	}
	return k.stream.below(len(c.servers))
}

// giveUp ends an operation without an answer.
func (c *cluster) giveUp(k *client) {
	if k.busy {
		c.forget(k)
	}
	k.busy = false
	c.rename(k)
	c.think(k)
}

// rename begins a new session: under the old one something may still be under way.
func (c *cluster) rename(k *client) {
	k.id, k.seq = c.nextID, 0
	c.nextID++
}

// forget notes that an operation has no known outcome.
func (c *cluster) forget(k *client) {
	c.history = append(c.history, record{client: k.id, seq: k.seq, began: k.began, ended: never, op: k.op, outcome: Outcome{Unknown: true}})
}

const never = 1 << 40 // as an event number

// request: a server takes a client's request, or sends it on.
func (c *cluster) request(e *event) {
	s := &c.servers[e.server]
	if s.holds() {
		s.held = append(s.held, *e)
		return
	}
	r := c.requests.take(e.arg)
	switch {
	case !s.up:
		c.reply(r.client, answer{id: r.id, seq: r.seq, status: notLeader, leader: -1})
	case r.op.Read:
		c.askModule(s, &r)
	default:
		c.propose(s, &r)
	}
}

func (c *cluster) propose(s *server, r *request) {
	index, term, err := s.module.Propose(consensus.EntryCommand, r.op.Body)
	if err != nil {
		c.refuse(s, r, err)
		return
	}
	at := uint64(index)
	// Who waits for the same index or a later one waits for entries that this server deleted when it lost leadership.
	for n := len(s.waiters); n > 0 && s.waiters[n-1].index >= at; n-- {
		s.waiters = s.waiters[:n-1]
	}
	s.waiters = append(s.waiters, waiter{index: at, term: uint64(term), client: r.client, id: r.id, seq: r.seq})
	c.input(s)
}

func (c *cluster) refuse(s *server, r *request, err error) {
	a := answer{id: r.id, seq: r.seq, status: busy, leader: -1}
	if errors.Is(err, consensus.ErrLogFull) {
		c.compact(s)
	}
	if errors.Is(err, consensus.ErrNoSpace) {
		c.cover.saw(RefusedForSpace)
	}
	if errors.Is(err, consensus.ErrNotLeader) {
		a.status, a.leader = notLeader, s.view.leader
	}
	c.reply(r.client, a)
}

func (c *cluster) askModule(s *server, r *request) {
	c.readIDs++
	if err := s.module.Read(c.readIDs); err != nil {
		c.refuse(s, r, err)
		return
	}
	s.reads = append(s.reads, asked{
		id: c.readIDs, client: r.client, from: r.id, seq: r.seq, query: r.op.Body, floor: c.check.committed(), event: c.done,
		leading: s.view.role == consensus.Leader,
	})
	c.input(s)
}

// serve answers a read from the state machine.
func (c *cluster) serve(s *server, r consensus.Read) {
	for i := range s.reads {
		if s.reads[i].id != r.ID {
			continue
		}
		q := s.reads[i]
		s.reads = append(s.reads[:i], s.reads[i+1:]...)
		a := answer{id: q.from, seq: q.seq, status: busy, leader: -1, index: uint64(r.Index)}
		if !r.Refused {
			c.check.read(s, &q, r)
			a.status, a.result = answered, s.machine.Query(q.query)
		} else if !q.leading {
			c.cover.saw(ReadRefusedAtFollower)
		}
		c.reply(q.client, a)
		return
	}
	c.fail("Reads", "each read is answered once")("%s answers read %d, which is not open there", s.id, r.ID)
}

// answerWaiter tells who waited for this index.
func (c *cluster) answerWaiter(s *server, e *consensus.Entry, result []byte) {
	c.answerUpTo(s, uint64(e.Index)-1)
	if len(s.waiters) == 0 || s.waiters[0].index != uint64(e.Index) {
		return
	}
	w := s.waiters[0]
	s.waiters = s.waiters[1:]
	a := answer{id: w.id, seq: w.seq, status: replaced, leader: -1}
	if w.term == uint64(e.Term) {
		a.status, a.result, a.index = answered, result, uint64(e.Index)
	}
	c.reply(w.client, a)
}

// answerUpTo drops those who waited for indexes that came with a snapshot: they get no answer and ask again.
func (c *cluster) answerUpTo(s *server, index uint64) {
	for len(s.waiters) > 0 && s.waiters[0].index <= index {
		s.waiters = s.waiters[1:]
	}
}

// reply puts an answer on its way.
func (c *cluster) reply(client int, a answer) {
	k := &c.clients[client]
	a.client = client
	if c.lostOnWire(k) {
		return
	}
	c.plan1(event{at: c.now + c.wireTime(k), kind: evAnswer, arg: c.answers.put(a)})
}

// answer: a client gets an answer. Late ones, to operations that are over, do not count.
func (c *cluster) answer(a answer) {
	k := &c.clients[a.client]
	if !k.busy || a.id != k.id || a.seq != k.seq || k.gone {
		return
	}
	switch a.status {
	case answered:
		if !k.op.Read && a.result == nil && c.system.Once != nil {
			c.fail("Sessions", "client %d waits for the result of its operation %d, its latest", k.id, k.seq)(
				"it is told at index %d that it is too old to remember", a.index)
			return
		}
		c.complete(k, &a)
	case notLeader:
		if a.leader == k.target {
			a.leader = -1
		}
		c.later(k, a.leader)
	default:
		target := k.target
		if k.attempts%4 == 3 {
			target = -1 // it may be a leader only by name
		}
		c.later(k, target)
	}
}

// later tries again after a moment. It is certain that this attempt did nothing, so it may be tried again without sessions too.
func (c *cluster) later(k *client, leader int) {
	if leader < 0 {
		leader = c.anyTarget(k)
	}
	k.target = leader
	if c.enough(k) {
		c.giveUp(k)
		return
	}
	k.again = true
	c.wakeClient(k, c.plan.Clients.Timeout/20+k.stream.around(c.plan.Network.Delay))
}

func (c *cluster) complete(k *client, a *answer) {
	c.history = append(c.history, record{
		client: k.id, seq: k.seq, began: k.began, ended: c.done, op: k.op, outcome: Outcome{Result: a.result},
	})
	c.check.completed(k, a)
	k.busy = false
	if !k.gone {
		c.think(k)
	}
	c.end.completed(c)
}

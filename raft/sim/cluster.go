package sim

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// cluster is one run: all of its servers, disks, links and clients, moved by one goroutine from event to event.
type cluster struct {
	plan   *Plan
	system System
	trace  func(Note)

	now     int64 // virtual nanoseconds
	queue   queue
	planned uint64 // events so far planned
	done    uint64 // events so far handled
	still   int    // of these at the present moment
	hash    uint64 // of everything that happened, in order

	servers  []server // by slot; grows when servers join
	links    []wire   // from*maxServers + to
	messages table[consensus.Message]
	requests table[request]
	answers  table[answer]
	clients  []client
	readIDs  consensus.ReadID
	lossy    int // per mille, on top of the plan's

	isolated          []int // by action: number of the server whose links it cuts, 0 not yet known, -1 nobody's
	quiet, burst, big int   // how many actions of the kind are in force, and for values how many times as long

	wishes   []wish // changes of membership that are still wanted
	operator bool   // an evOperator is planned
	nextID   uint64 // of clients

	check   checker
	history []record
	end     ending
	failure *Failure
	cover   Coverage
	config  consensus.Configuration // of the founders
}

// RunOptions are what a run needs beside its plan.
type RunOptions struct {
	System System
	Adjust func(*Plan) // Search changes each plan that it draws with this; nil: it does not
	Trace  func(Note)  // gets what happens, as it happens; nil: nobody looks
}

// Result is what became of a run.
type Result struct {
	Failure   *Failure      // nil: nothing was found
	Undecided bool          // the history could not be judged in time
	Hash      uint64        // of all that happened: equal plans give equal hashes
	Events    uint64        // handled
	Virtual   time.Duration // that passed
	Committed uint64        // entries
	Completed int           // operations of clients with a known outcome
	Unknown   int           // and without one
	Coverage  Coverage
}

// Run runs a plan. It starts no goroutine and reads no clock, but for the judgement of the history at the end, which is given up after
// some seconds.
func Run(plan *Plan, options RunOptions) Result {
	c := newCluster(plan, options)
	c.run()
	r := Result{
		Failure: c.failure, Hash: c.hash, Events: c.done, Virtual: time.Duration(c.now),
		Committed: c.check.committed(), Coverage: c.cover,
	}
	for i := range c.history {
		if c.history[i].outcome.Unknown {
			r.Unknown++
		} else {
			r.Completed++
		}
	}
	if r.Failure == nil {
		r.Failure, r.Undecided = c.judge()
	}
	return r
}

func newCluster(plan *Plan, options RunOptions) *cluster {
	c := &cluster{plan: plan, system: options.System, trace: options.Trace, nextID: 1, isolated: make([]int, len(plan.Actions))}
	c.system.setDefaults()
	c.check.cluster = c
	c.servers = make([]server, 0, maxServers) // pointers into it stay valid
	c.links = make([]wire, maxServers*maxServers)
	for i := range c.links {
		c.links[i].stream = newStream(plan.Seed, forLink, i)
	}
	ids := make([]consensus.ServerID, plan.Servers)
	for slot := range ids {
		ids[slot] = idOf(slot)
	}
	c.config = consensus.Voters(ids...)
	c.check.begin(votersOf(c.config))
	for range ids {
		c.start(c.addServer(c.config))
	}
	for i := range plan.Clients.Number {
		c.addClient(i)
	}
	for i := range plan.Actions {
		c.plan1(event{at: int64(plan.Actions[i].At), kind: evAction, arg: uint32(i)})
	}
	c.plan1(event{at: int64(plan.Duration), kind: evEnd})
	return c
}

func idOf(slot int) consensus.ServerID { return consensus.ServerID(fmt.Sprintf("n%d", slot+1)) }

// plan1 puts one event into the queue.
func (c *cluster) plan1(e event) {
	c.planned++
	e.number = c.planned
	c.queue.push(e)
}

// after plans an event of a server.
func (c *cluster) after(d time.Duration, s *server, kind eventKind, arg uint32) {
	c.plan1(event{at: c.now + int64(d), kind: kind, server: uint8(s.slot), gen: s.life, arg: arg})
}

// mostStill is how many events may happen at one moment: more, and they make each other.
const mostStill = 1 << 20

// run goes from event to event until the run is over or something is wrong. A panic of the module is a finding.
func (c *cluster) run() {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *consensus.Violation:
			c.fail(v.Property, "%s", v.Fact)("%s", v.Versus)
		default:
			c.fail("No Panic", "a panic: %v", v)("%s", debug.Stack())
		}
	}()
	for c.failure == nil && !c.end.over {
		e := c.queue.pop()
		if c.done++; e.at > c.now {
			c.now, c.still = e.at, 0
		} else if c.still++; c.still > mostStill {
			c.fail("Progress", "%d events have happened at one moment", c.still)("time does not pass")
			return
		}
		c.hash = mix(c.hash, mix(uint64(e.at), uint64(e.kind)<<40|uint64(e.server)<<32|uint64(e.arg)))
		c.dispatch(&e)
	}
}

func (c *cluster) dispatch(e *event) {
	switch e.kind {
	case evDeliver:
		c.deliver(e)
	case evTimer, evFlush, evDisk, evApply, evCompact:
		if s := &c.servers[e.server]; s.holds() {
			s.held = append(s.held, *e)
		} else if s.up {
			c.serverEvent(s, e)
		}
	case evRestart:
		if s := &c.servers[e.server]; e.gen == s.life && !s.up && !s.lost {
			c.start(s)
		}
	case evRequest:
		c.request(e)
	case evAnswer:
		c.answer(c.answers.take(e.arg))
	case evClient:
		c.clientTimer(&c.clients[e.arg], e.gen)
	case evAction:
		c.act(int(e.arg))
	case evActionEnd:
		c.actEnd(e)
	case evOperator:
		c.operate()
	case evEnd:
		c.beginEnd()
	case evWatch:
		c.watch()
	}
}

func (c *cluster) serverEvent(s *server, e *event) {
	switch e.kind {
	case evTimer:
		if e.gen == s.timer {
			s.timerAt = 0
			c.flush(s)
		}
	case evFlush:
		if e.gen == s.life {
			s.flushDue = false
			c.flush(s)
		}
	case evDisk:
		if e.gen == s.life && e.arg == s.disk.turn {
			c.written(s)
		}
	case evApply:
		if e.gen == s.life {
			c.applyNext(s)
		}
	case evCompact:
		if e.gen == s.life {
			c.compactNow(s)
		}
	}
}

// fail notes the first thing that is wrong; it reads fail(invariant, fact)(contradicting fact).
func (c *cluster) fail(invariant, format string, args ...any) func(format string, args ...any) {
	fact := fmt.Sprintf(format, args...)
	return func(format string, args ...any) {
		if c.failure != nil {
			return
		}
		c.failure = &Failure{
			Seed: c.plan.Seed, Invariant: invariant, Fact: fact, Versus: fmt.Sprintf(format, args...),
			At: time.Duration(c.now), Event: c.done,
		}
		c.note(-1, NoteFailure, "%s is violated: %s, but %s", invariant, c.failure.Fact, c.failure.Versus)
	}
}

// Failure is a promise that was found broken, and the two facts that contradict each other.
type Failure struct {
	Seed         uint64
	Invariant    string
	Fact, Versus string
	At           time.Duration // virtual
	Event        uint64        // number of
}

// Error says all of it in one line, and how to see it again.
func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d: %s is violated after %v, at event %d: %s, but %s", f.Seed, f.Invariant, f.At, f.Event, f.Fact, f.Versus)
}

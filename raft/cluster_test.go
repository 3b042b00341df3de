package raft

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/raftnode/raft/raft/consensus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network joins servers in one synctest bubble: each message takes a random millisecond or so; links can be cut.
type network struct {
	mu      sync.Mutex
	rng     *rand.Rand
	servers map[ServerID]*Raft
	cut     map[ServerID]bool
	sent    map[ServerID]int // messages by sender
	noReads bool             // answers to ReadIndex are lost
}

func newNetwork() *network {
	return &network{
		rng:     rand.New(rand.NewPCG(1, 2)),
		servers: map[ServerID]*Raft{}, cut: map[ServerID]bool{}, sent: map[ServerID]int{},
	}
}

// link is the way from one server to another.
type link struct {
	net      *network
	from, to ServerID
}

func (l link) ID() ServerID { return l.to }

func (l link) Send(msg Message) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.net.sent[l.from]++
	if _, answer := msg.(*consensus.ReadIndexReply); answer && l.net.noReads {
		return
	}
	delay := time.Duration(l.net.rng.Int64N(int64(2 * time.Millisecond)))
	time.AfterFunc(delay, func() {
		if to := l.net.receiver(l.from, l.to); to != nil {
			to.Deliver(msg)
		}
	})
}

func (n *network) receiver(from, to ServerID) *Raft {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[from] || n.cut[to] {
		return nil
	}
	return n.servers[to]
}

func (n *network) setCut(id ServerID, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[id] = cut
}

func (n *network) set(id ServerID, r *Raft) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[id] = r
}

// testCluster is a few servers that were made by Make, their disks, and what they applied.
type testCluster struct {
	t          *testing.T
	net        *network
	ids        []ServerID
	servers    []*Raft
	persisters []*MemoryPersister
	opts       []Option
	collectors sync.WaitGroup
	stops      []chan struct{}

	mu      sync.Mutex
	applied [][]ApplyMsg
}

func startCluster(t *testing.T, n int, opts ...Option) *testCluster {
	c := &testCluster{t: t, net: newNetwork(), opts: opts}
	for i := range n {
		c.ids = append(c.ids, ServerID(fmt.Sprintf("n%d", i+1)))
		c.persisters = append(c.persisters, NewMemoryPersister())
	}
	c.servers, c.applied, c.stops = make([]*Raft, n), make([][]ApplyMsg, n), make([]chan struct{}, n)
	for i := range n {
		c.start(i)
	}
	return c
}

func (c *testCluster) start(i int) {
	var peers []Peer
	for _, id := range c.ids {
		peers = append(peers, link{c.net, c.ids[i], id})
	}
	applyCh := make(chan ApplyMsg)
	stop := make(chan struct{})
	c.stops[i] = stop
	c.mu.Lock()
	c.applied[i] = nil
	c.mu.Unlock()
	c.servers[i] = Make(peers, i, c.persisters[i], applyCh, append([]Option{WithSeed(7)}, c.opts...)...)
	c.net.set(c.ids[i], c.servers[i])
	c.collectors.Go(func() { c.collect(i, applyCh, stop) })
}

func (c *testCluster) collect(i int, applyCh <-chan ApplyMsg, stop <-chan struct{}) {
	for {
		select {
		case msg := <-applyCh:
			c.mu.Lock()
			c.applied[i] = append(c.applied[i], msg)
			c.mu.Unlock()
		case <-stop:
			return
		}
	}
}

func (c *testCluster) kill(i int) {
	c.net.set(c.ids[i], nil)
	c.servers[i].Kill()
	close(c.stops[i])
}

func (c *testCluster) killAll() {
	for i := range c.servers {
		c.kill(i)
	}
	c.collectors.Wait()
}

func (c *testCluster) appliedBy(i int) []ApplyMsg {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ApplyMsg(nil), c.applied[i]...)
}

// leader waits for a leader among the servers that are not cut off, and gives the one of the highest term.
func (c *testCluster) leader() int {
	c.t.Helper()
	for range 1000 {
		time.Sleep(10 * time.Millisecond) // virtual time
		best, bestTerm := -1, 0
		for i, r := range c.servers {
			term, leads := r.GetState()
			if leads && !c.net.cut[c.ids[i]] && term > bestTerm {
				best, bestTerm = i, term
			}
		}
		if best >= 0 {
			return best
		}
	}
	c.t.Fatal("no leader within 10 s of virtual time")
	return -1
}

// await lets virtual time pass until ok, for at most 10 s of it.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 10000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("it did not happen within 10 s of virtual time: %s", what)
}

// awaitDone waits, for at most 10 s of virtual time, until r has stopped by itself.
func awaitDone(t *testing.T, r *Raft) {
	t.Helper()
	await(t, "the server stops", func() bool {
		select {
		case <-r.Done():
			return true
		default:
			return false
		}
	})
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// recorder is a StateMachine that keeps what it applied.
type recorder struct {
	mu       sync.Mutex
	commands []Command
	gate     chan struct{} // if set, each Apply waits for a token
}

func (r *recorder) Apply(commands []Command) []any {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	results := make([]any, len(commands))
	for i, c := range commands {
		r.commands = append(r.commands, c)
		results[i] = fmt.Sprintf("%v applied at %d", c.Value, c.Index)
	}
	return results
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.commands)
}

// single is a cluster of one with the product's surface, led and running until the test ends.
func single(t *testing.T, change func(*Config)) (*Raft, *recorder) {
	t.Helper()
	machine := &recorder{}
	cfg := Config{ID: "n1", Persister: NewMemoryPersister(), StateMachine: machine, Noop: true}
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Run(context.Background()) }()
	t.Cleanup(func() { _ = r.Close() })
	await(t, "n1 leads", func() bool { return r.Status().IsLeader() || r.Err() != nil })
	return r, machine
}

// gatePersister is a MemoryPersister whose Saves wait for a token, count, and fail on demand.
type gatePersister struct {
	*MemoryPersister
	gate  chan struct{} // nil: no waiting
	mu    sync.Mutex
	saves int
	fail  error
}

func (p *gatePersister) Save(batch []consensus.Save) error {
	if p.gate != nil {
		<-p.gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.saves++
	return p.MemoryPersister.Save(batch)
}

func (p *gatePersister) setFail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func (p *gatePersister) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.saves
}

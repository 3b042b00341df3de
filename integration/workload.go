package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// Load says how hard clients work.
type Load struct {
	// Direct clients ask one node of their choice, once, and take what comes: 0 means 5.
	Direct int
	// Sessions clients ask any node and repeat what got no answer, under the same session: 0 means 3.
	Sessions int
	// Think is the mean pause of a client between two operations: 0 means 5 ms.
	Think time.Duration
	// Limit bounds one operation: 0 means 1 s for a direct client, and five times as much with a session.
	Limit time.Duration
}

func (l Load) orDefault() Load {
	if l.Direct == 0 {
		l.Direct = 5
	}
	if l.Sessions == 0 {
		l.Sessions = 3
	}
	if l.Think == 0 {
		l.Think = 5 * time.Millisecond
	}
	if l.Limit == 0 {
		l.Limit = time.Second
	}
	return l
}

// Workload is concurrent clients at work.
type Workload struct {
	cluster *Cluster
	history *History
	load    Load
	keys    *keyspace
	clients atomic.Int64 // numbers given out
	values  atomic.Int64 // likewise
	stop    chan struct{}
	stopped sync.Once
	wg      sync.WaitGroup
}

// StartWorkload lets clients work until Stop. Which keys and operations each chooses is a matter of the seed.
func StartWorkload(c *Cluster, h *History, load Load, seed uint64) (*Workload, error) {
	w := &Workload{cluster: c, history: h, load: load.orDefault(), keys: newKeyspace(), stop: make(chan struct{})}
	shared, err := c.client(client.Config{Endpoints: c.Endpoints(), Timeout: 5 * w.load.Limit})
	if err != nil {
		return nil, fmt.Errorf("integration: workload: %w", err)
	}
	for i := range w.load.Direct + w.load.Sessions {
		worker := &worker{w: w, rng: rand.New(rand.NewPCG(seed, uint64(i)+1))}
		if i < w.load.Direct {
			worker.asker = &direct{cluster: c, limit: w.load.Limit, clients: map[string]*client.Client{}}
		} else {
			worker.asker = anyNode{shared}
		}
		w.wg.Go(worker.run)
	}
	return w, nil
}

// Stop ends the clients, each after the operation that it is at. It may be called again.
func (w *Workload) Stop() {
	w.stopped.Do(func() { close(w.stop) })
	w.wg.Wait()
}

// Keys are all keys that were ever used.
func (w *Workload) Keys() []string { return w.keys.all() }

// asker gets an operation done, somehow.
type asker interface {
	// node chooses whom to ask; false if there is nobody.
	node(rng *rand.Rand) (c *client.Client, name string, ok bool)
	close()
}

// direct asks one node, past all links, and never twice.
type direct struct {
	cluster *Cluster
	limit   time.Duration
	clients map[string]*client.Client // by address: nodes come back at other ones
}

func (d *direct) node(rng *rand.Rand) (*client.Client, string, bool) {
	node := d.cluster.Nodes()[rng.IntN(len(d.cluster.Nodes()))]
	addr, ok := node.ClientAddr()
	if !ok {
		return nil, node.ID, false
	}
	if c := d.clients[addr]; c != nil {
		return c, node.ID, true
	}
	c, err := d.cluster.client(client.Config{Endpoints: []string{addr}, Timeout: d.limit, NoRetry: true})
	if err != nil {
		return nil, node.ID, false // a node that tells an address that is none: readiness will not come either
	}
	d.clients[addr] = c
	return c, node.ID, true
}

func (d *direct) close() {
	for _, c := range d.clients {
		c.Close()
	}
}

// anyNode leaves the choice, and what to repeat, to a client that knows all nodes.
type anyNode struct{ shared *client.Client }

func (a anyNode) node(*rand.Rand) (*client.Client, string, bool) { return a.shared, "", true }
func (a anyNode) close()                                         { a.shared.Close() }

// worker is one client, or rather one after the other: see Op.Client.
type worker struct {
	w      *Workload
	rng    *rand.Rand
	asker  asker
	client int // its present number; 0: it needs one
}

func (k *worker) run() {
	defer k.asker.close()
	for {
		pause := time.NewTimer(time.Duration(k.rng.Int64N(int64(2 * k.w.load.Think))))
		select {
		case <-k.w.stop:
			pause.Stop()
			return
		case <-pause.C:
			k.once()
		}
	}
}

// once does one operation and records it.
func (k *worker) once() {
	c, node, ok := k.asker.node(k.rng)
	if !ok {
		return // nothing was asked, so there is nothing to record
	}
	if k.client == 0 {
		k.client = int(k.w.clients.Add(1))
	}
	key, seen := k.w.keys.take(k.rng)
	op := k.choose(key, seen)
	op.Client, op.Node, op.Key = k.client, node, key.name
	op.Call = k.w.history.Now()
	ask(context.Background(), c, &op) // the client's own time limit bounds it
	op.Return = k.w.history.Now()
	k.w.keys.learn(key, &op)
	k.w.history.Add(op)
	if op.Outcome == Info {
		k.client = 0
	}
}

// choose picks what to do with the key.
func (k *worker) choose(on *key, seen uint64) Op {
	n := k.rng.IntN(100)
	switch {
	case n < 40:
		return Op{Kind: Get}
	case on.list:
		return Op{Kind: Append, Value: k.value()}
	case n < 72:
		return Op{Kind: Put, Value: k.value()}
	case n < 86:
		return Op{Kind: CAS, Value: k.value(), Expect: seen}
	case n < 92:
		return Op{Kind: CAS, Value: k.value()}
	}
	return Op{Kind: Delete}
}

// value is one that no other write brings.
func (k *worker) value() string { return fmt.Sprintf("%d%s", k.w.values.Add(1), tokenEnd) }

// ask does the operation and fills in what came back.
func ask(ctx context.Context, c *client.Client, op *Op) {
	var written api.Written
	var err error
	switch op.Kind {
	case Get:
		askGet(ctx, c, op)
		return
	case Put:
		written, err = c.Put(ctx, op.Key, []byte(op.Value))
	case Append:
		written, err = c.Append(ctx, op.Key, []byte(op.Value))
	case Delete:
		written, err = c.Delete(ctx, op.Key)
	case CAS:
		condition := client.IfAbsent()
		if op.Expect != 0 {
			condition = client.IfVersion(op.Expect)
		}
		written, err = c.Put(ctx, op.Key, []byte(op.Value), condition)
	}
	op.Index = written.Index
	switch {
	case err == nil:
		op.Outcome = Ok
	case op.Kind == CAS && client.CodeOf(err) == api.CodePrecondition:
		op.Outcome, op.Refused = Ok, true
	case client.OutcomeOf(err) == api.Rejected:
		op.Outcome, op.Error = Fail, err.Error()
	default:
		op.Outcome, op.Error = Info, err.Error()
	}
}

func askGet(ctx context.Context, c *client.Client, op *Op) {
	got, err := c.Get(ctx, op.Key)
	switch {
	case err == nil:
		op.Outcome, op.Found, op.Got, op.Index = Ok, true, string(got.Data), got.Version
	case client.CodeOf(err) == api.CodeNotFound:
		op.Outcome = Ok
	default:
		op.Outcome, op.Error = Fail, err.Error()
	}
}

package labnet

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/raft/lab"
	"github.com/raftnode/raft/rpc"
)

const (
	latency      = 100 * time.Microsecond // of each link, at least
	maxJitter    = 26 * time.Millisecond  // more on an unreliable network
	maxLongDelay = 7 * time.Second
)

// Network joins servers, numbered from 0. Its goroutine delivers; it is the only one that calls receivers.
type Network struct {
	codec rpc.Codec
	trace *Trace
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}

	mu         sync.Mutex
	rng        *rand.Rand
	conditions lab.Network
	ids        []raft.ServerID
	receivers  []func(...raft.Message) // nil: nobody is there
	cut        []bool
	cutLinks   map[[2]int]bool
	counts     lab.Counts
	packets    packets
	sent       uint64
	votes      map[ballot]raft.ServerID // to whom each vote went
	err        error
}

// ballot is one server's vote in one term.
type ballot struct {
	voter raft.ServerID
	term  raft.Term
}

// packet is one message under way.
type packet struct {
	at       time.Time
	number   uint64 // what is due at the same time arrives in order of sending
	from, to int
	kind     rpc.Kind
	payload  []byte
}

// NewNetwork starts a network for the servers with these names. trace may be nil.
func NewNetwork(ids []raft.ServerID, seed uint64, trace *Trace) *Network {
	codec, _ := rpc.LookupCodec("msgpack")
	n := &Network{
		codec: codec, trace: trace, ids: ids, rng: rand.New(rand.NewPCG(seed, 0)),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		receivers: make([]func(...raft.Message), len(ids)), cut: make([]bool, len(ids)), cutLinks: map[[2]int]bool{},
		votes: map[ballot]raft.ServerID{},
	}
	go n.run()
	return n
}

// Close stops delivering, and waits until a delivery that is under way has ended.
func (n *Network) Close() {
	close(n.stop)
	<-n.done
}

// Peers gives server from's links to all servers, itself among them.
func (n *Network) Peers(from int) []raft.Peer {
	peers := make([]raft.Peer, len(n.ids))
	for to := range n.ids {
		peers[to] = link{n, from, to}
	}
	return peers
}

// Attach lets server i receive; nil lets nobody be there.
func (n *Network) Attach(i int, receiver func(...raft.Message)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receivers[i] = receiver
}

// Cut cuts server i off in both directions, or joins it again.
func (n *Network) Cut(i int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[i] = cut
}

// CutLink cuts the way from one server to another, or heals it; the way back stays as it is.
func (n *Network) CutLink(from, to int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cutLinks[[2]int{from, to}] = cut
}

// SetConditions changes how messages are treated that are sent from now on.
func (n *Network) SetConditions(conditions lab.Network) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conditions = conditions
}

// Counts gives what was sent so far.
func (n *Network) Counts() lab.Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// link is the way from one server to another; it is a raft.Peer.
type link struct {
	n        *Network
	from, to int
}

// ID is the server at the other end.
func (l link) ID() raft.ServerID { return l.n.ids[l.to] }

// Send puts a message on its way, or loses it.
func (l link) Send(msg raft.Message) {
	payload, err := l.n.codec.Append(nil, msg)
	if err != nil {
		panic("labnet: a message that cannot be encoded: " + err.Error())
	}
	l.n.send(packet{from: l.from, to: l.to, kind: rpc.KindOf(msg), payload: payload}, msg)
}

func isReply(kind rpc.Kind) bool {
	switch kind {
	case rpc.KindRequestVoteReply, rpc.KindAppendEntriesReply, rpc.KindRequestPreVoteReply, rpc.KindInstallSnapshotReply:
		return true
	}
	return false
}

func (n *Network) send(p packet, msg raft.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Bytes += len(p.payload)
	if !isReply(p.kind) {
		n.counts.RPCs++
	}
	n.checkVote(msg)
	delay, lost := n.fate(&p)
	n.trace.message(p.from, p.to, msg, lost)
	if lost != "" {
		return
	}
	n.sent++
	p.at, p.number = time.Now().Add(delay), n.sent
	heap.Push(&n.packets, p)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// checkVote: a server votes at most once in a term, over all its incarnations (§5.2).
func (n *Network) checkVote(msg raft.Message) {
	vote, ok := msg.(*consensus.RequestVoteReply)
	if !ok || !vote.VoteGranted {
		return
	}
	b := ballot{vote.From, vote.Term}
	if to, ok := n.votes[b]; ok && to != vote.To && n.err == nil {
		n.err = fmt.Errorf("%s voted for %s and for %s in term %d (§5.2)", vote.From, to, vote.To, vote.Term)
	}
	n.votes[b] = vote.To
}

// Err tells of the first server that voted twice in a term.
func (n *Network) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// fate decides how long a packet takes, or why it is lost.
func (n *Network) fate(p *packet) (delay time.Duration, lost string) {
	delay = latency
	if n.severed(p.from, p.to) {
		if !n.conditions.LongDelays {
			return 0, "cut"
		}
		delay += time.Duration(n.rng.Int64N(int64(maxLongDelay)))
	}
	if n.conditions.Unreliable {
		if n.rng.IntN(10) == 0 {
			return 0, "lost"
		}
		delay += time.Duration(n.rng.Int64N(int64(maxJitter)))
	}
	if n.conditions.LongReordering && isReply(p.kind) && n.rng.IntN(3) < 2 {
		delay += 200*time.Millisecond + time.Duration(n.rng.Int64N(int64(2*time.Second)))
	}
	return delay, ""
}

func (n *Network) severed(from, to int) bool {
	return n.cut[from] || n.cut[to] || n.cutLinks[[2]int{from, to}]
}

// run delivers what is due.
func (n *Network) run() {
	defer close(n.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-n.wake:
		case <-timer.C:
		}
		for {
			p, receiver, wait := n.next()
			if wait > 0 {
				timer.Reset(wait)
				break
			}
			if receiver != nil {
				n.deliver(p, receiver)
			}
		}
	}
}

// next takes the next packet if it is due, with who receives it; or tells how long to wait.
func (n *Network) next() (p packet, receiver func(...raft.Message), wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.packets) == 0 {
		return packet{}, nil, time.Hour
	}
	if wait := time.Until(n.packets[0].at); wait > 0 {
		return packet{}, nil, wait
	}
	p = heap.Pop(&n.packets).(packet)
	if n.severed(p.from, p.to) {
		return p, nil, 0
	}
	return p, n.receivers[p.to], 0
}

func (n *Network) deliver(p packet, receiver func(...raft.Message)) {
	msg, err := n.codec.Decode(p.kind, p.payload)
	if err != nil {
		panic("labnet: a message came out other than it went in: " + err.Error())
	}
	head := msg.Head()
	head.From, head.To = n.ids[p.from], n.ids[p.to]
	receiver(msg)
}

// packets is a heap by time of arrival.
type packets []packet

func (h packets) Len() int { return len(h) }
func (h packets) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].number < h[j].number
}
func (h packets) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *packets) Push(p any)   { *h = append(*h, p.(packet)) }
func (h *packets) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = packet{}
	*h = (*h)[:last]
	return p
}

package kvsim

import (
	"fmt"
	"math/rand/v2"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/sim"
)

// workload is what clients ask for. Keys change as clients go on, so that no history of one key gets long.
type workload struct{}

// opsPerKeys is how many operations a client does before it goes on to other keys.
const opsPerKeys = 40

// Next gives one operation. The first one of a client is a write, because a session begins with number 1.
func (workload) Next(rng *rand.Rand, clients *sim.Clients, client, seq uint64) sim.Operation {
	key := fmt.Sprintf("k%d.%d", seq/opsPerKeys, rng.IntN(clients.Keys))
	if seq > 1 && rng.IntN(1000) < clients.Reads {
		return sim.Operation{Read: true, Body: []byte(key)}
	}
	c := kv.Command{Op: kv.Append, Key: key, Client: clientID(client), Seq: seq}
	switch rng.IntN(8) {
	case 0, 1:
		c.Op = kv.Put
	case 2:
		c.Op = kv.Delete
	}
	if c.Op != kv.Delete {
		c.Value = unique(client, seq, clients.ValueBytes)
	}
	c.If = condition(rng, clients, seq)
	body, err := c.Encode()
	if err != nil {
		panic(fmt.Sprintf("kvsim: client %d makes a command that is none: %v", client, err))
	}
	return sim.Operation{Body: body}
}

// condition is mostly none. Nobody tells the client which version a key has, so it guesses one of about as many indexes as
// there may be: seldom right, but many clients guess often.
func condition(rng *rand.Rand, clients *sim.Clients, seq uint64) kv.Condition {
	switch rng.IntN(8) {
	case 0:
		return kv.Condition{Kind: kv.IfExists}
	case 1:
		return kv.Condition{Kind: kv.IfAbsent}
	case 2:
		most := min(int(seq)*clients.Number, 1<<20)
		return kv.Condition{Kind: kv.IfVersion, Version: raft.Index(1 + rng.IntN(most+4))}
	}
	return kv.Condition{}
}

// unique gives about size bytes that nobody else writes.
func unique(client, seq uint64, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size+16), "[%d.%d", client, seq)
	for len(b) < size {
		b = append(b, '-')
	}
	return append(b, ']')
}

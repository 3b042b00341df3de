package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/wal"
)

// history is a log as clients would have made it: they write one key after the other, each client in a session of its own. All of it is of term 1.
type history struct {
	keys  int
	value []byte
}

// clients is how many sessions there are.
const clients = 256

func newHistory(keys, valueBytes int) history {
	h := history{keys: keys, value: make([]byte, valueBytes)}
	chance := rand.NewChaCha8([32]byte{2})
	_, _ = chance.Read(h.value) // it cannot fail
	return h
}

func (h history) entry(i consensus.Index) (consensus.Entry, error) {
	data, err := kv.Command{
		Op: kv.Put, Key: key(int(i) % h.keys), Value: h.value, Client: fmt.Sprintf("scale-client-%013d", (i-1)%clients), Seq: uint64(i-1)/clients + 1,
	}.Encode()
	return consensus.Entry{Index: i, Term: 1, Kind: consensus.EntryCommand, Data: data}, err
}

// state is what a store has that applied the history up to an index. Only the first command of each session, and the last of each key, make a difference.
func (h history) state(upTo consensus.Index) ([]byte, error) {
	store := kv.NewStore()
	commands := make([]raft.Command, 0, batchEntries)
	last := consensus.Index(h.keys)
	for i := consensus.Index(1); i <= upTo; i++ {
		if i > clients && i+last <= upTo {
			i = upTo - last + 1
		}
		entry, err := h.entry(i)
		if err != nil {
			return nil, err
		}
		if commands = append(commands, raft.Command{Index: i, Term: 1, Value: entry.Data}); len(commands) == cap(commands) {
			store.Apply(commands)
			commands = commands[:0]
		}
	}
	store.Apply(commands)
	return store.Snapshot()()
}

// batchEntries is how many entries are handed on at once.
const batchEntries = 4096

// place is what a data directory is to hold: a snapshot at an index, or none, and the entries behind it.
type place struct {
	state    []byte
	snapshot consensus.Index
	last     consensus.Index
}

// prepare writes the data directory of each node.
func (h history) prepare(ctx context.Context, c *cluster.Cluster, places ...place) error {
	errs := make([]error, len(places))
	var writing sync.WaitGroup
	for i, p := range places {
		writing.Go(func() { errs[i] = h.write(ctx, c, i, p) })
	}
	writing.Wait()
	return errors.Join(errs...)
}

func (h history) write(ctx context.Context, c *cluster.Cluster, node int, p place) (err error) {
	log, err := wal.Open(c.Dir(node), wal.Options{Cluster: clusterID, Node: consensus.ServerID(nodeID(node))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	first := consensus.Save{HardState: &consensus.HardState{Term: 1}}
	if p.snapshot > 0 {
		first.Base, first.Installed = consensus.Position{Index: p.snapshot, Term: 1}, true
		first.Snapshot = &consensus.Snapshot{Position: first.Base, Config: founders(c), Data: p.state}
	}
	if err := log.Save([]consensus.Save{first}); err != nil {
		return err
	}
	for i := p.snapshot + 1; i <= p.last && ctx.Err() == nil; {
		save := consensus.Save{Commit: i - 1}
		for ; len(save.Entries) < batchEntries && i <= p.last; i++ {
			entry, err := h.entry(i)
			if err != nil {
				return err
			}
			save.Entries = append(save.Entries, entry)
		}
		if err := log.Save([]consensus.Save{save}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// founders is the configuration, as raftnode has it.
func founders(c *cluster.Cluster) (members consensus.Configuration) {
	for i, address := range c.Raft {
		members = append(members, consensus.Member{ID: consensus.ServerID(nodeID(i)), Address: address, Suffrage: consensus.Voter})
	}
	return members
}

// all is the same for so many nodes.
func all(p place, nodes int) (places []place) {
	for range nodes {
		places = append(places, p)
	}
	return places
}

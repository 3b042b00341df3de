package kvsim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/sim"
)

// System is the store, its clients, and the model that judges them.
func System() sim.System {
	model := Model()
	return sim.System{
		Machine:  func() sim.Machine { return &machine{store: kv.NewStore()} },
		Workload: workload{},
		Sessions: true,
		Once:     once,
		Model:    &model,
	}
}

// theTerm stands for all terms: nothing in the store depends on them.
const theTerm = 1

// digestEvery is how many indexes lie between two at which the whole state is summed up.
const digestEvery = 8

// machine adapts a Store.
type machine struct{ store *kv.Store }

// Apply gives a Result as bytes. None stands for a command that is older than the last one of its client.
func (m *machine) Apply(index uint64, command []byte) []byte {
	results := m.store.Apply([]raft.Command{{Index: raft.Index(index), Term: theTerm, Value: command}})
	r := *results[0].(*kv.Result)
	if r.Code == kv.SessionStale {
		return nil
	}
	return encodeResult(r)
}

func encodeResult(r kv.Result) []byte {
	b := binary.AppendUvarint([]byte{byte(r.Code)}, uint64(r.Index))
	return binary.AppendUvarint(b, uint64(r.Version))
}

func decodeResult(b []byte) (r kv.Result, ok bool) {
	if len(b) == 0 {
		return r, false
	}
	index, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return r, false
	}
	version, m := binary.Uvarint(b[1+n:])
	return kv.Result{Code: kv.ResultCode(b[0]), Index: raft.Index(index), Version: raft.Index(version)}, m > 0
}

// Query gives the value of a key, behind its version, or nothing at all.
func (m *machine) Query(key []byte) []byte {
	item, _, found := m.store.Get(string(key))
	if !found {
		return []byte{}
	}
	return append(binary.AppendUvarint(nil, uint64(item.Version)), item.Value...)
}

func decodeItem(b []byte) (version uint64, value string, found bool) {
	version, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, "", false
	}
	return version, string(b[n:]), true
}

func (m *machine) Snapshot() []byte {
	encoded, err := m.store.Snapshot()()
	if err != nil {
		panic(fmt.Sprintf("kvsim: a store cannot be encoded: %v", err)) // which is a finding
	}
	return encoded
}

// Restore is not told where the snapshot ends, which is where the store says that it does or behind that.
func (m *machine) Restore(snapshot []byte) error {
	if len(snapshot) == 0 {
		return errors.New("kvsim: an empty snapshot")
	}
	return m.store.Restore(snapshot, math.MaxInt64, theTerm)
}

func (m *machine) Digest() uint64 {
	applied := uint64(m.store.Applied().Index)
	if applied%digestEvery != 0 {
		return applied
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.store.Digest()))
	return h.Sum64()
}

// clientID is the name of the simulator's n-th client.
func clientID(n uint64) string { return "c" + strconv.FormatUint(n, 10) }

// once tells which client and operation a command is of.
func once(command []byte) (client, seq uint64) {
	c, err := kv.Decode(command)
	if err != nil {
		return 0, 0
	}
	client, err = strconv.ParseUint(strings.TrimPrefix(c.Client, "c"), 10, 64)
	if err != nil {
		return 0, 0
	}
	return client, c.Seq
}

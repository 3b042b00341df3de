package load

import (
	"math/rand/v2"
	"sync/atomic"
)

// source says what to do next. Slots of a run share it.
type source interface {
	// next gives the next operation; false if there is none.
	next() (Op, bool)
}

// valueBlock is what values are cut from: bytes of chance, which nothing can compress.
const valueBlock = 64 << 10

// mix draws operations, without end.
type mix struct {
	reads  float64
	keys   []string
	values values
}

func newMix(cfg Config) *mix {
	m := &mix{reads: cfg.Reads, keys: make([]string, cfg.Keys), values: newValues(cfg.ValueBytes)}
	for i := range m.keys {
		m.keys[i] = cfg.key(i)
	}
	return m
}

func (m *mix) next() (Op, bool) {
	key := m.keys[rand.IntN(len(m.keys))]
	if m.reads > 0 && rand.Float64() < m.reads {
		return Op{Kind: Get, Key: key}, true
	}
	return Op{Kind: Put, Key: key, Value: m.values.draw()}, true
}

// each does the same to every key, once.
type each struct {
	cfg    Config
	kind   Kind
	values values
	taken  atomic.Int64
}

func (e *each) next() (Op, bool) {
	i := int(e.taken.Add(1)) - 1
	if i >= e.cfg.Keys {
		return Op{}, false
	}
	op := Op{Kind: e.kind, Key: e.cfg.key(i)}
	if e.kind == Put {
		op.Value = e.values.draw()
	}
	return op, true
}

type values struct {
	size  int
	block []byte
}

func newValues(size int) values {
	v := values{size: size, block: make([]byte, size+valueBlock)}
	chance := rand.NewChaCha8([32]byte{1})
	_, _ = chance.Read(v.block) // it cannot fail
	return v
}

func (v values) draw() []byte {
	at := rand.IntN(valueBlock)
	return v.block[at : at+v.size : at+v.size]
}

package sim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// Store is a key/value store with a session table: a command of one client and seq is applied at most once, and a repeat gets the
// first result again. It is the state machine that simulations use if no other is given.
type Store struct {
	keys     []register // in order of their keys
	sessions []session  // in order of their clients
	digest   uint64     // the sum over keys and sessions of what each adds
}

type register struct {
	key   string
	value []byte // its array beyond len is free for appends; what was once within stays
	hash  uint64 // of value, such that it can be continued
	index uint64 // that last changed it
}

type session struct {
	client, seq uint64
	result      []byte
}

// The operations of a command.
const (
	opPut    = 'p'
	opAppend = 'a'
	opCAS    = 'c'
)

// The first byte of a result; the index of the last change follows in 8 bytes, then the value if it was a query.
const (
	statusOK     = 'k'
	statusAbsent = 'a'
	statusNo     = 'n' // a compare-and-set that found another value
	statusBad    = 'b' // no command of this store
)

const resultHead = 9

// NewStore makes an empty store.
func NewStore() *Store { return &Store{} }

// command is a decoded command. On the wire: client, seq in 8 bytes each, the operation, then key, expected and value, the
// first two behind their lengths in 2 bytes.
type command struct {
	client, seq uint64
	op          byte
	key         []byte
	expected    []byte
	value       []byte
}

func (c *command) encode() []byte {
	b := make([]byte, 0, 17+4+len(c.key)+len(c.expected)+len(c.value))
	b = binary.LittleEndian.AppendUint64(b, c.client)
	b = binary.LittleEndian.AppendUint64(b, c.seq)
	b = append(b, c.op)
	for _, part := range [2][]byte{c.key, c.expected} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(part)))
		b = append(b, part...)
	}
	return append(b, c.value...)
}

func decodeCommand(b []byte) (c command, ok bool) {
	if len(b) < 21 {
		return c, false
	}
	c.client, c.seq, c.op = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), b[16]
	rest := b[17:]
	for _, part := range [2]*[]byte{&c.key, &c.expected} {
		if len(rest) < 2 {
			return c, false
		}
		n := int(binary.LittleEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < n {
			return c, false
		}
		*part, rest = rest[:n], rest[n:]
	}
	c.value = rest
	return c, c.op == opPut || c.op == opAppend || c.op == opCAS
}

// storeOnce is System.Once of the store.
func storeOnce(b []byte) (client, seq uint64) {
	c, _ := decodeCommand(b)
	return c.client, c.seq
}

// Apply applies a command, unless the session table says that it was applied before.
func (s *Store) Apply(index uint64, b []byte) []byte {
	c, ok := decodeCommand(b)
	if !ok {
		return result(statusBad, index, nil)
	}
	at, known := slices.BinarySearchFunc(s.sessions, c.client, func(s session, client uint64) int { return cmp.Compare(s.client, client) })
	switch {
	case known && s.sessions[at].seq == c.seq:
		return s.sessions[at].result
	case known && s.sessions[at].seq > c.seq:
		return nil // too old to remember: the client had its answer, or it would not have gone on
	case known:
		s.digest -= s.sessions[at].digest()
	default:
		s.sessions = slices.Insert(s.sessions, at, session{client: c.client})
	}
	s.sessions[at].seq, s.sessions[at].result = c.seq, s.change(index, &c)
	s.digest += s.sessions[at].digest()
	return s.sessions[at].result
}

func (s *Store) change(index uint64, c *command) []byte {
	at, exists := s.find(c.key)
	if c.op == opCAS && (!exists || !bytes.Equal(s.keys[at].value, c.expected)) {
		return result(statusNo, index, nil)
	}
	if !exists {
		s.keys = slices.Insert(s.keys, at, register{key: string(c.key)})
	} else {
		s.digest -= s.keys[at].digest()
	}
	r := &s.keys[at]
	if c.op == opAppend {
		r.value = append(r.value, c.value...)
		r.hash = rollingHash(r.hash, c.value)
	} else {
		r.value, r.hash = slices.Clone(c.value), rollingHash(0, c.value)
	}
	r.index = index
	s.digest += r.digest()
	return result(statusOK, index, nil)
}

func (s *Store) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(s.keys, key, func(r register, key []byte) int { return cmp.Compare(r.key, string(key)) })
}

func result(status byte, index uint64, value []byte) []byte {
	b := make([]byte, resultHead, resultHead+len(value))
	b[0] = status
	binary.LittleEndian.PutUint64(b[1:], index)
	return append(b, value...)
}

// resultIndex is the index in a result, 0 if it has none.
func resultIndex(b []byte) uint64 {
	if len(b) < resultHead {
		return 0
	}
	return binary.LittleEndian.Uint64(b[1:])
}

// Query gives the value of a key.
func (s *Store) Query(key []byte) []byte {
	at, exists := s.find(key)
	if !exists {
		return result(statusAbsent, 0, nil)
	}
	return result(statusOK, s.keys[at].index, s.keys[at].value)
}

// Digest sums up keys and sessions.
func (s *Store) Digest() uint64 { return s.digest }

func (r *register) digest() uint64 {
	return mix(hashBytes(1, []byte(r.key)), mix(r.hash+uint64(len(r.value)), r.index))
}

func (s *session) digest() uint64 { return hashBytes(mix(s.client, s.seq), s.result) }

// rollingHash continues a hash over b: over parts it gives the same as over the whole.
func rollingHash(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = h*0x9e3779b97f4a7c15 + uint64(c) + 1
	}
	return h
}

// Snapshot writes keys, then sessions: counts and lengths in 4 bytes, numbers in 8.
func (s *Store) Snapshot() []byte {
	size := 8
	for i := range s.keys {
		size += 16 + len(s.keys[i].key) + len(s.keys[i].value)
	}
	for i := range s.sessions {
		size += 20 + len(s.sessions[i].result)
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, size), uint32(len(s.keys)))
	for i := range s.keys {
		r := &s.keys[i]
		b = binary.LittleEndian.AppendUint64(b, r.index)
		b = appendBytes(b, []byte(r.key))
		b = appendBytes(b, r.value)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.sessions)))
	for i := range s.sessions {
		b = binary.LittleEndian.AppendUint64(b, s.sessions[i].client)
		b = binary.LittleEndian.AppendUint64(b, s.sessions[i].seq)
		b = appendBytes(b, s.sessions[i].result)
	}
	return b
}

func appendBytes(b, part []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// Restore reads what Snapshot wrote.
func (s *Store) Restore(b []byte) error {
	r := reader{rest: b}
	fresh := Store{}
	for n := r.uint32(); n > 0 && !r.short; n-- {
		k := register{index: r.uint64(), key: string(r.bytes()), value: slices.Clone(r.bytes())}
		k.hash = rollingHash(0, k.value)
		fresh.keys = append(fresh.keys, k)
		fresh.digest += k.digest()
	}
	for n := r.uint32(); n > 0 && !r.short; n-- {
		session := session{client: r.uint64(), seq: r.uint64(), result: r.bytes()}
		fresh.sessions = append(fresh.sessions, session)
		fresh.digest += session.digest()
	}
	if r.short || len(r.rest) > 0 {
		return errors.New("sim: this is no snapshot of a store")
	}
	*s = fresh
	return nil
}

// reader takes a snapshot apart; short tells that it ended too early.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.short = true
		return make([]byte, min(n, 8))
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) bytes() []byte  { return r.take(int(r.uint32())) }

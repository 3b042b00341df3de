package rpc

import (
	"bytes"
	"errors"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// NewCodec makes a codec out of a library that encodes structs by reflection: marshal appends the encoding of v to dst, and unmarshal
// decodes a payload into v, a pointer to an empty struct. The structs have Figure 2's fields, numbers, booleans, bytes and one slice of
// structs; bytes that are nil must come back as nil, and empty ones as empty. A library that looks for it finds that each struct wants to be an array, and that
// bytes are an encoding.BinaryMarshaler and BinaryUnmarshaler, which may be given a view into the payload.
//
// marshal must be deterministic. unmarshal may be lax, since whatever it takes is written again and compared: general decoders take a nil for
// a zero, a short array, a map for an array, a field twice, bytes behind the end. With one spelling for each message none of that passes.
// But it must not believe a length before the bytes are there.
func NewCodec(name string, marshal func(dst []byte, v any) ([]byte, error), unmarshal func(payload []byte, v any) error) Codec {
	return &structCodec{name: name, marshal: marshal, unmarshal: unmarshal}
}

type structCodec struct {
	name      string
	marshal   func(dst []byte, v any) ([]byte, error)
	unmarshal func(payload []byte, v any) error
}

var errNotCanonical = errors.New("not what the codec itself would have written for this message")

// maxScratch bounds the memory that an idle buffer keeps.
const maxScratch = 256 << 10

// scratches are buffers to write a message again into.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

func (c *structCodec) Name() string { return c.name }

func (c *structCodec) Append(dst []byte, m consensus.Message) ([]byte, error) {
	w, err := toWire(m)
	if err != nil {
		return dst, err
	}
	return c.marshal(dst, w)
}

func (c *structCodec) Decode(kind Kind, payload []byte) (consensus.Message, error) {
	w, err := newWire(kind)
	if err != nil {
		return nil, err
	}
	if err := c.unmarshal(payload, w); err != nil {
		return nil, err
	}
	m, err := w.message()
	if err != nil {
		return nil, err
	}
	if err := c.compare(m, payload); err != nil {
		return nil, err
	}
	return m, nil
}

// compare tells whether payload is what Append writes for m.
func (c *structCodec) compare(m consensus.Message, payload []byte) error {
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	again, err := c.Append((*scratch)[:0], m)
	if err != nil {
		return err
	}
	if *scratch = again; cap(again) > maxScratch {
		*scratch = nil
	}
	if !bytes.Equal(again, payload) {
		return errNotCanonical
	}
	return nil
}

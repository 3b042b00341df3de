package cborcodec

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// MaxEntries bounds the entries of one AppendEntries. The decoder makes room for as many as an array claims once that many
// bytes are there, and an entry in memory is longer than a byte. By default a message has a quarter of this at most.
const MaxEntries = 128 << 10

// New gives the codec. It is registered already.
func New() rpc.Codec { return codec{rpc.NewCodec("cbor", marshal, decoder.Unmarshal)} }

func init() {
	if err := rpc.RegisterCodec(New()); err != nil {
		panic(err)
	}
}

// codec is the codec that rpc makes of the library, within this package's own limit.
type codec struct{ rpc.Codec }

func (c codec) Append(dst []byte, m consensus.Message) ([]byte, error) {
	if a, ok := m.(*consensus.AppendEntries); ok && len(a.Entries) > MaxEntries {
		return dst, fmt.Errorf("cbor: %d entries in one message, at most %d can be read: lower MaxBatchBytes", len(a.Entries), MaxEntries)
	}
	return c.Codec.Append(dst, m)
}

// Without their methods, bytes are plain bytes, of which nil is null and not empty.
var encoder = func() cbor.UserBufferEncMode {
	options := cbor.CoreDetEncOptions()
	options.BinaryMarshaler = cbor.BinaryMarshalerNone
	return must(options.UserBufferEncMode())
}()

var decoder = must(cbor.DecOptions{
	IndefLength:      cbor.IndefLengthForbidden,
	TagsMd:           cbor.TagsForbidden,
	MaxNestedLevels:  4, // the least that the library takes; a message has three
	MaxArrayElements: MaxEntries,

	BinaryUnmarshaler: cbor.BinaryUnmarshalerNone,
}.DecMode())

// must gives the mode. That its options are right is known from the first test on.
func must[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}

func marshal(dst []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	if err := encoder.MarshalToBuffer(v, buf); err != nil {
		return dst, err
	}
	return buf.Bytes(), nil
}

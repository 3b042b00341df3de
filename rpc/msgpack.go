package rpc

import (
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/raftnode/raft/raft/consensus"
)

// msgpackCodec writes each message as a msgpack array of its fields.
type msgpackCodec struct{}

// msgpackHandle is the one handle of the process: a handle caches what it learns
// about types. It is not changed after this.
//
//   - WriteExt: bytes are "bin", so that nil and empty stay apart from strings.
//   - StructToArray: no field names on the wire.
//   - ErrorIfNoField: a longer array is refused. Otherwise the surplus would be skipped,
//     and an extension in it could claim 4 GiB.
//   - MaxInitLen stays 0: it counts elements, not bytes, so any large value lets a
//     few bytes claim gigabytes.
var msgpackHandle = func() *codec.MsgpackHandle {
	h := new(codec.MsgpackHandle)
	h.WriteExt = true
	h.StructToArray = true
	h.ErrorIfNoField = true
	h.MaxDepth = 16
	return h
}()

// packer is what one use of the codec needs and the next can use again.
type packer struct {
	encoder *codec.Encoder
	decoder *codec.Decoder
	scratch []byte
}

// maxScratch bounds the memory that an idle buffer keeps.
const maxScratch = 256 << 10

var packers = sync.Pool{New: func() any {
	return &packer{
		encoder: codec.NewEncoderBytes(new([]byte), msgpackHandle),
		decoder: codec.NewDecoderBytes([]byte{0}, msgpackHandle),
	}
}}

func (msgpackCodec) Name() string { return "msgpack" }

func (msgpackCodec) Append(dst []byte, m consensus.Message) ([]byte, error) {
	w, err := toWire(m)
	if err != nil {
		return dst, err
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	// The encoder begins at the start of what it is given: here, the free end of dst.
	tail := dst[len(dst):]
	p.encoder.ResetBytes(&tail)
	if err := p.encoder.Encode(w); err != nil {
		return dst, err
	}
	return append(dst, tail...), nil
}

func (c msgpackCodec) Decode(kind Kind, payload []byte) (consensus.Message, error) {
	if payload == nil {
		payload = []byte{} // ResetBytes(nil) would leave the decoder on its previous input
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	m, again, err := decodeCanonical(c, kind, payload, p.scratch, func(w wire) error {
		p.decoder.ResetBytes(payload)
		return p.decoder.Decode(w)
	})
	if p.scratch = again; cap(again) > maxScratch {
		p.scratch = nil
	}
	return m, err
}

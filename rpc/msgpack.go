package rpc

import (
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/raftnode/raft/raft/consensus"
)

// msgpackCodec writes each message as a msgpack array of its fields. What is sent all the time is written and read by hand, see
// msgpackpack.go and msgpackunpack.go; the rest by go-msgpack. Nobody can tell the difference: the bytes are the same, and what one refuses the other does.
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

// packer is what one use of go-msgpack needs and the next can use again.
type packer struct {
	encoder *codec.Encoder
	decoder *codec.Decoder
}

var packers = sync.Pool{New: func() any {
	return &packer{
		encoder: codec.NewEncoderBytes(new([]byte), msgpackHandle),
		decoder: codec.NewDecoderBytes([]byte{0}, msgpackHandle),
	}
}}

// reflected is msgpack by go-msgpack alone.
var reflected = NewCodec("msgpack", packReflected, unpackReflected)

func packReflected(dst []byte, v any) ([]byte, error) {
	p := packers.Get().(*packer)
	defer packers.Put(p)
	// The encoder begins at the start of what it is given: here, the free end of dst.
	tail := dst[len(dst):]
	p.encoder.ResetBytes(&tail)
	if err := p.encoder.Encode(v); err != nil {
		return dst, err
	}
	return append(dst, tail...), nil
}

func unpackReflected(payload []byte, v any) error {
	if payload == nil {
		payload = []byte{} // ResetBytes(nil) would leave the decoder on its previous input
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.decoder.ResetBytes(payload)
	return p.decoder.Decode(v)
}

func (msgpackCodec) Name() string { return "msgpack" }

func (msgpackCodec) Append(dst []byte, m consensus.Message) ([]byte, error) {
	switch m := m.(type) {
	case *consensus.AppendEntries:
		return packAppendEntries(dst, m), nil
	case *consensus.AppendEntriesReply:
		return packAppendEntriesReply(dst, m), nil
	case *consensus.InstallSnapshot:
		return packInstallSnapshot(dst, m), nil
	case *consensus.ReadIndex:
		return packReadIndex(dst, m), nil
	case *consensus.ReadIndexReply:
		return packReadIndexReply(dst, m), nil
	}
	return reflected.Append(dst, m)
}

func (msgpackCodec) Decode(kind Kind, payload []byte) (consensus.Message, error) {
	var m consensus.Message
	u := unpacker{payload: payload}
	switch kind {
	case KindAppendEntries:
		m = u.appendEntries()
	case KindAppendEntriesReply:
		m = u.appendEntriesReply()
	case KindInstallSnapshot:
		m = u.installSnapshot()
	case KindReadIndex:
		m = u.readIndex()
	case KindReadIndexReply:
		m = u.readIndexReply()
	default:
		return reflected.Decode(kind, payload)
	}
	if err := u.end(); err != nil {
		return nil, err
	}
	return m, nil
}

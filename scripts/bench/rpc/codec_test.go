package rpc

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"io"
	"reflect"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
	hashicorp "github.com/hashicorp/raft"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	_ "github.com/raftnode/raft/rpc/cborcodec"
)

const (
	batchEntries = 64
	entryBytes   = 128
)

// batch is an AppendEntries of 64 entries of 128 bytes, in the midst of a long log.
func batch() *consensus.AppendEntries {
	m := &consensus.AppendEntries{
		Header:       consensus.Header{Term: 7},
		PrevLogIndex: 1_000_000, PrevLogTerm: 7, LeaderCommit: 999_990, Round: 12345,
	}
	for i := range batchEntries {
		m.Entries = append(m.Entries, consensus.Entry{
			Index: m.PrevLogIndex + 1 + consensus.Index(i), Term: 7, Kind: consensus.EntryCommand, Data: bytes.Repeat([]byte{byte(i)}, entryBytes),
		})
	}
	return m
}

// hashicorpBatch is the same in hashicorp/raft's words.
func hashicorpBatch() *hashicorp.AppendEntriesRequest {
	m := batch()
	request := &hashicorp.AppendEntriesRequest{
		RPCHeader: hashicorp.RPCHeader{ProtocolVersion: hashicorp.ProtocolVersionMax, ID: []byte("a"), Addr: []byte("127.0.0.1:7001")},
		Term:      uint64(m.Term), PrevLogEntry: uint64(m.PrevLogIndex), PrevLogTerm: uint64(m.PrevLogTerm), LeaderCommitIndex: uint64(m.LeaderCommit),
	}
	for _, e := range m.Entries {
		request.Entries = append(request.Entries, &hashicorp.Log{Index: uint64(e.Index), Term: uint64(e.Term), Type: hashicorp.LogCommand, Data: e.Data})
	}
	return request
}

// rival is one way to write and read a message.
type rival struct {
	name   string
	encode func(dst []byte) []byte
	decode func(payload []byte) any // gives the message
	want   any
}

// must ends a benchmark that does not do what it measures. It is cheap.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func registered(name string) rival {
	c, ok := rpc.LookupCodec(name)
	if !ok {
		panic(name)
	}
	return withCodec(name, c)
}

func withCodec(name string, c rpc.Codec) rival {
	m := batch()
	return rival{
		name: name, want: m,
		encode: func(dst []byte) []byte {
			dst, err := c.Append(dst, m)
			must(err)
			return dst
		},
		decode: func(payload []byte) any {
			m, err := c.Decode(rpc.KindAppendEntries, payload)
			must(err)
			return m
		},
	}
}

// reflection is our msgpack without what is written by hand: go-msgpack does it all, and what was read is written again to see
// whether it was spelled right.
func reflection() rival {
	handle := new(codec.MsgpackHandle)
	handle.WriteExt, handle.StructToArray, handle.ErrorIfNoField = true, true, true
	encoder, decoder := codec.NewEncoderBytes(new([]byte), handle), codec.NewDecoderBytes([]byte{0}, handle)
	return withCodec("msgpack by reflection", rpc.NewCodec("reflection",
		func(dst []byte, v any) ([]byte, error) {
			tail := dst[len(dst):]
			encoder.ResetBytes(&tail)
			err := encoder.Encode(v)
			return append(dst, tail...), err
		},
		func(payload []byte, v any) error {
			decoder.ResetBytes(payload)
			return decoder.Decode(v)
		}))
}

// asHashicorp is go-msgpack as NetworkTransport has it: maps, through bufio, on streams that last.
func asHashicorp() rival {
	request := hashicorpBatch()
	var out bytes.Buffer
	w := bufio.NewWriterSize(&out, 256<<10)
	write := &codec.MsgpackHandle{}
	write.TimeNotBuiltin = true
	encoder := codec.NewEncoder(w, write)
	in := new(bytes.Reader)
	decoder := codec.NewDecoder(bufio.NewReaderSize(in, 256<<10), &codec.MsgpackHandle{})
	return rival{
		name: "msgpack as hashicorp raft", want: request,
		encode: func(dst []byte) []byte {
			out.Reset()
			must(encoder.Encode(request))
			must(w.Flush())
			return append(dst, out.Bytes()...)
		},
		decode: func(payload []byte) any {
			in.Reset(payload)
			m := new(hashicorp.AppendEntriesRequest)
			must(decoder.Decode(m))
			return m
		},
	}
}

// overGob is encoding/gob on streams that last: what a type is was said with the first message.
func overGob() rival {
	m := batch()
	var out bytes.Buffer
	encoder := gob.NewEncoder(&out)
	must(encoder.Encode(m))
	in := &swapReader{first: bytes.Clone(out.Bytes())}
	decoder := gob.NewDecoder(in)
	must(decoder.Decode(new(consensus.AppendEntries)))
	return rival{
		name: "gob", want: m,
		encode: func(dst []byte) []byte {
			out.Reset()
			must(encoder.Encode(m))
			return append(dst, out.Bytes()...)
		},
		decode: func(payload []byte) any {
			in.first = payload
			m := new(consensus.AppendEntries)
			must(decoder.Decode(m))
			return m
		},
	}
}

// swapReader reads what it was given last. It is a ByteReader, so that gob puts no buffer before it.
type swapReader struct{ first []byte }

func (r *swapReader) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.first)
	r.first = r.first[n:]
	return n, nil
}

func (r *swapReader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := r.Read(b[:])
	return b[0], err
}

func rivals() []rival {
	return []rival{registered("msgpack"), reflection(), asHashicorp(), overGob(), overProtobuf(), registered("cbor"), registered("json")}
}

// What is measured does what it should.
func TestRivalsReadWhatTheyWrite(t *testing.T) {
	for _, r := range rivals() {
		for range 2 {
			if got := r.decode(r.encode(nil)); !reflect.DeepEqual(got, r.want) {
				t.Errorf("%s: %+v became %+v", r.name, r.want, got)
			}
		}
	}
}

func BenchmarkAppendEntries(b *testing.B) {
	for _, r := range rivals() {
		b.Run(r.name+"/encode", func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = r.encode(buf[:0])
			}
			b.ReportMetric(float64(len(buf)), "wire-bytes")
		})
		b.Run(r.name+"/decode", func(b *testing.B) {
			payload := r.encode(nil)
			b.ReportAllocs()
			for b.Loop() {
				r.decode(payload)
			}
		})
	}
}

// Package cborcodec makes "cbor" known to rpc: messages as CBOR (RFC 8949), for who wants to look at them with the tools
// of that format. To import it is enough:
//
//	import _ "github.com/raftnode/raft/rpc/cborcodec"
//
//	t, err := rpc.New(rpc.Config{Codec: "cbor", ...})
//
// It is a package of its own so that only who imports it links a CBOR library. It is also the example of a codec that
// stands outside rpc: a library, two functions, [rpc.NewCodec].
//
// # What it promises
//
//   - Each message is an array of the fields of its struct in rpc/wire.go, in the core deterministic encoding: the same message has the
//     same bytes everywhere and always, and whatever is spelled otherwise is refused.
//   - A length is believed only when the bytes are there. What is decoded takes at most some 50 times the memory of the
//     payload, and that only for a payload of bytes that are no entries at all.
//
// # What it does not promise
//
//   - It is no faster than msgpack, which is written by hand where it counts.
//   - An AppendEntries has at most [MaxEntries] entries. One with more is not sent.
package cborcodec

// Package codectest tries whether a codec keeps the promises of [rpc.Codec]: what a codec's own tests begin with.
//
//	func TestCodec(t *testing.T) { codectest.Run(t, mycodec.New()) }
//
// # What it promises
//
//   - It finds a field of a message that does not travel, a nil that becomes empty, a payload that is kept, a spelling
//     that is taken though Append never writes it, and a decoder that believes lengths, as far as the
//     payloads show it that it makes by cutting and changing good ones.
//
// # What it does not promise
//
//   - It knows no format. Bombs that can only be built by who knows it are for the codec's own tests, and so is fuzzing.
package codectest

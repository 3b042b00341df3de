// Package wire is the native client protocol of the key/value service: frames over one connection, with many requests in flight. It begins as an
// HTTP/1.1 request on the port that clients know, so that addresses, TLS, certificates and limits are the same ones.
//
//	GET /v1/stream HTTP/1.1              HTTP/1.1 101 Switching Protocols
//	Connection: Upgrade                  Connection: Upgrade
//	Upgrade: raftkv/1                    Upgrade: raftkv/1
//
// A server that does not know this version says so in HTTP, and the client goes on in HTTP.
//
// # Frames
//
// Behind the blank lines both ends send frames. Numbers are little-endian; length counts what follows it, and is checked before room is made.
//
//	request  length u32 | id u64 | kind u8 | timeout u32, in ms | body
//	answer   length u32 | id u64 | kind u8 | index u64 | term u64 | body
//
// Requests have ids from 1 on, each higher than the one before. The kinds of requests, and what answers them:
//
//	1 write      body: the command as it stands in the log (kv.Command.Encode)     1 written, 3 problem
//	2 get        body: the key. Linearizable                                       2 value,   3 problem
//	3 stale get  body: the key. Whatever the asked server has applied              2 value,   3 problem
//
// The kinds of answers, in whatever order they are ready:
//
//	1 written    index and term are the write's place in the log
//	2 value      index is how far the state was; body: version u64 | value
//	3 problem    body: outcome u8 (1 rejected, 2 unknown) | length of code u8 | code | detail. The codes are those of package api
//	4 leader     id is 0; body: the client address of the server that leads. Whoever can goes there
//	5 goodbye    id is that of the last request that was taken in; body as of a problem. Requests above it were not read and never will
//	             be, those up to it will be answered; then the connection ends
//
// # What it promises
//
//   - A frame that breaks a rule is an [*Error], which says what the rule is. No bytes make it panic.
//   - A [Reader] makes no more room than twice what has come, and than [ChunkBytes] without having asked.
//
// # What it does not promise
//
// It knows no sockets, no state and no repetition: those are kv/server's and kv/client's. There is no checksum beyond TCP's and TLS's, as in HTTP.
// A client that ends its half of the connection has gone: what is not answered by then is not answered.
//
// # Example
//
//	out = wire.AppendWrite(out, 1, time.Second, &command.Command{Op: command.Put, Key: "motd", Value: []byte("hello")})
//	...
//	frame, err := in.Next()
//	request, err := wire.ParseRequest(frame)
package wire

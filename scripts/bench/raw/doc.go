// Package raw is the client protocol of the peers that have none of their own, made to cost little, so that what is measured is the peer:
// frames over TCP, any number of requests in flight on a connection, one write for as many as there are.
//
// # Wire
//
// All numbers are little-endian. A request is
//
//	length uint32 | id uint64 | kind uint8 | command
//
// where length counts what follows it, and the command of a put is key length uint16 | key | value, of a get the same without a value, of the
// question who leads nothing. An answer is
//
//	length uint32 | id uint64 | status uint8 | value or text of the error
//
// # What it promises
//
// Answers may come in another order than requests. Frames longer than 2 MiB end the connection. A connection without
// any answer for 30 seconds while requests are in flight is closed, and all of them fail.
//
// # What it does not promise
//
// There is no TLS, no session, no repetition and no forwarding: a request that fails has failed.
package raw

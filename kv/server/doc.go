// Package server answers the client API of the key/value service over HTTP, on any node of a
// cluster: a [Server] is an [net/http.Handler] between a Raft and a [kv.Store].
//
// # What it promises
//
//   - An acknowledged write is committed. A linearizable read sees it from then on.
//   - An error says whether the write may have been done. "rejected" is said only where nothing was, and
//     nothing will be; whatever is in doubt is "unknown".
//   - A node that follows a leader answers linearizable reads itself, from its own state, once it has asked the leader how far that must be. It passes writes on
//     to the leader, and reads too while the leader is of a version that does not know the question, or does not answer it. At most once: a write that
//     was passed on and comes to a node that does not lead is rejected there.
//   - While no leader can be found, a request waits for one, until its time is nearly up (Raft-Timeout, 5 s if it does
//     not say). Only what was certainly not done is tried again. So clients see a change of leader as latency.
//   - A write that finds too few nodes with room on their disks waits while leadership moves to one that has some. Else it is rejected as no-space at once, and
//     told where to make room; reads go on.
//   - A body that ends early, comes too slowly or is too large changes nothing.
//   - Changes of the members and transfers of leadership are answered when they are in force, and passed on as writes are. The addition of a
//     member that is joining already is waited for. A snapshot is taken by the node that is asked.
//   - No two members are added with one address.
//   - A node that is no member, yet or any more, and hears no leader, rejects all requests at once, and reads of old states in any case.
//   - The native protocol (package wire) is spoken on the same connections, after an Upgrade: with the same answers, codes and outcomes. What one read brings is
//     offered to the Raft as one batch, and all answers that wait are written at once. A client that does not read is not read from, and dropped when it takes
//     nothing for 30 s. Whoever ends a stream says which requests it took in, and answers those.
//   - Memory is bounded: by the number of requests in work and by the bytes of their bodies. Above
//     the bounds requests are rejected as busy.
//   - /livez looks at nothing but this process. /readyz is a linearizable read, and stays ready on a disk that is nearly full.
//
// # What it does not promise
//
// It has no users and no passwords. Encryption, and whose certificates are taken, is its listener's to see to: without, listen on loopback or
// on a network that you trust. Pages of a
// list are linearizable each, not together. A stream has two goroutines, which Close waits for.
//
// # Example
//
//	handler, err := server.New(server.Config{Raft: node, Store: store, ClientAddress: transport.Advertised})
//	http := server.NewHTTPServer(handler, 0)
//	go http.Serve(listener)
//	...
//	http.Shutdown(ctx)
//	handler.Shutdown(ctx) // streams are not net/http's
//	handler.Close()
package server

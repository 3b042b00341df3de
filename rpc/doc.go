// Package rpc carries the messages of Figure 2 between servers, over TCP.
//
// A [Transport] has one [Link] to each peer: a queue, and a goroutine that keeps one connection
// to that peer and writes to it. Messages travel one way: server i dials j and writes there, and whatever
// comes back from j, replies included, arrives on j's own connection to i. So cutting i→j
// means just that.
//
//	t, err := rpc.New(rpc.Config{
//		Cluster: "orders",
//		ID:      "n1",
//		Peers:   map[consensus.ServerID]string{"n2": "10.0.0.2:7000", "n3": "10.0.0.3:7000"},
//		OnEvent: func(e rpc.Event) { log.Println(e) },
//	})
//	...
//	ln, err := net.Listen("tcp", "10.0.0.1:7000")
//	...
//	go t.Run(ctx, ln, host.Deliver) // and give t.Peers() to the host, as its peers
//
// Peers come and go with AddPeer and RemovePeer. A server that is no peer is turned away, or Config.Unknown lets it in: a new member, or a
// leader elected by members that this server has not heard of. It is then answered at the address that its handshake names. Config.Membership is for telling
// such a one from a server that was removed: what it gives reaches the other end's Unknown.
//
// # What it promises
//
//   - Send never blocks, and what waits on a link is bounded, in number and in bytes.
//   - What is delivered was sent by the named peer's connection to this server, whole and unchanged as far as a
//     CRC32C can tell, at most once, in the order sent on that connection; but the chunks of snapshots wait until nothing else does.
//   - A handshake comes before all else: a server of another cluster, an unknown one, one that meant to reach
//     somebody else, an HTTP client or garbage is turned away with a reason in words, and nothing is delivered.
//   - No input makes it panic, or hold more than a small multiple of the bytes that came; one frame is at most
//     MaxFrameBytes, and must arrive in time once it was begun. Incoming connections are at most MaxConns, and one from each server that was
//     let in; a flood from one address keeps out nobody at another.
//   - A peer that vanished without a word is noticed within IdleTimeout, one that closed at once; a
//     peer that comes back is dialed as soon as it is heard of.
//   - deliver may block: the peer's connection is then not read, and the others' are.
//   - With Config.TLS, nothing is said or heard on a connection before its other end has proved, by its certificate, which server it is; and it is taken
//     for no other. Package rpc/certs makes what that needs. Certificates are exchanged while connections stand.
//   - When Run has returned, no goroutine of this package runs and every connection is closed.
//
// # What it does not promise
//
//   - Messages may be lost: Raft repeats. When a link goes down, what waits on it is dropped.
//   - Without Config.TLS it does not encrypt, and does not prove who the other end is: the names in the handshake
//     guard against mistakes, not against malice. Whoever reaches such a port can say all that a member says, and who overheard a member's handshake can throw that
//     member's connection out by repeating it, as often as it likes. A challenge in the handshake would keep out only who can repeat words and not put them
//     together: there is no secret that it could ask for. Keep such a port on a trusted network. With TLS each connection has its own keys, and what was recorded of one
//     is of no use.
//   - A server that has proved who it is, is believed.
//   - A codec is trusted code. Those of this package, and of rpc/cborcodec, refuse everything that they would not have
//     written themselves. rpc/codectest tries whether yours does.
//
// # The wire
//
// The handshake is described in handshake.go, the frame in frame.go, the messages in wire.go. The handshake
// names a range of protocol versions, of which the acceptor chooses the highest that both speak; these are 2 and 3. From version 3 on the acceptor also chooses the
// codec among those that the dialer can write, and both tell their features and the acceptor the largest frame that it takes: see negotiate.go.
// So servers of two releases, or with two codecs, are exchanged one by one. A server that does not know its cluster yet asks for it with [Ask], and turns
// others away with [Decline] meanwhile. Each end lets itself be heard at least every
// KeepaliveInterval, the acceptor only by keepalives.
package rpc

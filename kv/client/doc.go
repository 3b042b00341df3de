// Package client speaks to the key/value service from Go.
//
// # What it promises
//
//   - Every error is an [*Error] with a code and an outcome. [api.Rejected] is said only if the write was
//     certainly not done and never will be: the server said so, or no byte of it left this process in any
//     attempt. Everything else is [api.Unknown].
//   - A write that is tried again is applied at most once: writes carry a client id and a sequence number, which all
//     servers remember. Each id is used for one write at a time; concurrent writers use several.
//   - Endpoints that do not answer, or know no leader, are passed over, until the call's time is up.
//   - A write that finds no room on the servers' disks is tried again, ever more rarely, until the call's time is up: leadership may move to one that has room.
//   - A change of the members or of the leader is sent once: what is in doubt is not repeated. It is sent to an endpoint that knows a leader, if
//     there is one.
//   - Where client and server do not agree on TLS, nothing was done, and the error, of code tls, says why.
//   - A Client may be used by many goroutines. Keys are read and written over one connection to each server that is asked, with all calls in flight on
//     it (package wire); where a server does not know that, over HTTP. When a connection ends, calls that had not left are known not to have.
//   - A server that does not lead says who does, and calls go there if that can be reached, endpoint or not; unless it is to say no to TLS. With NoRetry they do not.
//   - PutAsync, DeleteAsync and GetAsync keep many calls in flight without a goroutine for each.
//
// # What it does not promise
//
// With [Config.NoRetry] a call is one request to the first endpoint, without an id: for those who want to see
// what happened, not what could be made of it. A write whose outcome is unknown may still be done after
// the call returned, and after later writes of the same Client.
//
// # Example
//
//	c, err := client.New(client.Config{Endpoints: []string{"127.0.0.1:8001", "127.0.0.1:8002"}})
//	defer c.Close()
//	put, err := c.Put(ctx, "motd", []byte("hello"))
//	got, err := c.Get(ctx, "motd") // got.Data, got.Version == put.Index
//	_, err = c.Put(ctx, "motd", []byte("hi"), client.IfVersion(got.Version))
//	if client.CodeOf(err) == api.CodePrecondition {
//		// somebody else was faster
//	}
package client

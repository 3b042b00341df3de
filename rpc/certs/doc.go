// Package certs has the certificates of a cluster: what they say, how they are read from files and exchanged while a program runs, what is asked of the
// one at the other end of a connection, and a small certificate authority to make them with.
//
//	peers, err := certs.OpenPeer(certs.Files{Cert: "n1.pem", Key: "n1-key.pem", CA: "ca.pem"}, "n1", time.Now)
//	...
//	peers.Config()  // for the next connection to or from a node, TLS 1.3 and nothing else
//	peers.Reload()  // read the files again; if anything is wrong with them, the old ones stay
//
// A node's certificate names cluster and node in a URI, raft://CLUSTER/NODE, and is good for both ends of a connection. That is what tells it from
// a client's, which may not speak as a node.
//
// # What it promises
//
//   - Two nodes connect only if each shows a certificate that the other's authority signed, that is valid now, that may be used by a server and by a client,
//     and that names one node, of the same cluster. Which node that is, the transport compares with whom it means to speak to.
//   - A file that cannot be used changes nothing, and the error names the file and what to do. A node's own certificate must pass what
//     it asks of the others'.
//   - No private key leaves its file, or is written to one that others may read. No file is overwritten.
//
// # What it does not promise
//
// Nothing is revoked: who lost a key must exchange the authority. A connection outlives the certificates that it began with. The
// authority that NewAuthority makes is for development: its key lies in a file.
package certs

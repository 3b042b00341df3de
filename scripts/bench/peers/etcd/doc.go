// Etcd is an etcd server, embedded from its module, with its defaults. Clients use its own protocol, gRPC.
package main

// Etcd is an etcd server, embedded from its module, with its defaults: fewer snapshots made no difference. Clients use its own protocol, gRPC.
package main

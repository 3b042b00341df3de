package main

import (
	"fmt"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// keptDescriptors are for all but connections: the log with its segments and snapshots, the listeners, what a process has from its
// start, and connections between their acceptance and the decision about them. At rest it is about 12; a node that cannot open a
// segment cannot go on.
const keptDescriptors = 32

// The bounds of what each port gets.
const (
	minPeerConns, maxPeerConns     = 16, 512
	minClientConns, maxClientConns = 4, 4096
	fewClientConns                 = 64
	manyFiles                      = 1024
	maxMembers                     = 256 // what the core allows
)

// descriptors is how the files that this process may have open are shared out.
type descriptors struct {
	limit   uint64
	peers   int // connections that come to the peer port
	clients int // connections that come to the client port; each may need another one, to the leader
}

// openFiles gives how many files this process may have open. Go has raised that as far as the system lets it.
func openFiles() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("look at the limit of open files: %w", err)
	}
	return uint64(limit.Cur), nil //nolint:unconvert // signed on some systems
}

// shareOut shares out the files that may be open, in a cluster that has so many other members. Each of them needs a connection each way. Where there are files
// enough, there is room for more members; elsewhere the first few that are added live on what is kept.
func shareOut(limit uint64, members int) (descriptors, error) {
	had := int(min(limit, 1<<20))
	if had >= manyFiles {
		members = max(members, min(had/32, maxMembers))
	}
	needed := keptDescriptors + 2*members
	free := had - needed
	handshakes := min(max(free/4, minPeerConns), maxPeerConns)
	// What connects and is no member yet, such as one that was added just now, is answered by a connection of its own: see rpc.Config.Unknown.
	free -= handshakes + min((handshakes+members)/4, 16)
	d := descriptors{limit: limit, peers: handshakes + members, clients: min(free/2, maxClientConns)}
	if d.clients < minClientConns {
		least := needed + minPeerConns + min((minPeerConns+members)/4, 16) + 2*minClientConns
		return d, fmt.Errorf("this process may have %d files open at once, and needs at least %d with %d other members, or it would one day not be able to "+
			"write its log: raise the hard limit (`ulimit -Hn 65536`; LimitNOFILE= of systemd, --ulimit nofile= of docker)", limit, least, members)
	}
	return d, nil
}

// tell warns of a limit that leaves few clients room.
func (d descriptors) tell(log hclog.Logger) {
	if d.clients < fewClientConns {
		log.Warn("FEW CLIENTS: this process may have few files open at once, and keeps most of them for its log and the other members. Raise the hard limit "+
			"(`ulimit -Hn 65536`; LimitNOFILE= of systemd, --ulimit nofile= of docker)", "limit", d.limit, "client_connections", d.clients)
	}
}

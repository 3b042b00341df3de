// Raftnode is one server of a replicated key/value store: a Raft server, its log on disk, its links to the others,
// and the API for clients.
//
//	raftnode serve --id n1 --data-dir data/n1 --listen-client 127.0.0.1:8001 \
//	    --cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003
//	raftnode version
//
// # What it promises
//
//   - kill -9 is safe at any moment: what was acknowledged to a client is on the disks of a majority, and the node comes
//     back with all that it had promised.
//   - Every setting comes from a flag, else from the environment (RAFTNODE_DATA_DIR), else from the file given
//     by --config, else from its default. All mistakes in them are reported at once, and nothing is started;
//     of a file that cannot be read, only that.
//   - The log is bounded: a snapshot takes its place, by --snapshot-entries and --snapshot-bytes.
//   - The members are those of the cluster's configuration, which begins as --cluster and changes by raftctl members. A node with --join waits to be
//     added. One that was removed says so and serves nothing.
//   - A member is let in with the store, that is the data directory, that it first showed as a member, and with no other, also after it was removed: an
//     id is never used for another node.
//   - With less free than --low-space on the disk of its data directory it takes no writes, and does not lead while another can; reads go on. It gives its reserve
//     up and shortens its log, and goes back to work by itself when there is room.
//   - A cluster has a random id, made once: by the first founding member, by name, when it starts on an empty directory and no other member tells of one. The
//     others, and nodes with --join, ask the members in --cluster and --dial for it when they start on an empty directory, and wait until one answers: /livez is well
//     then, /readyz and all else say what they wait for. Afterwards it stands in the data directory, and nobody is asked. With --cluster-id
//     nobody waits for an answer. So two clusters of one list never mix. The sum of the founding list stands behind the random part: nodes with different
//     lists refuse each other and say so.
//   - The first founder, and a node that is given --cluster-id on an empty directory, ask the others for up to a second, less if none of them runs or knows the cluster either. A node with an empty directory that any of those
//     who answer had known with another does not start: so not even a majority that lost its directories begins anew beside one that has its own.
//   - With --peer-tls-cert, members speak TLS 1.3 with each other, and only with those whose certificates name them, in the same cluster. With
//     --client-tls-cert, clients are served over TLS, and with --client-tls-ca only those with a certificate. SIGHUP makes it read all these files
//     again, for new connections; what cannot be used is told, and changes nothing.
//   - A data directory belongs to one node of one cluster, and to one process at a time.
//   - Exit code 0: it was asked to stop, by SIGTERM or SIGINT, and did within 8 seconds. 1: it cannot start or must stop; the last line on stderr
//     says why and what to do. 64: the command or the configuration is wrong.
//   - While it runs, DIR/addresses.json says where it listens and which process it is; on a disk that had no room for it at the start, as soon as there is.
//
// # What it does not promise
//
// The disk is looked at once a second: one that others fill faster than that can be full before it is noticed, and then the node ends.
//
// Without certificates there is no TLS and no authentication: it listens where it is told to, and warns if others can reach that. Every client with a
// certificate may do everything.
// The state and the log behind the last snapshot are held in memory. A node that comes back with an old copy of its data directory
// is refused by those that knew a later start on it; of a copy that was made since the last start nobody can tell,
// and if that is started first, the rightful one is refused.
// The first founder, on a directory that was emptied while it reaches no other member, makes a new id; the others refuse it as another cluster. A majority
// that lost its directories and is started with --cluster-id while all that have theirs are down begins anew, with that id: the others know the stores that were lost, and refuse
// it when they come back. Start those that have their directories first.
package main

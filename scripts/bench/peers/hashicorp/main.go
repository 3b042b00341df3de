package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"

	"github.com/raftnode/raft/scripts/bench/peer"
	"github.com/raftnode/raft/scripts/bench/raw"
)

var storeKind = flag.String("store", "wal", "where the log is: wal or bolt")

func main() {
	c := peer.Parse()
	s, err := start(c)
	if err != nil {
		peer.Fail(err)
	}
	peer.Serve(c, s, s)
}

// store is the log, and what a server must not forget besides.
type store interface {
	raft.LogStore
	raft.StableStore
	io.Closer
}

func openStore(kind, dir string, log hclog.Logger) (store, error) {
	switch kind {
	case "wal":
		return wal.Open(dir, wal.WithLogger(log))
	case "bolt":
		return raftboltdb.New(raftboltdb.Options{
			Path: filepath.Join(dir, "raft.db"),
			// What the library recommends for logs: the list of free pages is not written with each transaction.
			BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
		})
	}
	return nil, fmt.Errorf("-store %q is neither wal nor bolt", kind)
}

func start(c peer.Config) (*server, error) {
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(c.RaftAddr())
	config.Logger = log
	config.MaxAppendEntries = 1024 // the most that it allows
	config.BatchApplyCh = true
	config.SnapshotThreshold = 1 << 40
	config.NoLegacyTelemetry = true
	disk, err := openStore(*storeKind, c.Dir, log)
	if err != nil {
		return nil, err
	}
	cached, err := raft.NewLogCache(8192, disk)
	if err != nil {
		return nil, err
	}
	// MaxRPCsInFlight is left alone: with 16 in place of the library's 2 this was slower at all levels but the first.
	transport, err := raft.NewTCPTransportWithConfig(c.RaftAddr(), nil, &raft.NetworkTransportConfig{
		MaxPool: 3, Timeout: timeout, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	if err := bootstrap(c, config, cached, disk, transport); err != nil {
		return nil, err
	}
	s := &server{fsm: &fsm{store: raw.NewStore()}, disk: disk}
	s.raft, err = raft.NewRaft(config, s.fsm, cached, disk, raft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		return nil, err
	}
	s.begin()
	return s, nil
}

func bootstrap(c peer.Config, config *raft.Config, logs raft.LogStore, stable raft.StableStore, transport raft.Transport) error {
	var members raft.Configuration
	for _, addr := range c.Raft {
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(addr), Address: raft.ServerAddress(addr)})
	}
	return raft.BootstrapCluster(config, logs, stable, raft.NewDiscardSnapshotStore(), transport, members)
}

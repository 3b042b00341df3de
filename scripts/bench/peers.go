package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/ground"
	"github.com/raftnode/raft/scripts/bench/raw"
)

// peer is one of those that are compared.
type peer struct {
	name, title, settings string
	ours                  bool     // the others are compared with it
	program               string   // its file
	modules               []string // whose versions say what it is
	command               cluster.Command
	leads                 func(ctx context.Context, c *cluster.Cluster, i int) bool
	dial                  func(ctx context.Context, c *cluster.Cluster, leader int) (load.Target, func(), error)
}

const rawProtocol = "clients by a raw protocol, many requests in flight on each of 4 connections"

// allPeers has ours first.
func allPeers() []peer {
	return []peer{
		{
			name: "raftnode", title: "raftnode", ours: true, program: "raftnode", command: raftnodeCommand, leads: raftnodeLeads, dial: raftnodeDial,
			settings: "defaults, but no snapshots; clients through kv/client, all requests in flight on one connection, each write once at most though it may be repeated",
		},
		{
			name: "library", title: "our library, raw", ours: true, program: "library", command: rawCommand(), leads: rawLeads, dial: rawDial,
			settings: "our packages raft, rpc and wal as raftnode has them, without its HTTP and its sessions; no snapshots, reads share a Read; " + rawProtocol,
		},
		{
			name: "hashicorp-wal", title: "hashicorp + wal", program: "hashicorp", command: rawCommand("-store", "wal"), leads: rawLeads, dial: rawDial,
			modules:  []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-wal"},
			settings: "MaxAppendEntries 1024, BatchApplyCh, log cache, batching FSM, no snapshots, reads share a VerifyLeader; " + rawProtocol,
		},
		{
			name: "hashicorp-bolt", title: "hashicorp + boltdb", program: "hashicorp", command: rawCommand("-store", "bolt"), leads: rawLeads, dial: rawDial,
			modules:  []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-boltdb/v2"},
			settings: "the same with raft-boltdb, NoFreelistSync",
		},
		{
			name: "etcd", title: "etcd", program: "etcd", command: rawCommand(), leads: etcdLeads, dial: etcdDial,
			modules:  []string{"go.etcd.io/etcd/server/v3"},
			settings: fmt.Sprintf("defaults; clients by gRPC through clientv3, %d connections", etcdConns),
		},
		{
			name: "dragonboat", title: "dragonboat", program: "dragonboat", command: rawCommand(), leads: rawLeads, dial: rawDial,
			modules:  []string{"github.com/lni/dragonboat/v4"},
			settings: "tan log, concurrent state machine, no snapshots, reads share a ReadIndex; " + rawProtocol,
		},
		{
			name: "floor", title: "floor (no Raft)", program: "floor", command: rawCommand(), leads: rawLeads, dial: rawDial,
			settings: "a leader and two followers that append, fdatasync and acknowledge; reads from memory, asking nobody; " + rawProtocol,
		},
	}
}

func peerName(p peer) string { return p.name }

func names(peers []peer) (all []string) {
	for _, p := range peers {
		all = append(all, p.name)
	}
	return all
}

// choosePeers takes ours, and some others.
func choosePeers(list string) ([]peer, error) {
	if list != "" && !strings.Contains(","+list+",", ",raftnode,") {
		list = "raftnode," + list
	}
	return chooseFrom("peer", list, allPeers(), peerName)
}

// version asks the program what it was built of, or git where that is us.
func (p peer) version(ctx context.Context, root, programs string) (string, error) {
	if len(p.modules) == 0 {
		return ground.Commit(ctx, root), nil
	}
	info, err := buildinfo.ReadFile(filepath.Join(programs, p.program))
	if err != nil {
		return "", fmt.Errorf("what %s was built of: %w", p.program, err)
	}
	var versions []string
	for _, dep := range info.Deps {
		for _, module := range p.modules {
			if dep.Path == module {
				versions = append(versions, module+" "+dep.Version)
			}
		}
	}
	return strings.Join(versions, ", "), nil
}

// rawCommand starts the programs below peers, etcd among them.
func rawCommand(more ...string) cluster.Command {
	return func(c *cluster.Cluster, i int, dir string) []string {
		return append([]string{"-id", fmt.Sprint(i + 1), "-dir", dir, "-raft", strings.Join(c.Raft, ","), "-client", strings.Join(c.Client, ",")}, more...)
	}
}

// connections is how many the raw protocol gets.
const connections = 4

const askTimeout = time.Second

func rawLeads(ctx context.Context, c *cluster.Cluster, i int) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cl, err := raw.Dial(ctx, c.Client[i], 1)
	if err != nil {
		return false // not there yet
	}
	defer cl.Close()
	leads, err := cl.Leads(ctx)
	return err == nil && leads
}

func rawDial(ctx context.Context, c *cluster.Cluster, leader int) (load.Target, func(), error) {
	cl, err := raw.Dial(ctx, c.Client[leader], connections)
	if err != nil {
		return nil, nil, err
	}
	return cl, cl.Close, nil
}

func raftnodeCommand(c *cluster.Cluster, i int, dir string) []string {
	var members []string
	for j, addr := range c.Raft {
		members = append(members, fmt.Sprintf("n%d=%s", j+1, addr))
	}
	return []string{
		"serve", "--id", fmt.Sprintf("n%d", i+1), "--data-dir", dir, "--cluster", strings.Join(members, ","), "--listen-client", c.Client[i],
		"--log-level", "warn", "--snapshot-entries", "0", "--snapshot-bytes", "0",
	}
}

func raftnodeLeads(ctx context.Context, c *cluster.Cluster, i int) bool {
	cl, err := client.New(client.Config{Endpoints: c.Client[i : i+1], Timeout: askTimeout})
	if err != nil {
		return false
	}
	defer cl.Close()
	status, err := cl.Status(ctx, c.Client[i])
	return err == nil && status.Role == "leader"
}

func raftnodeDial(_ context.Context, c *cluster.Cluster, leader int) (load.Target, func(), error) {
	cl, err := client.New(client.Config{Endpoints: c.Client[leader : leader+1]})
	if err != nil {
		return nil, nil, err
	}
	return load.Store(cl), cl.Close, nil
}

package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/raftnode/raft/kv/load"
	"github.com/raftnode/raft/scripts/bench/cluster"
)

// etcdConns is how many connections the load to etcd is spread over. From 8 on it became slower.
const etcdConns = 2

func etcdClient(addr string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
}

func etcdLeads(ctx context.Context, c *cluster.Cluster, i int) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cl, err := etcdClient(c.Client[i])
	if err != nil {
		return false
	}
	defer func() { _ = cl.Close() }()
	status, err := cl.Status(ctx, c.Client[i])
	return err == nil && status.Leader == status.Header.MemberId
}

func etcdDial(_ context.Context, c *cluster.Cluster, leader int) (load.Target, func(), error) {
	var clients []*clientv3.Client
	hangUp := func() {
		for _, cl := range clients {
			_ = cl.Close()
		}
	}
	for range etcdConns {
		cl, err := etcdClient(c.Client[leader])
		if err != nil {
			hangUp()
			return nil, nil, err
		}
		clients = append(clients, cl)
	}
	var next atomic.Uint32
	return load.Blocking(func(ctx context.Context, op load.Op) (err error) {
		cl := clients[int(next.Add(1))%len(clients)]
		switch op.Kind {
		case load.Put:
			_, err = cl.Put(ctx, op.Key, string(op.Value))
		case load.Get:
			_, err = cl.Get(ctx, op.Key)
		default:
			err = errors.New("etcd is only asked to put and get here")
		}
		return err
	}), hangUp, nil
}

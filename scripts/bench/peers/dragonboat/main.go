package main

import (
	"time"

	"github.com/lni/dragonboat/v4"
	"github.com/lni/dragonboat/v4/config"
	"github.com/lni/dragonboat/v4/logger"
	"github.com/lni/dragonboat/v4/plugin/tan"
	"github.com/lni/dragonboat/v4/statemachine"

	"github.com/raftnode/raft/scripts/bench/peer"
	"github.com/raftnode/raft/scripts/bench/raw"
)

const (
	shard   = 1
	timeout = 10 * time.Second
)

func main() {
	c := peer.Parse()
	s, err := start(c)
	if err != nil {
		peer.Fail(err)
	}
	peer.Serve(c, s, s)
}

func start(c peer.Config) (*server, error) {
	for _, name := range []string{"raft", "rsm", "transport", "grpc", "dragonboat", "logdb", "tan", "config", "settings"} {
		logger.GetLogger(name).SetLevel(logger.ERROR)
	}
	hostConfig := config.NodeHostConfig{
		NodeHostDir:    c.Dir,
		RaftAddress:    c.RaftAddr(),
		RTTMillisecond: 10,
		Expert:         config.ExpertConfig{LogDBFactory: tan.Factory},
	}
	host, err := dragonboat.NewNodeHost(hostConfig)
	if err != nil {
		return nil, err
	}
	members := map[uint64]dragonboat.Target{}
	for i, addr := range c.Raft {
		members[uint64(i+1)] = addr
	}
	s := &server{host: host, id: uint64(c.ID), store: raw.NewStore()}
	create := func(uint64, uint64) statemachine.IConcurrentStateMachine { return &machine{store: s.store} }
	err = host.StartConcurrentReplica(members, false, create, config.Config{
		ReplicaID: s.id, ShardID: shard,
		ElectionRTT: 50, HeartbeatRTT: 5, // 500 ms and 50 ms
		CheckQuorum: true, PreVote: true,
	})
	if err != nil {
		host.Close()
		return nil, err
	}
	s.begin()
	return s, nil
}

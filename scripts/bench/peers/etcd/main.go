package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/raftnode/raft/scripts/bench/peer"
)

func main() {
	c := peer.Parse()
	server, err := start(c)
	if err != nil {
		peer.Fail(err)
	}
	peer.Wait()
	server.Close()
}

func start(c peer.Config) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Name = name(c.ID)
	config.Dir = c.Dir
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	raft, client := urls(c.RaftAddr()), urls(c.ClientAddr())
	config.ListenPeerUrls, config.AdvertisePeerUrls = raft, raft
	config.ListenClientUrls, config.AdvertiseClientUrls = client, client
	var members []string
	for i, addr := range c.Raft {
		members = append(members, fmt.Sprintf("%s=http://%s", name(i+1), addr))
	}
	config.InitialCluster = strings.Join(members, ",")
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case err := <-server.Err():
		return nil, err
	case <-time.After(20 * time.Second):
		return nil, errors.New("etcd was not ready within 20 s")
	}
}

func name(id int) string { return fmt.Sprintf("n%d", id) }

func urls(addr string) []url.URL { return []url.URL{{Scheme: "http", Host: addr}} }

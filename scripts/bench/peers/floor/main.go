package main

import (
	"io"
	"path/filepath"

	"github.com/raftnode/raft/scripts/bench/peer"
)

func main() {
	c := peer.Parse()
	file, err := create(filepath.Join(c.Dir, "log"))
	if err != nil {
		peer.Fail(err)
	}
	if c.ID != 1 {
		follower, err := follow(c.RaftAddr(), file)
		if err != nil {
			peer.Fail(err)
		}
		peer.Serve(c, deaf{}, follower)
		return
	}
	leader := lead(c.Raft[1:], file)
	peer.Serve(c, leader, closer(leader.close))
}

type closer func() error

func (c closer) Close() error { return c() }

var _ io.Closer = closer(nil)

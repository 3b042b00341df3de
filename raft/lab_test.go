package raft_test

import (
	"flag"
	"os"
	"testing"
	"testing/synctest"

	"github.com/raftnode/raft/raft/lab"
	"github.com/raftnode/raft/raft/lab/labnet"
)

var (
	realTime = flag.Bool("lab.realtime", false, "let the lab's time be real time; without it minutes take a moment")
	labSeed  = flag.Uint64("lab.seed", 1, "what the lab's chance begins with")
)

// The seed's commands: go test ./raft -run 2A, 2B, 2C. RAFT_TRACE=1 draws what happens, a column per server.
func TestLab2A(t *testing.T) { playPart(t, "2A") }
func TestLab2B(t *testing.T) { playPart(t, "2B") }
func TestLab2C(t *testing.T) { playPart(t, "2C") }

func playPart(t *testing.T, part string) {
	for _, test := range lab.Tests {
		if test.Part != part {
			continue
		}
		t.Run(test.Name, func(t *testing.T) {
			if *realTime {
				playLab(t, test)
			} else {
				synctest.Test(t, func(t *testing.T) { playLab(t, test) })
			}
		})
	}
}

func playLab(t *testing.T, test lab.Test) {
	opts := labnet.Options{Servers: test.Servers, Seed: *labSeed, Network: test.Network}
	if os.Getenv("RAFT_TRACE") != "" {
		opts.Trace = labnet.NewTrace(os.Stdout, test.Servers)
	}
	lab.Play(t, os.Stdout, test, labnet.New(opts))
}

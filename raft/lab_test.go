package raft_test

import (
	"flag"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/lab"
	"github.com/raftnode/raft/raft/lab/labnet"
)

var (
	realTime = flag.Bool("lab.realtime", false, "let the lab's time be real time; without it minutes take a moment")
	labSeed  = flag.Uint64("lab.seed", 1, "what the lab's chance begins with")
)

// The seed's commands: go test ./raft -run 2A, 2B, 2C, 2D. RAFT_TRACE=1 draws what happens, a column per server.
func TestLab2A(t *testing.T) { playPart(t, "2A") }
func TestLab2B(t *testing.T) { playPart(t, "2B") }
func TestLab2C(t *testing.T) { playPart(t, "2C") }
func TestLab2D(t *testing.T) { playPart(t, "2D") }

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
	opts := labnet.Options{Servers: test.Servers, Seed: *labSeed, Network: test.Network, SnapshotEvery: test.SnapshotEvery}
	if os.Getenv("RAFT_TRACE") != "" {
		opts.Trace = labnet.NewTrace(os.Stdout, test.Servers)
	}
	lab.Play(t, os.Stdout, test, labnet.New(opts))
}

// A server whose log is behind, and that stands for election more often than the others' timers allow, cannot win. It
// must not keep those from standing who can: only a granted vote resets a timer (§5.2).
func TestImpatientServerCannotBlockElections2A(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		impatient := func(i int) []raft.Option {
			if i == 0 {
				return []raft.Option{raft.WithTimeouts(20*time.Millisecond, 60*time.Millisecond)}
			}
			return nil
		}
		system := labnet.New(labnet.Options{Servers: 3, Seed: *labSeed, Each: impatient})
		lab.Play(t, io.Discard, lab.Test{Part: "2A", Title: "an impatient server", Run: func(b *lab.Bed) {
			b.AgreeOn(3)
			b.Disconnect(0)
			b.AgreeOn(2) // server 0 has not got this
			b.Disconnect(b.Leader())
			b.Connect(0)
			b.Pause(2 * time.Second) // if it led before, it has learned that it does no more
			if leader := b.Leader(); leader == 0 {
				t.Error("a server without the last entry leads")
			}
		}}, system)
	})
}

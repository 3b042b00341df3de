package sim

import (
	"testing"
	"time"
)

// busyPlan is that of a cluster at work: clients that hardly pause, three lost messages in a hundred, now and then a crash, a cut, a pause.
func busyPlan(servers int) *Plan {
	p := &Plan{
		Seed: 1, Servers: servers, Duration: time.Minute,
		Raft: Raft{
			HeartbeatInterval: 30 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond,
			Noop: true, PreVote: true, CheckQuorum: true,
		},
		Network: Network{Delay: 2 * time.Millisecond, MinDelay: time.Millisecond, Loss: 30, Ordered: true},
		Disk:    Disk{Delay: 2 * time.Millisecond, Group: true},
		Host:    Host{CompactEvery: 2000},
		Clients: Clients{Number: 8, Think: 5 * time.Millisecond, Timeout: time.Second, Attempts: 10, Reads: 300, Keys: 10, ValueBytes: 20},
	}
	for at := 2 * time.Second; at < p.Duration; at += 4 * time.Second {
		all := Set(1<<maxServers - 1)
		p.Actions = append(p.Actions,
			Action{At: at, For: time.Second, Kind: Crash, Chance: uint64(at)},
			Action{At: at + time.Second, For: 500 * time.Millisecond, Kind: Pause, Server: 2},
			Action{At: at + 2*time.Second, For: time.Second, Kind: Cut, From: 1, To: all &^ 1},
			Action{At: at + 2*time.Second, For: time.Second, Kind: Cut, From: all &^ 1, To: 1},
		)
	}
	return p
}

func benchmarkCluster(b *testing.B, servers int) {
	plan := busyPlan(servers)
	var events uint64
	var virtual time.Duration
	for b.Loop() {
		c := newCluster(plan, RunOptions{})
		c.run()
		if c.failure != nil {
			b.Fatal(c.failure)
		}
		events += c.done
		virtual += time.Duration(c.now)
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(virtual.Seconds()/b.Elapsed().Seconds(), "simulated-s/s")
}

func BenchmarkCluster3(b *testing.B) { benchmarkCluster(b, 3) }
func BenchmarkCluster5(b *testing.B) { benchmarkCluster(b, 5) }

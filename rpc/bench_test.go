package rpc

import (
	"context"
	"net"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// batch is 64 entries of 128 bytes.
func batch() *consensus.AppendEntries {
	datas := make([][]byte, 64)
	for i := range datas {
		datas[i] = make([]byte, 128)
	}
	m := manyEntries(datas...)
	m.From, m.To = "a", "b"
	return m
}

// benchmarkLoopback sends messages from one transport to another over loopback TCP, never more than
// window ahead of what arrived.
func benchmarkLoopback(b *testing.B, m consensus.Message, window int) {
	lnA, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	lnB, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	up := make(chan struct{}, 100)
	cfg := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
	cfg.OnEvent = func(e Event) {
		if e.Kind == LinkUp {
			up <- struct{}{}
		}
	}
	from, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	to, err := New(config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()}))
	if err != nil {
		b.Fatal(err)
	}
	tokens := make(chan struct{}, window)
	ended := make(chan error, 2)
	go func() { ended <- from.Run(context.Background(), lnA, func(...consensus.Message) {}) }()
	go func() {
		ended <- to.Run(context.Background(), lnB, func(messages ...consensus.Message) {
			for range messages {
				<-tokens
			}
		})
	}()
	<-up
	link := from.Peers()[0]
	for b.Loop() {
		tokens <- struct{}{}
		link.Send(m)
	}
	for range window { // until all have arrived
		tokens <- struct{}{}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	from.Close()
	to.Close()
	for range 2 {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// What the codecs cost, and how others do, is in scripts/bench/rpc.
func BenchmarkLoopback(b *testing.B) {
	heartbeat := &consensus.AppendEntries{Header: consensus.Header{From: "a", To: "b", Term: 1}}
	b.Run("heartbeat/1-ahead", func(b *testing.B) { benchmarkLoopback(b, heartbeat, 1) })
	b.Run("heartbeat/32-ahead", func(b *testing.B) { benchmarkLoopback(b, heartbeat, 32) })
	b.Run("64x128/1-ahead", func(b *testing.B) { benchmarkLoopback(b, batch(), 1) })
	b.Run("64x128/32-ahead", func(b *testing.B) { benchmarkLoopback(b, batch(), 32) })
}

package rpc

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	hashicorp "github.com/hashicorp/raft"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
)

// turn is how many RPCs a rival makes before it is the next one's turn.
const turn = 2000

// BenchmarkRPC: AppendEntries of 64 entries of 128 bytes, each answered by its reply, between two transports over loopback, with 1 and
// 32 in flight. The rivals take turns. Ours sends what it is given on links that know no calls, as raft uses it; NetworkTransport makes
// calls one after the other, or in its pipeline, with as many in flight as are asked for and with the 2 that it allows by default.
func BenchmarkRPC(b *testing.B) {
	b.Run("1-in-flight", func(b *testing.B) {
		takeTurns(b, map[string]func(int){"ours": ours(b, 1), "hashicorp": calls(b)})
	})
	b.Run("32-in-flight", func(b *testing.B) {
		takeTurns(b, map[string]func(int){
			"ours": ours(b, 32), "hashicorp": pipeline(b, 32), "hashicorp-default": pipeline(b, hashicorp.DefaultMaxRPCsInFlight),
		})
	})
}

// takeTurns reports the rates of all, and how much faster ours is.
func takeTurns(b *testing.B, rivals map[string]func(int)) {
	took := map[string]time.Duration{}
	rounds := 0
	for _, do := range rivals {
		do(turn) // so that all buffers have their size
	}
	for b.Loop() {
		rounds++
		for name, do := range rivals {
			began := time.Now()
			do(turn)
			took[name] += time.Since(began)
		}
	}
	for name := range rivals {
		b.ReportMetric(float64(rounds*turn)/took[name].Seconds(), name+"-rpc/s")
		if name != "ours" {
			b.ReportMetric(float64(took[name])/float64(took["ours"]), "ours/"+name)
		}
	}
	b.ReportMetric(0, "ns/op") // of a round: means nothing
}

// ours makes two transports, and gives what makes n RPCs with at most window in flight.
func ours(b *testing.B, window int) func(n int) {
	lnA, lnB := listen(b), listen(b)
	up := make(chan struct{}, 100)
	start := func(id, peer consensus.ServerID, ln, other net.Listener, deliver func(*rpc.Transport, consensus.Message)) *rpc.Transport {
		t, err := rpc.New(rpc.Config{
			Cluster: "bench", ID: id, Peers: map[consensus.ServerID]string{peer: other.Addr().String()},
			OnEvent: func(e rpc.Event) {
				if e.Kind == rpc.LinkUp {
					up <- struct{}{}
				}
			},
		})
		must(err)
		ended := make(chan error, 1)
		go func() {
			ended <- t.Run(context.Background(), ln, func(messages ...consensus.Message) {
				for _, m := range messages {
					deliver(t, m)
				}
			})
		}()
		b.Cleanup(func() {
			must(t.Close())
			must(<-ended)
		})
		return t
	}
	flying := make(chan struct{}, window)
	reply := func(t *rpc.Transport, m consensus.Message) {
		a := m.(*consensus.AppendEntries)
		t.Send(&consensus.AppendEntriesReply{
			Header: consensus.Header{From: "b", To: "a", Term: a.Term}, Success: true,
			MatchIndex: a.PrevLogIndex + consensus.Index(len(a.Entries)), PrevLogIndex: a.PrevLogIndex, Round: a.Round,
		})
	}
	land := func(_ *rpc.Transport, m consensus.Message) {
		if !m.(*consensus.AppendEntriesReply).Success {
			panic("refused")
		}
		<-flying
	}
	from := start("a", "b", lnA, lnB, land)
	start("b", "a", lnB, lnA, reply)
	<-up
	<-up
	m := batch()
	m.From, m.To = "a", "b"
	return func(n int) {
		for range n {
			flying <- struct{}{}
			from.Send(m)
		}
		for range window { // until all have landed
			flying <- struct{}{}
		}
		for range window {
			<-flying
		}
	}
}

func listen(b *testing.B) net.Listener {
	ln, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	must(err)
	return ln
}

// theirs makes two NetworkTransports, of which the second answers as hashicorp/raft's own loop does.
func theirs(b *testing.B, inFlight int) (from, to *hashicorp.NetworkTransport) {
	start := func() *hashicorp.NetworkTransport {
		t, err := hashicorp.NewTCPTransportWithConfig("127.0.0.1:0", nil, &hashicorp.NetworkTransportConfig{
			MaxPool: 3, Timeout: 10 * time.Second, MaxRPCsInFlight: inFlight, Logger: hclog.NewNullLogger(),
		})
		must(err)
		return t
	}
	from, to = start(), start()
	done := make(chan struct{})
	go func() {
		for {
			select {
			case request := <-to.Consumer():
				a := request.Command.(*hashicorp.AppendEntriesRequest)
				request.Respond(&hashicorp.AppendEntriesResponse{
					RPCHeader: hashicorp.RPCHeader{ProtocolVersion: hashicorp.ProtocolVersionMax, ID: []byte("b"), Addr: []byte("127.0.0.1:7002")},
					Term:      a.Term, LastLog: a.PrevLogEntry + uint64(len(a.Entries)), Success: true,
				}, nil)
			case <-done:
				return
			}
		}
	}()
	b.Cleanup(func() {
		must(from.Close())
		must(to.Close())
		close(done)
	})
	return from, to
}

// calls makes one RPC after the other.
func calls(b *testing.B) func(n int) {
	from, to := theirs(b, 0)
	request := hashicorpBatch()
	return func(n int) {
		for range n {
			var response hashicorp.AppendEntriesResponse
			must(from.AppendEntries("b", to.LocalAddr(), request, &response))
			landed(&response)
		}
	}
}

// pipeline makes RPCs as hashicorp/raft's replication does: one goroutine sends, another takes the answers.
func pipeline(b *testing.B, inFlight int) func(n int) {
	from, to := theirs(b, inFlight)
	p, err := from.AppendEntriesPipeline("b", to.LocalAddr())
	must(err)
	b.Cleanup(func() { must(p.Close()) })
	request := hashicorpBatch()
	return func(n int) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range n {
				future := <-p.Consumer()
				must(future.Error())
				landed(future.Response())
			}
		}()
		for range n {
			_, err := p.AppendEntries(request, new(hashicorp.AppendEntriesResponse))
			must(err)
		}
		<-done
	}
}

func landed(response *hashicorp.AppendEntriesResponse) {
	if !response.Success {
		panic(fmt.Sprintf("refused: %+v", response))
	}
}

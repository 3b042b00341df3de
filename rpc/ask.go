package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// question begins what a server says as its cluster that asks for it. No cluster can have such a name.
const question = "?"

// asks tells that the dialer wants to know the cluster and nothing else.
func (h *hello) asks() bool { return strings.HasPrefix(h.cluster, question) }

// LostError is what Ask gives when the other server knows that this one had a store: see [Config.AdmitEmpty].
type LostError struct{ Reason string }

func (e LostError) Error() string { return e.Reason }

// withheldError is why a server that asks is not told the cluster.
type withheldError struct{ error }

// ErrNoClusterYet is what Ask gives when the other server does not know its cluster yet either.
var ErrNoClusterYet = errors.New("it does not know its cluster yet either")

// Ask asks the server at an address of which cluster it is, and makes sure that it is the peer. The other server refuses the handshake, says
// who it is in doing so, and tells an event of kind Asked with the given words in its reason. If it knows that this server had a store, the error is a
// [LostError]. cfg.Cluster is not used.
func Ask(ctx context.Context, cfg Config, peer consensus.ServerID, address, words string) (cluster string, err error) {
	cfg.Cluster = question + words
	cfg, err = cfg.normalize()
	if err != nil {
		return "", fmt.Errorf("rpc: ask: %w", err)
	}
	dialing, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	raw, err := cfg.Dial(dialing, address)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if err := raw.SetDeadline(time.Now().Add(cfg.HandshakeTimeout)); err != nil {
		return "", err
	}
	link := newLink(&cfg, nil, peer, address)
	conn, err := link.secure(raw)
	if err != nil {
		return "", err
	}
	h := link.hello()
	_, _ = conn.Write(h.append(nil)) // if it fails, why is still to be read
	a, err := readAnswer(conn)
	if err != nil {
		return "", fmt.Errorf("handshake: %w", alert(err))
	}
	return a.tellsCluster(peer)
}

// tellsCluster gives the cluster out of an answer to a question.
func (a *answer) tellsCluster(peer consensus.ServerID) (string, error) {
	switch {
	case a.server == "" && a.reason != "": // it turned this server away before it looked who came
		return "", refusedError{a.reason}
	case a.server != peer:
		return "", violationf("the server there is %q", a.server)
	case a.cluster == "":
		return "", ErrNoClusterYet
	case a.cluster == question:
		return "", LostError{a.reason}
	case strings.HasPrefix(a.cluster, question):
		return "", violationf("it says that its cluster is %q", a.cluster)
	}
	return a.cluster, nil
}

// Decline answers everybody who comes to ln that this server does not know its cluster yet, until ctx ends. Then ln is closed.
func Decline(ctx context.Context, ln net.Listener, cfg Config) error {
	cfg.Cluster = question // normalize wants one
	cfg, err := cfg.normalize()
	if err != nil {
		ln.Close()
		return fmt.Errorf("rpc: decline: %w", err)
	}
	cfg.Cluster = ""
	r := &reporter{tell: cfg.OnEvent, muted: make(map[muteKey]*mute)}
	in := newIncoming(&cfg, newRoster(&cfg, r.report), r.report)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		<-ctx.Done()
		ln.Close()
		in.stop()
	})
	err = in.accept(ctx, ln, &running, nil) // nobody comes so far that anything is delivered
	cancel()
	running.Wait()
	return err
}

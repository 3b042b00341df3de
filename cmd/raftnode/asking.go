package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc"
)

const (
	// askFirst is how long the first founder, or a node that was given the id, asks whether the cluster exists already. It need not ask that long where nobody
	// can know better: see quietRounds.
	askFirst = time.Second
	// quietRounds is how many rounds in a row must be quiet, with a pause of askAgain between two, for the first founder to go on. Founders that are
	// started together so lose no time, and one that starts a moment later than this node is heard.
	quietRounds = 3
	askAgain    = 50 * time.Millisecond
	// askMin and askMax bound the pause between two rounds of a node that waits.
	askMin = 10 * time.Millisecond
	askMax = 500 * time.Millisecond
)

// heard is what came of one round of questions.
type heard struct {
	id    string // the cluster's, if all who told one told this one
	apart bool   // they told different ones
	quiet bool   // all others do not run, or do not know their cluster either
}

// answer is what one of the others said.
type answer struct {
	from raft.ServerID
	id   string
	err  error
}

// ask asks all whom the flags name at once, and waits for all answers: one of them may know better than the rest. tell gets what a person can do
// something about. The error is that of a node that must not begin anew.
func (n *node) ask(ctx context.Context, tell func(string)) (heard, error) {
	c, known := n.config, n.config.known()
	h := heard{quiet: true}
	var told []string // who said what, in words
	for _, a := range n.answers(ctx, known) {
		who := fmt.Sprintf("%s (%s)", a.from, known[a.from])
		h.quiet = h.quiet && (errors.Is(a.err, rpc.ErrNoClusterYet) || absent(a.err))
		switch {
		case errors.As(a.err, new(rpc.LostError)):
			return heard{}, fmt.Errorf("%s knows this node: %w", who, a.err)
		case a.err == nil && !c.otherList(a.id):
			told = append(told, fmt.Sprintf("%s belongs to cluster %q", who, a.id))
			h.apart = h.apart || h.id != "" && h.id != a.id
			h.id = a.id
		case a.err == nil:
			tell(fmt.Sprintf("%s belongs to cluster %q, which was founded with another list of members: %s", who, a.id, sameCluster(c)))
		case ctx.Err() == nil && !notUp(a.err):
			tell(fmt.Sprintf("%s was asked for the cluster's id: %s", who, inShort(a.err)))
		}
	}
	if h.apart {
		h.id = ""
		tell(strings.Join(told, ", and ") + ": they were founded apart, and nobody can tell here which is the right one. Give the right one with --cluster-id, and see to the nodes of the other")
	}
	return h, nil
}

// answers gives what everybody answered, in the order of their names, so that what is said of it does not change.
func (n *node) answers(ctx context.Context, known map[raft.ServerID]string) []answer {
	answers := make([]answer, len(known))
	var asking sync.WaitGroup
	for i, id := range sortedIDs(known) {
		asking.Go(func() {
			cluster, err := rpc.Ask(ctx, n.stranger(), id, known[id], n.config.listSum())
			answers[i] = answer{id, cluster, err}
		})
	}
	asking.Wait()
	return answers
}

// absent tells that nobody listens there, also behind a proxy.
func absent(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

// notUp tells of what passes by itself while nodes start. Anything else a person has to know.
func notUp(err error) bool {
	var network *net.OpError
	return absent(err) || errors.Is(err, rpc.ErrNoClusterYet) || errors.As(err, &network) && network.Op == "dial" && network.Timeout()
}

// inShort leaves out the addresses of a network's error: they are told already, and one has a new port each time.
func inShort(err error) string {
	var network *net.OpError
	if errors.As(err, &network) {
		return fmt.Sprintf("%s: %v", network.Op, network.Err)
	}
	return err.Error()
}

// once gives a way to warn of each thing one time, from any goroutine.
func once(log hclog.Logger) func(string) {
	var mu sync.Mutex
	told := map[string]bool{}
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if !told[text] && len(told) < 100 {
			told[text] = true
			log.Warn(text)
		}
	}
}

var errApart = errors.New("the others are of different clusters: see above")

// askFounder asks for as long as somebody may know better, and gives "" if nobody told of a cluster.
func (n *node) askFounder(ctx context.Context) (string, error) {
	asking, cancel := context.WithTimeout(ctx, askFirst)
	defer cancel()
	tell := once(n.log)
	for quiet := 0; quiet < quietRounds && asking.Err() == nil; {
		h, err := n.ask(asking, tell)
		switch {
		case err != nil || h.id != "":
			return h.id, err
		case h.apart:
			return "", errApart
		case h.quiet:
			quiet++
		default:
			quiet = 0
		}
		if quiet < quietRounds {
			pause(asking, askAgain)
		}
	}
	if ctx.Err() != nil {
		return "", errAsked
	}
	return "", nil
}

// askOn asks until there is an answer, or ctx ends.
func (n *node) askOn(ctx context.Context) (string, error) {
	tell := once(n.log)
	for wait := askMin; ctx.Err() == nil; wait = min(2*wait, askMax) {
		if h, err := n.ask(ctx, tell); err != nil || h.id != "" {
			return h.id, err
		}
		pause(ctx, wait)
	}
	return "", errAsked
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// stranger is how this node speaks before it knows its cluster.
func (n *node) stranger() rpc.Config {
	return rpc.Config{ID: n.config.id, Codec: n.config.codec, TLS: n.secrets.betweenPeers(), Identify: n.secrets.identify(), HandshakeTimeout: askFirst, DialTimeout: askFirst}
}

// known gives where this node reaches the others that its flags name: the founders, of whom none may be left, and those in --dial.
func (c *config) known() map[raft.ServerID]string {
	known := maps.Clone(c.cluster)
	maps.Copy(known, c.dial)
	delete(known, c.id)
	return known
}

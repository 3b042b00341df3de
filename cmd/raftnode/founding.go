package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/raftnode/raft/kv/server"
	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/wal"
)

// A cluster's id is random. The first founding member, by name, makes it when it starts on an empty directory; all others ask for it then.
// From then on it stands in each data directory, and nobody is asked. Behind the random part is the sum of the founding list, which
// shows when two nodes were given different ones.

var madeID = regexp.MustCompile(`^[0-9a-f]{16}-[0-9a-f]{8}$`)

// listSum tells founding lists apart.
func (c *config) listSum() string {
	h := sha256.New()
	for _, id := range sortedIDs(c.cluster) {
		fmt.Fprintf(h, "%s=%s\n", id, c.cluster[id])
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// newClusterID makes the id of a cluster that is founded now.
func (c *config) newClusterID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: see its documentation
	return hex.EncodeToString(random[:]) + "-" + c.listSum()
}

// otherList tells that a cluster was certainly founded with another list. One that was given its id, or is older than ids with sums, does not show it.
func (c *config) otherList(clusterID string) bool {
	return madeID.MatchString(clusterID) && !strings.HasSuffix(clusterID, "-"+c.listSum())
}

// apart is what to do when a reason names another cluster than this node's.
func (c *config) apart(reason, clusterID string) string {
	if strings.Count(reason, "-"+c.listSum()+`"`) < 2 {
		return sameCluster(c)
	}
	return fmt.Sprintf("they were founded apart, with the same --cluster: if this node (cluster %s) or that one had an empty directory where the cluster "+
		"ran before, give it back its directory, or remove it and add a node with a new id", clusterID)
}

// identify gives the id of this node's cluster: from its directory, else as the operator gave it, else made here or asked for.
func (n *node) identify(ctx context.Context) (string, error) {
	c := n.config
	switch id, owner, err := wal.Identity(c.dataDir); {
	case err == nil && owner == c.id:
		return id, c.checkID(id)
	case err == nil:
		return id, nil // what else is wrong with it, wal says
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // which wal says better
		return "", err
	}
	founders := sortedIDs(c.cluster)
	switch {
	case c.clusterID != "":
		return c.clusterID, n.given(ctx)
	case c.join || c.id != founders[0]:
		return n.await(ctx)
	}
	return n.found(ctx)
}

// found makes the id, unless the cluster exists already. Who knows of nobody else need not ask.
func (n *node) found(ctx context.Context) (string, error) {
	if known := n.config.known(); len(known) > 0 {
		n.log.Info("asks the others whether the cluster exists already", "others", len(known))
		id, err := n.askFounder(ctx)
		if err != nil {
			return "", err
		}
		if id != "" {
			n.log.Warn(fmt.Sprintf("the cluster exists already, with id %s, but this node's directory is empty: if it ran before, the others may not let it in", id))
			return id, nil
		}
	}
	id := n.config.newClusterID()
	n.log.Info("founds the cluster " + id)
	return id, nil
}

// given asks what found asks, before this node begins with the id that the operator gave: one that lost its directory must not begin anew beside others that know
// better. Whoever does not run cannot tell, and nobody waits for that: so a cluster can be founded node by node.
func (n *node) given(ctx context.Context) error {
	known := n.config.known()
	if len(known) == 0 {
		return nil
	}
	n.log.Info("asks the others whether they had this node already: its directory is empty", "others", len(known))
	switch told, err := n.askFounder(ctx); {
	case errors.Is(err, errApart): // which the given id settles
		return nil
	case err != nil:
		return err
	case told != "" && told != n.config.clusterID:
		n.log.Warn(fmt.Sprintf("the others belong to cluster %q, but --cluster-id is %q: they will refuse this node. Leave the flag out, or give it its own addresses", told, n.config.clusterID))
	}
	return nil
}

// checkID compares the id in the directory with what the flags say.
func (c *config) checkID(id string) error {
	if c.clusterID != "" && c.clusterID != id {
		return fmt.Errorf("%s belongs to cluster %q, but --cluster-id is %q: leave the flag out, or give this node its own directory of that cluster",
			c.dataDir, id, c.clusterID)
	}
	if c.otherList(id) {
		return fmt.Errorf("%s belongs to cluster %q, which was founded with another list of members: %s", c.dataDir, id, sameCluster(c))
	}
	return nil
}

// await asks until somebody knows the id. Meanwhile whoever comes is told that this node waits.
func (n *node) await(ctx context.Context) (string, error) {
	var where []string
	known := n.config.known()
	for _, id := range sortedIDs(known) {
		where = append(where, fmt.Sprintf("%s (%s)", id, known[id]))
	}
	text := "waits to learn the cluster's id from " + strings.Join(where, " or ") + ". If none of these is a member any more, give a member with --dial, or the id with --cluster-id; /v1/status of a member shows it"
	if !n.config.join {
		text += fmt.Sprintf(". If the cluster is new, start %s, which founds it", sortedIDs(n.config.cluster)[0])
	}
	n.log.Info(text, "clients", n.clients.Addr(), "peers", n.peers.Addr())
	serving, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		cfg := n.stranger()
		cfg.OnEvent = func(e rpc.Event) { n.log.Named("rpc").Debug(e.String()) }
		if err := rpc.Decline(serving, borrow(n.peers), cfg); err != nil {
			n.log.Error("cannot answer the others", "error", err)
		}
	})
	waiting := server.NewHTTPServer(server.NotYet("this node "+text), n.files.clients)
	running.Go(func() { _ = waiting.Serve(n.secrets.forClients(borrow(n.clients))) }) // ends with Close
	id, err := n.askOn(ctx)
	stop()
	_ = waiting.Close()
	running.Wait()
	if err != nil {
		return "", err
	}
	n.log.Info("learned that the cluster is " + id)
	return id, errors.Join(giveBack(n.peers), giveBack(n.clients))
}

// borrowed is a listener whose Close only ends Accept, so that it can be used again: see giveBack.
type borrowed struct{ net.Listener }

func borrow(ln net.Listener) net.Listener { return borrowed{ln} }

// Close makes Accept fail.
func (b borrowed) Close() error { return setDeadline(b.Listener, time.Unix(1, 0)) }

func giveBack(ln net.Listener) error { return setDeadline(ln, time.Time{}) }

func setDeadline(ln net.Listener, t time.Time) error {
	return ln.(interface{ SetDeadline(time.Time) error }).SetDeadline(t)
}

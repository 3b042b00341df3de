package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// Config says what cluster to run.
type Config struct {
	Binary string   // the raftnode to run
	Nodes  int      // how many found the cluster; 0 means 3
	Spares int      // how many more there are to be added later: see Cluster.Add
	Dir    string   // an existing directory: data directories and logs are put below it
	Args   []string // more arguments for each raftnode
	// Plain means no links: the nodes reach each other at their addresses in --cluster, as in production, and each comes
	// back where it was. The ports are free ones that the kernel gives to nobody by itself.
	Plain bool
	// TLS means certificates for everybody: nodes and clients speak TLS, and nothing else.
	TLS bool

	sky *weather // of the links between nodes; nil: always fine, and nobody counts
}

// Cluster is N nodes on loopback, a Link for each direction between each two of them, and one from clients to each.
type Cluster struct {
	cfg      Config
	everyone []*Node   // the founders, and then those that are or were spare
	links    [][]*Link // links[i][j] carries what node i says to node j; nil where i == j; empty if Plain
	fronts   []*Link   // fronts[i] brings clients to node i, at an address that outlives its restarts; empty if Plain
	http     *http.Client
	secrets  *secrets // nil without TLS

	mu    sync.Mutex // a leaf
	nodes []*Node    // those that take part at present
}

// statusLimit bounds one request for a status: the answer needs no peer, so it is quick or it is none.
const statusLimit = 2 * time.Second

// NewCluster makes the nodes and the links; nothing runs yet. Close it in the end.
func NewCluster(cfg Config) (*Cluster, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = 3
	}
	if cfg.Nodes < 1 || cfg.Spares < 0 || cfg.Nodes+cfg.Spares > 9 {
		return nil, fmt.Errorf("integration: a cluster of %d nodes and %d to spare: choose 1 to 9", cfg.Nodes, cfg.Spares)
	}
	c := &Cluster{cfg: cfg, http: &http.Client{Timeout: statusLimit, Transport: &http.Transport{}}}
	if cfg.TLS {
		var err error
		if c.secrets, err = newSecrets(filepath.Join(cfg.Dir, "certs"), cfg.Nodes+cfg.Spares); err != nil {
			return nil, err
		}
		c.http.Transport = &http.Transport{TLSClientConfig: c.secrets.client}
	}
	for i := range cfg.Nodes + cfg.Spares {
		id := fmt.Sprintf("n%d", i+1)
		c.everyone = append(c.everyone, &Node{
			ID: id, DataDir: filepath.Join(cfg.Dir, id), LogPath: filepath.Join(cfg.Dir, id+".log"), cluster: c, index: i,
			listenPeer: anyPort, listenClient: anyPort,
		})
	}
	c.nodes = slices.Clone(c.everyone[:cfg.Nodes])
	connect := c.connect
	if cfg.Plain {
		connect = c.assignPorts
	}
	if err := connect(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) connect() error {
	for i, node := range c.everyone {
		front, err := NewLink(node.ClientAddr)
		if err != nil {
			return err
		}
		c.fronts = append(c.fronts, front)
		row := make([]*Link, len(c.everyone))
		c.links = append(c.links, row)
		for j, to := range c.everyone {
			if i == j {
				continue
			}
			if row[j], err = newLinkUnder(to.PeerAddr, c.cfg.sky); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close kills what runs and ends all links. The files stay.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.everyone {
		errs = append(errs, n.Kill())
	}
	for _, row := range append(c.links, c.fronts) {
		for _, link := range row {
			if link != nil {
				link.Close()
			}
		}
	}
	c.http.CloseIdleConnections()
	return errors.Join(errs...)
}

// Nodes are those that take part, the founders first.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Link carries what from says to to.
func (c *Cluster) Link(from, to *Node) *Link { return c.links[from.index][to.index] }

// Endpoints are addresses for clients that stay the same over restarts, one for each node, also for spare ones. Behind each is a Link, unless the
// cluster is Plain: where a node is down, a connection is accepted and reset.
func (c *Cluster) Endpoints() []string {
	var addrs []string
	for i, n := range c.everyone {
		if c.cfg.Plain {
			addrs = append(addrs, n.listenClient)
		} else {
			addrs = append(addrs, c.fronts[i].Addr())
		}
	}
	return addrs
}

// Isolate cuts all links between the given nodes and the others, in both directions.
func (c *Cluster) Isolate(nodes ...*Node) {
	inside := map[*Node]bool{}
	for _, n := range nodes {
		inside[n] = true
	}
	c.eachLink(func(from, to *Node, link *Link) {
		if inside[from] != inside[to] {
			link.Cut()
		}
	})
}

// Heal mends all links.
func (c *Cluster) Heal() {
	c.eachLink(func(_, _ *Node, link *Link) {
		link.Heal()
		link.Delay(0)
		link.Spoil(nil)
	})
}

func (c *Cluster) eachLink(do func(from, to *Node, link *Link)) {
	for i, from := range c.everyone {
		for j, to := range c.everyone {
			if i != j {
				do(from, to, c.links[i][j])
			}
		}
	}
}

// Start starts the given nodes, or all if none is given, at the same time, and waits until each listens.
func (c *Cluster) Start(ctx context.Context, nodes ...*Node) error {
	return c.each(nodes, func(n *Node) error { return n.Start(ctx) })
}

// Kill kills the given nodes, or all if none is given, at the same time.
func (c *Cluster) Kill(nodes ...*Node) error {
	return c.each(nodes, (*Node).Kill)
}

func (c *Cluster) each(nodes []*Node, do func(*Node) error) error {
	if len(nodes) == 0 {
		nodes = c.Nodes()
	}
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Crashed tells of a node that ended without being asked to, nil if there is none.
func (c *Cluster) Crashed() error {
	for _, n := range c.Nodes() {
		if err := n.crashed(); err != nil {
			return err
		}
	}
	return nil
}

// Status asks one node what it knows.
func (c *Cluster) Status(ctx context.Context, n *Node) (api.Status, error) {
	var status api.Status
	resp, err := c.get(ctx, n, api.PathStatus)
	if err != nil {
		return status, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return status, fmt.Errorf("integration: status of %s: %s", n.ID, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return status, fmt.Errorf("integration: status of %s: %w", n.ID, err)
	}
	return status, nil
}

func (c *Cluster) get(ctx context.Context, n *Node, path string) (*http.Response, error) {
	addr, ok := n.ClientAddr()
	if !ok {
		return nil, fmt.Errorf("integration: %s does not run", n.ID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.scheme()+addr+path, nil)
	if err != nil {
		return nil, fmt.Errorf("integration: ask %s: %w", n.ID, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("integration: ask %s: %w", n.ID, err)
	}
	return resp, nil
}

// WaitLeader waits until a node says that it leads, in a term above the given one.
func (c *Cluster) WaitLeader(ctx context.Context, above uint64) (*Node, api.Status, error) {
	var leader *Node
	var its api.Status
	err := poll(ctx, fmt.Sprintf("a leader in a term above %d", above), func() (bool, error) {
		for _, n := range c.Nodes() {
			if !n.Answers() {
				continue
			}
			status, err := c.Status(ctx, n)
			if err == nil && status.Role == "leader" && status.Term > above && status.Term > its.Term {
				leader, its = n, status
			}
		}
		return leader != nil, c.Crashed()
	})
	return leader, its, err
}

// WaitReady waits until the node serves linearizable reads.
func (c *Cluster) WaitReady(ctx context.Context, n *Node) error {
	return poll(ctx, n.ID+" to be ready", func() (bool, error) {
		if err := c.Crashed(); err != nil {
			return false, err
		}
		resp, err := c.get(ctx, n, api.PathReady)
		if err != nil {
			return false, nil //nolint:nilerr // it may just be starting: what counts is whether it exited
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
}

// WaitApplied waits until the node has applied the log up to index.
func (c *Cluster) WaitApplied(ctx context.Context, n *Node, index uint64) (api.Status, error) {
	var status api.Status
	err := poll(ctx, fmt.Sprintf("%s to apply entry %d", n.ID, index), func() (bool, error) {
		var err error
		if status, err = c.Status(ctx, n); err != nil {
			return false, c.Crashed()
		}
		return status.Applied >= index, nil
	})
	return status, err
}

// WaitConverged waits until all nodes have applied all of one log, whose last index it returns. It can end only
// while nobody writes.
func (c *Cluster) WaitConverged(ctx context.Context) (uint64, error) {
	var last uint64
	err := poll(ctx, "all nodes to apply the same log", func() (bool, error) {
		if err := c.Crashed(); err != nil {
			return false, err
		}
		var leader string
		for i, n := range c.Nodes() {
			status, err := c.Status(ctx, n)
			if err != nil {
				return false, nil //nolint:nilerr // asked again
			}
			if i == 0 {
				last, leader = status.LastIndex, status.Leader
			}
			if status.Applied != last || status.LastIndex != last || status.Leader != leader || leader == "" {
				return false, nil
			}
		}
		return true, nil
	})
	return last, err
}

// logs are the files that hold what the nodes printed.
func (c *Cluster) logs() []string {
	var paths []string
	for _, n := range c.everyone {
		if _, err := os.Stat(n.LogPath); err == nil {
			paths = append(paths, n.LogPath)
		}
	}
	return paths
}

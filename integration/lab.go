package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/raft/lab"
)

// labCluster is real processes as the system under test of package lab. A command is a write of a key of its own: so each
// server's keys, with their versions, are the log that it applied.
type labCluster struct {
	cluster *Cluster
	sky     *weather
	ctx     context.Context // all requests
	stop    context.CancelFunc
	http    *http.Client

	mu       sync.Mutex
	err      error
	network  lab.Network
	away     []bool            // cut off, by node
	commands map[string]string // by key
	started  map[int][]string  // by index: the keys that a leader took there, in whatever term
	applied  []map[int]string  // by node and index: the key, of the present incarnation, as far as asked
	first    map[int]string    // by index: the key that any node has applied there
}

var _ lab.System = (*labCluster)(nil)

// labRequest bounds one request to a node: it is answered from memory or by the node's own log.
const labRequest = 2 * time.Second

func newLabCluster(binary, dir string, test lab.Test, seed uint64) (*labCluster, error) {
	s := &labCluster{
		sky: newWeather(seed), http: &http.Client{Timeout: labRequest, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		away: make([]bool, test.Servers), commands: map[string]string{}, started: map[int][]string{}, first: map[int]string{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.SetNetwork(test.Network)
	var err error
	s.cluster, err = NewCluster(Config{Binary: binary, Nodes: test.Servers, Dir: dir, sky: s.sky})
	if err != nil {
		return nil, err
	}
	for range test.Servers {
		s.applied = append(s.applied, map[int]string{})
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	if err := s.cluster.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Size is the number of servers.
func (s *labCluster) Size() int { return len(s.cluster.Nodes()) }

// Noops is true: a raftnode that becomes leader begins with an entry of its own.
func (s *labCluster) Noops() bool { return true }

// Start writes to a key that nobody wrote to, on this node only, and does not wait for more than a place in its log.
func (s *labCluster) Start(i int, command string) (index, term int, ok bool) {
	s.mu.Lock()
	key := fmt.Sprintf("%08d", len(s.commands))
	s.commands[key] = command
	s.mu.Unlock()
	written, ok := s.put(i, key, command)
	if !ok {
		return -1, 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	index = int(written.Index)
	s.started[index] = append(s.started[index], key)
	return index, int(written.Term), true
}

func (s *labCluster) put(i int, key, value string) (written api.Written, ok bool) {
	addr, ok := s.cluster.Nodes()[i].ClientAddr()
	if !ok {
		return written, false
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPut, "http://"+addr+api.PathKey+key, bytes.NewBufferString(value))
	if err != nil {
		return written, false
	}
	req.Header.Set(api.HeaderPrefer, api.PreferAsync)
	req.Header.Set(api.HeaderForwarded, "lab") // this node, or none
	resp, err := s.http.Do(req)
	if err != nil {
		return written, false
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&written)
	return written, err == nil && resp.StatusCode == http.StatusAccepted
}

// State asks the node.
func (s *labCluster) State(i int) (term int, leader bool) {
	status, err := s.cluster.Status(s.ctx, s.cluster.Nodes()[i])
	if err != nil {
		return 0, false
	}
	return int(status.Term), status.Role == "leader"
}

// LogSize asks the node.
func (s *labCluster) LogSize(i int) int {
	status, err := s.cluster.Status(s.ctx, s.cluster.Nodes()[i])
	if err != nil {
		return 0
	}
	return int(status.LastIndex - status.SnapshotIndex)
}

// Applied asks the node for the keys that were started at index: the one with that version is what it applied there.
func (s *labCluster) Applied(i, index int) (command string, ok bool) {
	s.mu.Lock()
	incarnation := s.applied[i]
	key, known := incarnation[index]
	candidates := s.started[index]
	s.mu.Unlock()
	for _, candidate := range candidates {
		if known {
			break
		}
		if version, found := s.version(i, candidate); found && version == index {
			key, known = candidate, true
		}
	}
	if !known {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	incarnation[index] = key
	s.noteApplied(i, index, key)
	return s.commands[key], true
}

// noteApplied compares with what others applied. It needs s.mu.
func (s *labCluster) noteApplied(i, index int, key string) {
	first, ok := s.first[index]
	if !ok {
		s.first[index] = key
	} else if first != key && s.err == nil {
		s.err = fmt.Errorf("server %d applied %.40q at index %d, another applied %.40q there", i, s.commands[key], index, s.commands[first])
	}
}

// version is the index that last changed a key, as far as the node has applied.
func (s *labCluster) version(i int, key string) (index int, ok bool) {
	c, err := s.client(i)
	if err != nil {
		return 0, false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(s.ctx, labRequest)
	defer cancel()
	value, err := c.Get(ctx, key, client.Stale())
	return int(value.Version), err == nil
}

func (s *labCluster) client(i int) (*client.Client, error) {
	addr, ok := s.cluster.Nodes()[i].ClientAddr()
	if !ok {
		return nil, fmt.Errorf("server %d does not run", i)
	}
	return client.New(client.Config{Endpoints: []string{addr}, Timeout: labRequest, NoRetry: true})
}

// Connect joins node i to the others.
func (s *labCluster) Connect(i int) { s.setAway(i, false) }

// Disconnect cuts all links from and to node i. With long delays, what is sent there vanishes and no connection breaks, so that
// the node cannot tell.
func (s *labCluster) Disconnect(i int) { s.setAway(i, true) }

func (s *labCluster) setAway(i int, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away[i] = away
	s.cluster.eachLink(func(from, to *Node, link *Link) {
		switch {
		case !s.away[from.index] && !s.away[to.index]:
			link.Heal()
		case s.network.LongDelays:
			link.Blackhole()
		default:
			link.Cut()
		}
	})
}

// Crash kills node i with SIGKILL.
func (s *labCluster) Crash(i int) {
	if err := s.cluster.Nodes()[i].Kill(); err != nil {
		s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied[i] = map[int]string{}
}

// Restart starts node i on its data directory.
func (s *labCluster) Restart(i int) {
	if s.cluster.Nodes()[i].Answers() {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	if err := s.cluster.Nodes()[i].Start(ctx); err != nil {
		s.fail(err)
	}
}

func (s *labCluster) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// SetNetwork changes what the links do.
func (s *labCluster) SetNetwork(n lab.Network) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network = n
	s.sky.set(n)
}

// Counts are what the links carried.
func (s *labCluster) Counts() lab.Counts { return s.sky.counted() }

// Err tells of the first disagreement, or of a node that ended by itself.
func (s *labCluster) Err() error {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	return errors.Join(err, s.cluster.Crashed())
}

// Close compares all that the nodes have applied, and ends them.
func (s *labCluster) Close() error {
	for i, n := range s.cluster.Nodes() {
		if n.Answers() {
			s.compare(i)
		}
	}
	err := s.Err()
	s.stop()
	s.http.CloseIdleConnections()
	return errors.Join(err, s.cluster.Close())
}

// compare notes all keys that node i has.
func (s *labCluster) compare(i int) {
	c, err := s.client(i)
	if err != nil {
		s.fail(err)
		return
	}
	defer c.Close()
	after := ""
	for {
		page, err := c.List(s.ctx, "", after, api.MaxListLimit, client.Stale())
		if err != nil {
			s.fail(fmt.Errorf("list the keys of server %d: %w", i, err))
			return
		}
		s.mu.Lock()
		for _, key := range page.Keys {
			s.noteApplied(i, int(key.Version), key.Name())
			after = key.Name()
		}
		s.mu.Unlock()
		if !page.More {
			return
		}
	}
}

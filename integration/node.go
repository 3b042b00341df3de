package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Node is one member of a Cluster: a data directory, and the process that runs on it at the moment, if any.
type Node struct {
	ID      string
	DataDir string
	Binary  string // the raftnode to run; "" means the cluster's
	LogPath string // what all its incarnations printed
	cluster *Cluster
	index   int // its place in Cluster.Nodes

	listenPeer, listenClient string // what it is told to listen on; port 0 lets the kernel pick

	mu     sync.Mutex // guards what follows; a leaf
	proc   *process   // nil: it is not meant to run
	addrs  addresses
	paused bool
	args   []string // see Configure
}

// addresses is what raftnode writes into <data-dir>/addresses.json once it listens on both.
type addresses struct {
	PID    int    `json:"pid"`
	Peer   string `json:"peer"`
	Client string `json:"client"`
}

// pollEvery is how often something that cannot tell us is asked again.
const pollEvery = 5 * time.Millisecond

// Start runs the node's process and waits until it listens.
func (n *Node) Start(ctx context.Context) error {
	if n.PID() != 0 && n.crashed() == nil {
		return fmt.Errorf("integration: start %s: it runs already", n.ID)
	}
	proc, err := startProcess(n.ID, n.LogPath, cmp.Or(n.Binary, n.cluster.cfg.Binary), n.Args())
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.proc, n.addrs, n.paused = proc, addresses{}, false
	n.mu.Unlock()
	if err := n.listening(ctx, proc); err != nil {
		return errors.Join(err, n.Kill())
	}
	return nil
}

// listening waits until the process has said where it listens.
func (n *Node) listening(ctx context.Context, proc *process) error {
	return poll(ctx, n.ID+" to listen", func() (bool, error) {
		if proc.gone() {
			return false, proc.exitError()
		}
		addrs, err := readAddresses(n.DataDir)
		if err != nil || addrs.PID != proc.pid { // of the incarnation before: a killed one cleans nothing up
			return false, err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.proc == proc { // not killed meanwhile
			n.addrs = addrs
		}
		return true, nil
	})
}

func readAddresses(dataDir string) (addresses, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, "addresses.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return addresses{}, nil
	}
	if err != nil {
		return addresses{}, err
	}
	var addrs addresses
	if err := json.Unmarshal(b, &addrs); err != nil {
		return addresses{}, fmt.Errorf("addresses.json in %s: %w: it must appear complete or not at all", dataDir, err)
	}
	return addrs, nil
}

// Args are the arguments that the node's process is started with.
func (n *Node) Args() []string {
	c := n.cluster
	var members, dials []string
	for i, peer := range c.everyone {
		if peer != n && !c.cfg.Plain {
			dials = append(dials, fmt.Sprintf("%s=%s", peer.ID, c.links[n.index][i].Addr()))
		}
		if i < c.cfg.Nodes {
			members = append(members, fmt.Sprintf("%s=%s", peer.ID, peer.memberAddress()))
		}
	}
	args := []string{
		"serve", "--id", n.ID, "--data-dir", n.DataDir, "--cluster", strings.Join(members, ","),
		"--listen-peer", n.listenPeer, "--listen-client", n.listenClient,
		"--reserve", "1MiB", // nodes of a test share a disk, and do not fill it
	}
	if n.spare() {
		args = append(args, "--join", "--advertise-peer", n.memberAddress())
	}
	if len(dials) > 0 {
		args = append(args, "--dial", strings.Join(dials, ","))
	}
	if c.secrets != nil {
		args = append(args, c.secrets.args(n.ID)...)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return append(append(args, c.cfg.Args...), n.args...)
}

// Configure gives the node arguments of its own, behind those of all nodes, from its next start on. They take the place of what it was
// given before.
func (n *Node) Configure(args ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.args = args
}

// spare tells that the node is no founder.
func (n *Node) spare() bool { return n.index >= n.cluster.cfg.Nodes }

// used tells that the node was started before.
func (n *Node) used() bool {
	_, err := os.Stat(n.LogPath)
	return err == nil
}

// memberAddress is where the cluster says that the node's peers reach it.
func (n *Node) memberAddress() string {
	if n.cluster.cfg.Plain {
		return n.listenPeer
	}
	return nominalAddress(n.index)
}

// nominalAddress is how --cluster names a member where there are links. All peers are reached through --dial, so nobody must ever use it: it is a port
// where no ordinary process can listen. A node that went past its links would reach nothing, and be
// noticed, where the address of a listener that forwards would hide it.
func nominalAddress(i int) string { return fmt.Sprintf("127.0.0.1:%d", i+1) }

// Kill ends the process with SIGKILL and waits until it is gone. It is no error if it has none.
func (n *Node) Kill() error {
	if proc := n.forget(); proc != nil {
		return proc.kill()
	}
	return nil
}

// Stop asks the process to end, with SIGTERM, waits until it is gone, and tells whether it ended with status 0.
func (n *Node) Stop(ctx context.Context) error {
	proc := n.forget()
	if proc == nil {
		return nil
	}
	if err := proc.signal(syscall.SIGTERM); err != nil {
		return errors.Join(fmt.Errorf("integration: stop %s: %w", n.ID, err), proc.kill())
	}
	select {
	case <-proc.done:
		if proc.exit != nil {
			return fmt.Errorf("integration: stop: %w", proc.exitError())
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("integration: %s did not stop when asked: %w", n.ID, ctx.Err()), proc.kill())
	}
}

// forget hands out the process, and makes that it is no longer meant to run.
func (n *Node) forget() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	proc := n.proc
	n.proc, n.addrs, n.paused = nil, addresses{}, false
	return proc
}

// Pause stops the process with SIGSTOP: its sockets stay open, and nothing answers.
func (n *Node) Pause() error { return n.setPaused(syscall.SIGSTOP, true) }

// Reload makes the process read its certificates again, with SIGHUP. It does not wait.
func (n *Node) Reload() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return fmt.Errorf("integration: %s does not run", n.ID)
	}
	return n.proc.signal(syscall.SIGHUP)
}

// Resume lets a paused process go on, with SIGCONT.
func (n *Node) Resume() error { return n.setPaused(syscall.SIGCONT, false) }

func (n *Node) setPaused(sig syscall.Signal, paused bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return fmt.Errorf("integration: %s does not run", n.ID)
	}
	if err := n.proc.signal(sig); err != nil {
		return fmt.Errorf("integration: signal %s: %w", n.ID, err)
	}
	n.paused = paused
	return nil
}

// PID is the process id, or 0 if the node is not meant to run.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return 0
	}
	return n.proc.pid
}

// Answers tells whether the node is meant to run and is not paused.
func (n *Node) Answers() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc != nil && !n.paused
}

// ClientAddr is where the node serves clients, as host:port; false if it is not known to listen.
func (n *Node) ClientAddr() (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addrs.Client, n.addrs.Client != ""
}

// PeerAddr is where the node itself listens for its peers, past all links; false if it does not listen. A node that just
// started is asked for by its peers at once, so this does not wait until Start has noticed.
func (n *Node) PeerAddr() (string, bool) {
	n.mu.Lock()
	addrs, proc := n.addrs, n.proc
	n.mu.Unlock()
	if proc == nil {
		return "", false
	}
	if addrs.Peer == "" {
		if published, err := readAddresses(n.DataDir); err == nil && published.PID == proc.pid {
			addrs = published
		}
	}
	return addrs.Peer, addrs.Peer != ""
}

// Printed is what the present incarnation has printed so far.
func (n *Node) Printed() (string, error) {
	n.mu.Lock()
	proc := n.proc
	n.mu.Unlock()
	if proc == nil {
		return "", fmt.Errorf("integration: %s does not run", n.ID)
	}
	return readFrom(proc.logPath, proc.logFrom)
}

// crashed tells how the process ended, if it did so without being asked to.
func (n *Node) crashed() error {
	n.mu.Lock()
	proc := n.proc
	n.mu.Unlock()
	if proc != nil && proc.gone() {
		return proc.exitError()
	}
	return nil
}

// Ended says how the process ended, if it did so without being asked to by this harness; "" if not.
func (n *Node) Ended() string {
	n.mu.Lock()
	proc := n.proc
	n.mu.Unlock()
	switch {
	case proc == nil || !proc.gone():
		return ""
	case proc.exit == nil:
		return "exit status 0"
	}
	return proc.exit.Error()
}

// poll asks until the answer is yes or an error. When ctx ends first, the error says what was awaited.
func poll(ctx context.Context, what string, ask func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		ok, err := ask()
		switch {
		case err != nil:
			return fmt.Errorf("integration: waiting for %s: %w", what, err)
		case ok:
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("integration: waiting for %s: %w", what, context.Cause(ctx))
		}
	}
}

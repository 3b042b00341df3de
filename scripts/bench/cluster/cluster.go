package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Cluster is some processes of one program.
type Cluster struct {
	Raft   []string // host:port for each other
	Client []string // host:port for clients

	program, dir string
	command      Command
	nodes        []*node // nil where none was started, or it was killed
}

type node struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it is gone
}

// Command gives the arguments of process i, from 0, whose files are in dir.
type Command func(c *Cluster, i int, dir string) []string

// New gives a cluster of which nothing runs yet. Dir must exist; what is in it is the cluster's.
func New(nodes int, program, dir string, command Command) (*Cluster, error) {
	addrs, err := freeAddresses(2 * nodes)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Raft: addrs[:nodes], Client: addrs[nodes:], program: program, dir: dir, command: command, nodes: make([]*node, nodes)}
	for i := range nodes {
		if err := os.MkdirAll(c.Dir(i), 0o700); err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
	}
	return c, nil
}

// Start makes a cluster and runs all its processes.
func Start(nodes int, program, dir string, command Command) (*Cluster, error) {
	c, err := New(nodes, program, dir, command)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		if err := c.Run(i); err != nil {
			return nil, errors.Join(err, c.Stop())
		}
	}
	return c, nil
}

// Dir is where process i has its files.
func (c *Cluster) Dir(i int) string { return filepath.Join(c.dir, fmt.Sprintf("n%d", i+1)) }

// Run starts process i, which does not run, on the files that it has.
func (c *Cluster) Run(i int) error {
	n := &node{log: c.Dir(i) + ".log", done: make(chan struct{})}
	out, err := os.OpenFile(n.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	defer out.Close() // the process has its own
	n.cmd = exec.Command(c.program, c.command(c, i, c.Dir(i))...)
	n.cmd.Stdout, n.cmd.Stderr = out, out
	// Ctrl-C is for us, and we stop it; if we are killed, so is it.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go n.run(started)
	if err := <-started; err != nil {
		return fmt.Errorf("cluster: start %s: %w", c.program, err)
	}
	c.nodes[i] = n
	return nil
}

// Kill ends process i by SIGKILL, and returns when it is gone.
func (c *Cluster) Kill(i int) {
	n := c.nodes[i]
	_ = n.cmd.Process.Kill() // it may be gone
	<-n.done
	c.nodes[i] = nil
}

// running are the processes that were started and not killed, by their number.
func (c *Cluster) running() iter.Seq2[int, *node] {
	return func(yield func(int, *node) bool) {
		for i, n := range c.nodes {
			if n != nil && !yield(i, n) {
				return
			}
		}
	}
}

// run starts the process and waits for it, on one thread: it is killed when the thread that started it ends.
func (n *node) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := n.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	_ = n.cmd.Wait() // how it ended is asked of ProcessState
	close(n.done)
}

// Stop ends the processes and removes their files. Those that do not end within five seconds are killed.
func (c *Cluster) Stop() error {
	for _, n := range c.running() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	}
	timeout := time.After(5 * time.Second)
	for _, n := range c.running() {
		select {
		case <-n.done:
		case <-timeout:
			_ = n.cmd.Process.Kill()
			<-n.done
		}
	}
	return os.RemoveAll(c.dir)
}

// Gone is an error that says which process ended, and what it last said, if any did.
func (c *Cluster) Gone() error {
	var errs []error
	for i, n := range c.running() {
		select {
		case <-n.done:
			errs = append(errs, fmt.Errorf("process %d: %s: %s", i+1, n.cmd.ProcessState, tail(n.log)))
		default:
		}
	}
	return errors.Join(errs...)
}

// Await asks until there is an answer, which is the index of a process.
func (c *Cluster) Await(ctx context.Context, what string, ask func(ctx context.Context, i int) bool) (int, error) {
	for {
		for i := range c.nodes {
			if ask(ctx, i) {
				return i, nil
			}
		}
		if err := c.Gone(); err != nil {
			return 0, fmt.Errorf("cluster: while waiting for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("cluster: while waiting for %s: %w; the first process says: %s", what, ctx.Err(), tail(c.Dir(0)+".log"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func tail(path string) string {
	const most = 2000
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}

// freeAddresses finds ports of loopback on which nobody listens, below those that the kernel gives to outgoing connections.
func freeAddresses(n int) ([]string, error) {
	const lowest, highest = 10_000, 32_000
	var addrs []string
	for range 1000 {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest)))
		if err != nil {
			continue // taken
		}
		defer listener.Close() // when all are found, so that none is found twice
		if addrs = append(addrs, listener.Addr().String()); len(addrs) == n {
			return addrs, nil
		}
	}
	return nil, errors.New("cluster: there are too few free ports between 10000 and 32000: close some programs")
}

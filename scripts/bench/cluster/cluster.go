package cluster

import (
	"context"
	"errors"
	"fmt"
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

// Nodes is how many processes a cluster has.
const Nodes = 3

// Cluster is three processes.
type Cluster struct {
	Raft   []string // host:port for each other
	Client []string // host:port for clients

	dir   string
	nodes []*node
}

type node struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it is gone
}

// Command gives the arguments of process i, from 0, whose files are in dir.
type Command func(c *Cluster, i int, dir string) []string

// Start runs the program. Dir must exist; what is in it is the cluster's.
func Start(program, dir string, command Command) (*Cluster, error) {
	addrs, err := freeAddresses(2 * Nodes)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Raft: addrs[:Nodes], Client: addrs[Nodes:], dir: dir}
	for i := range Nodes {
		if err := c.start(program, command, i); err != nil {
			return nil, errors.Join(fmt.Errorf("cluster: start %s: %w", program, err), c.Stop())
		}
	}
	return c, nil
}

func (c *Cluster) start(program string, command Command, i int) error {
	data := filepath.Join(c.dir, fmt.Sprintf("n%d", i+1))
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	n := &node{log: data + ".log", done: make(chan struct{})}
	out, err := os.Create(n.log)
	if err != nil {
		return err
	}
	defer out.Close() // the process has its own
	n.cmd = exec.Command(program, command(c, i, data)...)
	n.cmd.Stdout, n.cmd.Stderr = out, out
	// Ctrl-C is for us, and we stop it; if we are killed, so is it.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go n.run(started)
	if err := <-started; err != nil {
		return err
	}
	c.nodes = append(c.nodes, n)
	return nil
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
	for _, n := range c.nodes {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	}
	timeout := time.After(5 * time.Second)
	for _, n := range c.nodes {
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
	for i, n := range c.nodes {
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
		for i := range Nodes {
			if ask(ctx, i) {
				return i, nil
			}
		}
		if err := c.Gone(); err != nil {
			return 0, fmt.Errorf("cluster: while waiting for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("cluster: while waiting for %s: %w; the first process says: %s", what, ctx.Err(), tail(c.nodes[0].log))
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

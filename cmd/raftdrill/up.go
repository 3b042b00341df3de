package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/integration"
)

func newUp() *cobra.Command {
	var binary string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run three nodes in the foreground, to play with",
		Long: `Run three nodes in the foreground until Ctrl-C, and print the lines to paste into another terminal.
Kill one and see who takes over; Enter starts it again. In the end, nothing is left.`,
		Example: "  raftdrill up",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binary, err := integration.Find(binary)
			if err == nil {
				err = up(cmd.Context(), binary, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			if err != nil {
				return runError{err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&binary, "raftnode", "", "the raftnode to run (default: the one beside raftdrill, else the one in PATH)")
	return cmd
}

// startLimit is how long three new nodes may take to serve: they take a small part of a second.
const startLimit = 30 * time.Second

func up(ctx context.Context, binary string, in io.Reader, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "raftdrill-up-")
	if err != nil {
		return err
	}
	cluster, err := integration.NewCluster(integration.Config{Binary: binary, Dir: dir, Plain: true})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		if ctx.Err() != nil {
			fmt.Fprintln(out) // the terminal has just shown ^C
		}
		err = errors.Join(err, cluster.Close(), os.RemoveAll(dir))
		fmt.Fprintln(out, "all nodes are stopped, and their files removed")
	}()
	watch := &watcher{cluster: cluster, out: out, style: styleFor(out), gone: map[*integration.Node]bool{}}
	if err := watch.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop
		}
		return err
	}
	fmt.Fprint(out, instructions(cluster, watch.leader))
	return watch.run(ctx, enters(ctx, in))
}

// instructions are the lines to paste.
func instructions(cluster *integration.Cluster, leader *integration.Node) string {
	ctl := beside("raftctl")
	text := &strings.Builder{}
	fmt.Fprintf(text, "\nIn another terminal:\n\n")
	fmt.Fprintf(text, "  export RAFTCTL_ENDPOINTS=%s\n", strings.Join(cluster.Endpoints(), ","))
	for _, line := range []string{"put motd hello", "get motd", "status"} {
		fmt.Fprintf(text, "  %s %s\n", ctl, line)
	}
	fmt.Fprintf(text, "  kill -9 %d    # %s, the leader\n", leader.PID(), leader.ID)
	fmt.Fprintf(text, "\nEnter starts nodes again that are gone. Ctrl-C ends all.\n\n")
	return text.String()
}

// beside gives the path of a program in the directory of this one, as short as it can be said from here; its bare name if it is not
// there.
func beside(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return name
	}
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, path); err == nil && len(short) < len(path) {
			if !strings.Contains(short, string(filepath.Separator)) {
				short = "./" + short
			}
			return short
		}
	}
	return path
}

// enters gives a value for each line read. The reader cannot be interrupted: its goroutine ends with the input or the process.
func enters(ctx context.Context, in io.Reader) <-chan struct{} {
	lines := make(chan struct{})
	go func() {
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			select {
			case lines <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// watcher tells what becomes of the nodes.
type watcher struct {
	cluster *integration.Cluster
	out     io.Writer
	style   style
	leader  *integration.Node // that was told last
	term    uint64            // of that
	gone    map[*integration.Node]bool
}

func (w *watcher) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := w.cluster.Start(ctx); err != nil {
		return err
	}
	for _, n := range w.cluster.Nodes() {
		addr, _ := n.ClientAddr()
		fmt.Fprintf(w.out, "%s  pid %-8d http://%s   %s\n", w.style.bold(n.ID), n.PID(), addr, w.style.dim("log "+n.LogPath))
	}
	for _, n := range w.cluster.Nodes() {
		if err := w.cluster.WaitReady(ctx, n); err != nil {
			return err
		}
	}
	leader, status, err := w.cluster.WaitLeader(ctx, 0)
	if err != nil {
		return err
	}
	w.tell(leader, status.Term)
	return nil
}

func (w *watcher) tell(leader *integration.Node, term uint64) {
	w.leader, w.term = leader, term
	fmt.Fprintf(w.out, "%s leads, term %d\n", w.style.bold(leader.ID), term)
}

// run tells of deaths and new leaders until ctx ends, and starts what is gone for each Enter.
func (w *watcher) run(ctx context.Context, enter <-chan struct{}) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.look(ctx)
		case <-enter:
			w.startGone(ctx)
		}
	}
}

func (w *watcher) look(ctx context.Context) {
	for _, n := range w.cluster.Nodes() {
		if ended := n.Ended(); ended != "" {
			if !w.gone[n] {
				w.gone[n] = true
				fmt.Fprintf(w.out, "%s is gone: %s. Enter starts it again.\n", w.style.bold(n.ID), ended)
			}
			continue
		}
		status, err := w.cluster.Status(ctx, n)
		if err == nil && status.Role == "leader" && status.Term > w.term {
			w.tell(n, status.Term)
		}
	}
}

func (w *watcher) startGone(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for n := range w.gone {
		if err := n.Start(ctx); err != nil {
			fmt.Fprintf(w.out, "%s does not start: %v\n", n.ID, err)
			continue
		}
		delete(w.gone, n)
		fmt.Fprintf(w.out, "%s runs again, pid %d\n", w.style.bold(n.ID), n.PID())
	}
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// snapshotted is what one endpoint said of its snapshot.
type snapshotted struct {
	Endpoint string           `json:"endpoint"`
	Snapshot *api.Snapshotted `json:"snapshot,omitempty"`
	Error    string           `json:"error,omitempty"`
	err      error
}

func newSnapshotCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot",
		Short: "Make each endpoint take a snapshot now",
		Long: "snapshot makes each node that --endpoints names take a snapshot now, which takes the place of its log up to there. Nodes do so by\n" +
			"themselves, by --snapshot-entries and --snapshot-bytes. One to which nothing happened since its last snapshot takes none.",
		Example: "  raftctl snapshot\n  raftctl --endpoints 127.0.0.1:8002 snapshot",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := g.connect(cmd)
			if err != nil {
				return err
			}
			defer cl.Close()
			all := snapshotEach(cmd.Context(), cl)
			if g.json() {
				err = printJSON(cmd, all)
			} else {
				err = printSnapshots(cmd, all)
			}
			return cmp.Or(err, notAll(all))
		},
	}
}

// notAll is the error of endpoints that took no snapshot: the last of them decides the exit code.
func notAll(all []snapshotted) error {
	var last error
	failed := 0
	var reasons []string
	for _, s := range all {
		if s.err != nil {
			last, failed = s.err, failed+1
			reasons = append(reasons, s.Error)
		}
	}
	if failed == 0 {
		return nil
	}
	return &explained{text: fmt.Sprintf("snapshot: %d of %d endpoints took none, or did not say so: %s", failed, len(all), strings.Join(reasons, "; ")), err: last}
}

func snapshotEach(ctx context.Context, cl *client.Client) []snapshotted {
	all := make([]snapshotted, len(cl.Endpoints()))
	var asking sync.WaitGroup
	for i, endpoint := range cl.Endpoints() {
		asking.Go(func() {
			all[i].Endpoint = shortEndpoint(endpoint)
			taken, err := cl.Snapshot(ctx, endpoint)
			if err != nil {
				all[i].Error, all[i].err = err.Error(), err
				return
			}
			all[i].Snapshot = &taken
		})
	}
	asking.Wait()
	return all
}

func printSnapshots(cmd *cobra.Command, all []snapshotted) error {
	table := newTable(cmd.OutOrStdout(), "ENDPOINT", "SNAPSHOT", "BYTES", "NEW")
	for _, s := range all {
		switch {
		case s.err != nil:
			fmt.Fprintf(table, "%s\t%s\t-\t-\n", s.Endpoint, asked{err: s.err}.state())
		case s.Snapshot.Index == 0:
			fmt.Fprintf(table, "%s\tnone: nothing applied since the start yet\t-\t-\n", s.Endpoint)
		case s.Snapshot.New:
			fmt.Fprintf(table, "%s\tindex %d\t%d\tyes\n", s.Endpoint, s.Snapshot.Index, s.Snapshot.Bytes)
		default:
			fmt.Fprintf(table, "%s\tindex %d\t%d\tno\n", s.Endpoint, s.Snapshot.Index, s.Snapshot.Bytes)
		}
	}
	return table.Flush()
}

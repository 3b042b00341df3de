package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
)

// takesDataDir gives a command the data directory of a node: DIR, or --data-dir DIR, as the node itself is told. Either will do, so that nobody has to
// remember which command wants which.
func takesDataDir(cmd *cobra.Command, do func(cmd *cobra.Command, dir string) error) {
	var flag string
	cmd.Flags().StringVar(&flag, "data-dir", "", "the data directory of a node, instead of DIR")
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 && flag == "":
			return usage(cmd, "DIR is missing: give the --data-dir of a node; usage: %s", cmd.UseLine())
		case len(args) == 0:
			return do(cmd, flag)
		case flag != "" && flag != args[0]:
			return usage(cmd, "%s and --data-dir %s are two directories: give one", args[0], flag)
		}
		return do(cmd, args[0])
	}
}

// count is a number of things, and their name.
func count[N int | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// votedFor tells for whom a node voted.
func votedFor(id string) string {
	if id == "" {
		return "voted for nobody"
	}
	return fmt.Sprintf("voted for %q", id)
}

// fileOf tells how large the file of a snapshot is, which has more than the state.
func fileOf(bytes int64) string { return "a file of " + api.Size(bytes) }

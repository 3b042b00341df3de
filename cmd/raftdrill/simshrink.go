package main

import (
	"github.com/spf13/cobra"

	"github.com/raftnode/raft/raft/sim"
)

func (o *simOptions) shrink(cmd *cobra.Command, t trial) (*sim.Plan, string) { return t.plan, "" }

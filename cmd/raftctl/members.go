package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// changeTimeout is how long a change of the members may take, unless --timeout says: a new member has to get all that there is first.
const changeTimeout = api.MaxTimeout

func newMembersCommand(g *globals) *cobra.Command {
	members := &cobra.Command{
		Use:   "members",
		Short: "Show or change the members of the cluster",
		Long: "members shows the members of the cluster, as its leader sees them. Its subcommands change who they are;\n" +
			"each returns when that is in force, and tries for up to a minute unless --timeout says.",
		Example: "  raftctl members\n  raftctl members add n4=127.0.0.1:7004\n  raftctl members remove n1",
		Args:    onlySubcommands,
		RunE:    g.listMembers,
	}
	members.AddCommand(
		&cobra.Command{
			Use:     "ls",
			Short:   "List the members",
			Example: "  raftctl members ls\n  raftctl members ls -o json",
			Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
			RunE: g.listMembers,
		},
		newAddMemberCommand(g),
		g.changeCommand(api.OpPromote, "Make a voter of a learner that has caught up", "", "is a voter"),
		g.changeCommand(api.OpDemote, "Make a learner of a voter: it gets the log and does not count", "", "is a learner"),
		g.changeCommand(api.OpRemove, "Remove a member, also one that is lost for good",
			"remove removes a member, also one that is down, also the leader: then another takes over. The id must never be used for another node.\n"+
				"To replace a node whose disk is lost, remove it first, since who is lost still counts, and then add another under a new id.", "is no member any more"),
	)
	return members
}

func newAddMemberCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add ID=HOST:PORT",
		Short: "Add a node that was started with --join",
		Long: "add makes a node a member. Start it with `raftnode serve --join` first; ID is its --id, HOST:PORT where the other members reach it. It gets all\n" +
			"data as a learner, which does not count, and becomes a voter when it has caught up; that is when this command ends. If it ends before, the\n" +
			"node may yet become a voter: `raftctl members` shows it.",
		Example: "  raftctl members add n4=127.0.0.1:7004\n  raftctl members add --learner n4=127.0.0.1:7004",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
	}
	learner := cmd.Flags().Bool("learner", false, "leave it a learner: it gets the log, and does not count until it is promoted (default: a voter)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, address, ok := strings.Cut(args[0], "=")
		if !ok {
			return usage(cmd, "%q is not ID=HOST:PORT, like n4=127.0.0.1:7004", args[0])
		}
		if err := cmp.Or(api.CheckID(id), api.CheckAddress(address, 1)); err != nil {
			return usage(cmd, "%v", err)
		}
		change, now := api.MemberChange{Op: api.OpAdd, ID: id, Address: address}, "is a voter"
		if *learner {
			change.Op, now = api.OpAddLearner, "is a learner"
		}
		return g.change(cmd, change, now)
	}
	return cmd
}

// changeCommand is a command that changes one member. now is what the member is then.
func (g *globals) changeCommand(op, short, long, now string) *cobra.Command {
	return &cobra.Command{
		Use: op + " ID", Short: short, Long: long,
		Example: "  raftctl members " + op + " n4",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.change(cmd, api.MemberChange{Op: op, ID: args[0]}, now)
		},
	}
}

func (g *globals) change(cmd *cobra.Command, change api.MemberChange, now string) error {
	if !cmd.Flags().Changed("timeout") {
		g.timeout = changeTimeout
	}
	return g.administer(cmd, func(ctx context.Context, cl *client.Client) error {
		changed, err := cl.ChangeMembers(ctx, change)
		switch {
		case err != nil:
			return err
		case g.json():
			return printJSON(cmd, changed)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s, since index %d\n", change.ID, now, changed.Index)
		return err
	})
}

func (g *globals) administer(cmd *cobra.Command, do func(context.Context, *client.Client) error) error {
	cl, err := g.connect(cmd)
	if err != nil {
		return err
	}
	defer cl.Close()
	return g.explain(cmd, cl, aChange, do(cmd.Context(), cl))
}

func newTransferCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "transfer-leader NODE",
		Short:   "Make another node the leader, without an election timeout",
		Example: "  raftctl transfer-leader n2",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.administer(cmd, func(ctx context.Context, cl *client.Client) error {
				now, err := cl.TransferLeadership(ctx, args[0])
				switch {
				case err != nil:
					return err
				case g.json():
					err = printJSON(cmd, now)
				default:
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s leads, in term %d\n", now.Leader, now.Term)
				}
				if err == nil && now.Leader != args[0] {
					return fmt.Errorf("transfer-leader: an election came in between, and %s won it", now.Leader)
				}
				return err
			})
		},
	}
}

func (g *globals) listMembers(cmd *cobra.Command, _ []string) error {
	all, err := g.askAll(cmd)
	if err != nil {
		return err
	}
	best := bestInformed(all)
	if best == nil {
		return noneReached(all)
	}
	if best.Role != "leader" {
		fmt.Fprintln(cmd.ErrOrStderr(), "raftctl: no endpoint leads, so nobody knows how far the members are")
	}
	if g.json() {
		return printJSON(cmd, api.Members{Leader: best.Leader, Term: best.Term, Configuration: best.Configuration})
	}
	if best.Joint {
		fmt.Fprintln(cmd.ErrOrStderr(), "raftctl: a change of the members is under way, since index", best.ConfigurationIndex)
	}
	return printMembers(cmd, best)
}

func printMembers(cmd *cobra.Command, s *api.Status) error {
	table := newTable(cmd.OutOrStdout(), "ID", "LEADER", "SUFFRAGE", "MATCH", "LAST CONTACT", "DISK", "PEER ADDRESS", "CLIENT ADDRESS")
	for _, m := range s.Members {
		leads, match, contact, disk := "no", "-", "-", "-"
		if m.ID == s.Leader {
			leads = "yes"
		}
		self, heard := m.ID == s.ID, m.LastContactMillis != nil
		if s.Role == "leader" {
			match = fmt.Sprint(m.Match)
			if !heard && !self {
				contact = "never"
			}
			if heard || self {
				disk = "ok"
			}
		}
		if m.LowOnSpace {
			disk = "low"
		}
		if m.SnapshotSent != nil {
			match = fmt.Sprintf("snapshot %d%%", 100**m.SnapshotSent/uint64(max(s.SnapshotBytes, 1)))
		}
		if m.LastContactMillis != nil {
			contact = fmt.Sprint(time.Duration(*m.LastContactMillis)*time.Millisecond, " ago")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, leads, m.Suffrage, match, contact, disk, cmp.Or(m.Address, "-"), cmp.Or(m.ClientAddress, "-"))
	}
	return table.Flush()
}

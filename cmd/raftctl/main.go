package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/rpc/certs"
)

const (
	defaultEndpoints = "127.0.0.1:8001,127.0.0.1:8002,127.0.0.1:8003"
	endpointsEnv     = "RAFTCTL_ENDPOINTS"
)

// A switch in help is shown as people type it. The functions of cobra's templates are global, hence init.
func init() {
	cobra.AddTemplateFunc("plain", func(flags string) string { return strings.ReplaceAll(flags, "[=true|false]", "             ") })
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (exitCode int) {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.InitDefaultCompletionCmd() // takes stdout as it is now
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = helpTopic
	}
	strict(root)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "raftctl:", err)
		if hint := hintFor(err); hint != "" {
			fmt.Fprintln(stderr, hint)
		}
	}
	return exitCodeOf(err)
}

// globals are the flags that every command has.
type globals struct {
	endpoints []string
	timeout   time.Duration
	output    string
	tls       certs.Files
	protocol  client.Protocol // of bench; elsewhere the client's default
}

func newRootCommand() *cobra.Command {
	var g globals
	root := &cobra.Command{
		Use:   "raftctl",
		Short: "Read, write, look at and change a cluster of raftnode",
		Long: "raftctl reads and writes, looks at and changes a cluster of raftnode.\n\n" +
			"Exit codes: 0 done; 1 certainly not done, or not found; 2 outcome unknown, a write may have been done;\n" +
			"3 no leader or no quorum, certainly not done; 64 wrong command line.",
		Example:       "  raftctl put motd hello\n  raftctl get motd\n  raftctl --endpoints 10.0.0.1:8001,10.0.0.2:8001 status",
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return g.check(cmd)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if word, found := strings.CutPrefix(err.Error(), "unknown shorthand flag: "); found && cmd.Args != nil {
			// What begins with - is taken for a flag: a negative number, say.
			_, word, _ = strings.Cut(word, " in ")
			return usage(cmd, "%v; if it is no flag, write: %s -- %s", err, cmd.Name(), strings.Join(append(cmd.Flags().Args(), word), " "))
		}
		return usage(cmd, "%v", err)
	})
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsages | plain"))
	flags := root.PersistentFlags()
	flags.StringSliceVar(&g.endpoints, "endpoints", strings.Split(defaultEndpoints, ","),
		"client addresses (host:port, or https://host:port) of the nodes; any will do, more are for when one is down; or "+endpointsEnv)
	flags.DurationVar(&g.timeout, "timeout", api.DefaultTimeout, "how long to try, at most "+api.MaxTimeout.String())
	for _, f := range g.tlsFlags() {
		flags.StringVar(f.value, f.name, "", f.help+"; or "+f.variable())
	}
	flags.StringVarP(&g.output, "output", "o", "table", "table for people, json for programs")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		newPutCommand(&g), newAppendCommand(&g), newDelCommand(&g),
		newGetCommand(&g), newLsCommand(&g),
		newStatusCommand(&g), newMembersCommand(&g), newTransferCommand(&g), newSnapshotCommand(&g),
		newLogCommand(), newDoctorCommand(), newBenchCommand(&g), newCertsCommand(), newVersionCommand(&g),
	)
	return root
}

// strict makes every mistake in the arguments, of all commands, a usageError.
func strict(cmd *cobra.Command) {
	check := cmd.Args
	if !cmd.Runnable() {
		check = onlySubcommands
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		err := check(cmd, args)
		var already *usageError
		if err != nil && !errors.As(err, &already) {
			return usage(cmd, "%w; usage: %s", err, cmd.UseLine())
		}
		return err
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// onlySubcommands refuses the arguments of a command that has subcommands: they name none of them.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return usage(cmd, "unknown command %q%s", args[0], hint)
}

// helpTopic refuses to help with a command that does not exist.
func helpTopic(cmd *cobra.Command, args []string) error {
	if topic, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
		return onlySubcommands(topic, rest)
	}
	return nil
}

// check completes the global flags: flag over environment over default.
func (g *globals) check(cmd *cobra.Command) error {
	if env := os.Getenv(endpointsEnv); env != "" && !cmd.Flags().Changed("endpoints") {
		g.endpoints = strings.Split(env, ",")
	}
	for _, f := range g.tlsFlags() {
		if env := os.Getenv(f.variable()); env != "" && !cmd.Flags().Changed(f.name) {
			*f.value = env
		}
	}
	if g.output != "table" && g.output != "json" {
		return usage(cmd, "-o %q is neither table nor json", g.output)
	}
	if g.timeout <= 0 {
		return usage(cmd, "--timeout %s is not above 0", g.timeout)
	}
	return nil
}

func (g *globals) json() bool { return g.output == "json" }

// connect makes the client. What it refuses is a mistake in the flags.
func (g *globals) connect(cmd *cobra.Command) (*client.Client, error) {
	secure, err := g.secure()
	if err != nil {
		return nil, usage(cmd, "%w", err)
	}
	c, err := client.New(client.Config{Endpoints: g.endpoints, Timeout: g.timeout, TLS: secure, Protocol: g.protocol})
	if err != nil {
		return nil, usage(cmd, "%s", strings.TrimPrefix(err.Error(), "kv/client: "))
	}
	return c, nil
}
